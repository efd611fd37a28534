'use strict';

// Where Node's own test suite comes from. It is not ours and is never committed.

const fs = require('node:fs');
const path = require('node:path');
const { pipeline } = require('node:stream/promises');
const { Readable } = require('node:stream');
const { createHash } = require('node:crypto');
const { cacheFolder } = require('./cache');
const { nodeVersion } = require('./node-binary');
const debian = require('./debian-source');
const { must } = require('../scripts/process');

/** What is looked at in a Node source tree: the tests, and what they and the benchmarks read. */
const PARTS = ['test', 'doc', 'lib', 'benchmark'];

/** @typedef {{ version: string, archive: string, root: string }} Download `root`: the archive's top folder */
/** @typedef {{ name: string, get: (folder: string) => Promise<Download> }} Origin */

/**
 * Node's own release archive, checked against the release's list of hashes.
 * @param {string} version
 * @param {string} folder
 * @returns {Promise<Download>}
 */
async function downloadRelease(version, folder) {
  const base = `https://nodejs.org/dist/v${version}`;
  const name = `node-v${version}.tar.xz`;
  const archive = path.join(folder, name);
  const [hashes, body] = await Promise.all(
    [`${base}/SHASUMS256.txt`, `${base}/${name}`].map(async (url) => {
      const response = await fetch(url);
      if (!response.ok || !response.body) throw new Error(`${url}: ${response.status}`);
      return response;
    }),
  );
  await pipeline(Readable.fromWeb(/** @type {any} */ (body.body)), fs.createWriteStream(archive));
  const hash = createHash('sha256').update(fs.readFileSync(archive)).digest('hex');
  if (!(await hashes.text()).includes(`${hash}  ${name}`)) throw new Error(`${name} does not have the published hash`);
  return { version, archive, root: `node-v${version}` };
}

/**
 * Unpacks the parts of a source archive that are needed.
 * @param {Download} download
 * @param {string} into a folder that exists when all is there, and not before
 */
async function unpack({ archive, root }, into) {
  const aside = fs.mkdtempSync(`${into}.`);
  const wildcards = root.includes('*') ? ['--wildcards', '--no-wildcards-match-slash'] : [];
  await must('tar', [
    '-xJf',
    archive,
    '-C',
    aside,
    '--strip-components=1',
    ...wildcards,
    ...PARTS.map((part) => `${root}/${part}`),
  ]);
  try {
    fs.renameSync(aside, into);
  } catch (error) {
    fs.rmSync(aside, { recursive: true, force: true });
    if (!fs.existsSync(into)) throw error;
  }
}

/**
 * A Node source tree with the suite of this major version: NODE_TEST_SUITE, or one fetched once and kept in the cache.
 * @param {number} major
 * @returns {Promise<string>} its folder
 * @throws when it cannot be had
 */
async function suiteTree(major) {
  const given = process.env.NODE_TEST_SUITE;
  if (given) {
    if (!fs.existsSync(path.join(given, 'test/parallel'))) throw new Error('NODE_TEST_SUITE is not a Node source tree');
    return path.resolve(given);
  }
  // A suite newer than the Node that runs it tests what that Node cannot do: the same version comes first.
  const exact = nodeVersion(major);
  const cache = cacheFolder();
  const tree = path.join(cache, `suite-for-${exact}`);
  if (fs.existsSync(tree)) return tree;

  const apt = async (/** @type {string | undefined} */ version, /** @type {string} */ folder) => ({
    ...(await debian.download(major, version, folder)),
    root: '*',
  });
  /** @type {Origin[]} */
  const origins = [
    { name: `Debian, ${exact}`, get: (folder) => apt(exact, folder) },
    { name: `nodejs.org, ${exact}`, get: (folder) => downloadRelease(exact, folder) },
    { name: `Debian, the newest ${major}`, get: (folder) => apt(undefined, folder) },
  ];
  const failures = [];
  for (const { name, get } of origins) {
    console.error(`── fetching Node ${major}'s test suite (${name})`);
    const folder = fs.mkdtempSync(path.join(cache, 'download-'));
    try {
      const download = await get(folder);
      await unpack(download, tree);
      console.error(`── the suite is Node ${download.version}'s`);
      return tree;
    } catch (error) {
      const { message, cause } = /** @type {Error} */ (error);
      failures.push(`${name}: ${message}${cause instanceof Error ? ` (${cause.message})` : ''}`);
    } finally {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  }
  throw new Error(`Node ${major}'s test suite could not be had: ${failures.join('; ')}`);
}

module.exports = { suiteTree };
