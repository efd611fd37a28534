'use strict';

// Programs that come as npm packages, pinned by a lock file. They are installed on demand into the cache, one by one, and
// never into a node_modules/.bin that would shadow the user's own.

const fs = require('node:fs');
const path = require('node:path');
const { spawnSync } = require('node:child_process');
const { cacheFolder } = require('./cache');
const { environment } = require('../scripts/process');

/**
 * @param {string} locks a folder with package.json and package-lock.json
 * @param {string} name of a package that stands among its optionalDependencies
 * @returns {string | undefined} the exact version pinned, '24.21.0'
 */
function pinnedVersion(locks, name) {
  return JSON.parse(fs.readFileSync(path.join(locks, 'package.json'), 'utf8')).optionalDependencies[name];
}

/**
 * A file of a pinned package; installs the package when it is not there yet (the download is shown on stderr and takes
 * a few seconds).
 * @param {{ locks: string, name: string, file: string, what: string, purpose: string }} program `locks`, `name`: as for
 *   pinnedVersion; `file`: within the package; `what`: 'node', for the folder in the cache; `purpose`: 'tests'
 * @returns {string} its path
 * @throws when it cannot be installed
 */
function pinnedFile({ locks, name, file, what, purpose }) {
  const version = pinnedVersion(locks, name);
  const folder = path.join(cacheFolder(), `${what}-${version}`);
  const installed = path.join(folder, 'node_modules', name, file);
  if (fs.existsSync(installed)) return installed;

  console.error(`── installing ${what} ${version}, for ${purpose} only`);
  // Made aside and renamed: two that ask at the same time must not install into each other.
  const aside = fs.mkdtempSync(`${folder}.`);
  for (const lock of ['package.json', 'package-lock.json']) {
    fs.copyFileSync(path.join(locks, lock), path.join(aside, lock));
  }
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: aside,
    env: environment(),
    stdio: ['ignore', 2, 2],
  });
  try {
    if (status !== 0 || !fs.existsSync(path.join(aside, 'node_modules', name, file))) {
      throw new Error(`${what} ${version} could not be installed`);
    }
    fs.renameSync(aside, folder);
  } catch (error) {
    fs.rmSync(aside, { recursive: true, force: true });
    if (!fs.existsSync(installed)) throw error;
  }
  return installed;
}

module.exports = { pinnedFile, pinnedVersion };
