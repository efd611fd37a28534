'use strict';

// The packed package, installed in a folder of its own, with the project's own tests beside it: what they require is what a user gets.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { ROOT, must } = require('./process');

/** What the tests read of the tree. */
const WANTED = ['__test__', 'test', 'scripts', 'examples', 'bench', 'proto/tests'];

/** Packages need a tree to be packed from. */
const NOT_WANTED = ['__test__/package.test.js', 'test/.cache'];

/** @param {string} file relative to the root @returns {boolean} */
function isWanted(file) {
  return !NOT_WANTED.includes(file);
}

/**
 * Packs and installs.
 * @returns {Promise<string>} the installed package's folder, in a temporary one that goes with this process
 */
async function install() {
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'ferrohttp-installed-')));
  process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
  const packed = await must('npm', ['run', '--silent', 'pack', '--', '--destination', folder], { stdout: 'hidden' });
  fs.writeFileSync(path.join(folder, 'package.json'), '{ "private": true }');
  const args = ['install', '--offline', '--no-audit', '--no-fund', packed.stdout.trim()];
  await must('npm', args, { cwd: folder, stdout: 'hidden' });

  const installed = path.join(folder, 'node_modules/ferrohttp');
  for (const part of WANTED) {
    const filter = (/** @type {string} */ from) => isWanted(path.relative(ROOT, from));
    fs.cpSync(path.join(ROOT, part), path.join(installed, part), { recursive: true, filter });
  }
  fs.symlinkSync(path.join(ROOT, 'node_modules'), path.join(installed, 'node_modules'));
  return installed;
}

module.exports = { install, isWanted };
