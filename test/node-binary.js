'use strict';

// The Node binaries that tests and benchmarks run in, pinned by a lock file per version in node-versions/. They are
// installed on demand into the cache, one by one, and never into a node_modules/.bin that would shadow the user's node.

const fs = require('node:fs');
const path = require('node:path');
const { spawnSync } = require('node:child_process');
const { cacheFolder } = require('./cache');
const { environment } = require('../scripts/process');

const LOCKS = path.join(__dirname, 'node-versions');

/** The versions there are. */
const MAJORS = fs.readdirSync(LOCKS).map(Number);

/** @param {string} major @returns {{ name: string, version: string }} the package that holds Node for this platform */
function platformPackage(major) {
  const manifest = path.join(LOCKS, major, 'package.json');
  if (!fs.existsSync(manifest)) throw new Error(`no Node ${major} is pinned (there are ${MAJORS.join(', ')})`);
  const name = `node-${process.platform}-${process.arch}`;
  const version = JSON.parse(fs.readFileSync(manifest, 'utf8')).optionalDependencies[name];
  if (!version) throw new Error(`no Node ${major} is pinned for ${process.platform} on ${process.arch}`);
  return { name, version };
}

/** @param {number | string} major 20, 22 … @returns {string} the exact version pinned, '24.21.0' */
function nodeVersion(major) {
  return platformPackage(String(major)).version;
}

/**
 * The path of the pinned Node of this major version; installs it when it is not there yet (the download is shown on
 * stderr and takes a few seconds).
 * @param {number | string} major
 * @returns {string}
 * @throws when this version or platform is not pinned, or cannot be installed
 */
function nodeBinary(major) {
  const { name, version } = platformPackage(String(major));
  const folder = path.join(cacheFolder(), `node-${version}`);
  const binary = path.join(folder, 'node_modules', name, 'bin', 'node');
  if (fs.existsSync(binary)) return binary;

  console.error(`── installing Node ${version}, for tests only`);
  // Made aside and renamed: two test files that ask at the same time must not install into each other.
  const aside = fs.mkdtempSync(`${folder}.`);
  for (const file of ['package.json', 'package-lock.json']) {
    fs.copyFileSync(path.join(LOCKS, String(major), file), path.join(aside, file));
  }
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: aside,
    env: environment(),
    stdio: ['ignore', 2, 2],
  });
  try {
    if (status !== 0) throw new Error(`Node ${version} could not be installed`);
    fs.renameSync(aside, folder);
  } catch (error) {
    fs.rmSync(aside, { recursive: true, force: true });
    if (!fs.existsSync(binary)) throw error;
  }
  return binary;
}

module.exports = { MAJORS, nodeBinary, nodeVersion };
