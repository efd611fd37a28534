'use strict';

const fs = require('node:fs');
const path = require('node:path');

/**
 * Finds a program that is not ours, and that a machine may lack: then the test is skipped by name, but fails in CI.
 * @param {import('node:test').TestContext} t
 * @param {...string} names any of which will do
 * @returns {string | undefined} its path; undefined: the test is to return
 */
function findProgram(t, ...names) {
  // Daemons are often outside a user's PATH.
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/sbin', '/usr/local/sbin'];
  for (const name of names) {
    for (const folder of folders) {
      const file = path.join(folder, name);
      if (folder !== '' && fs.existsSync(file)) return file;
    }
  }
  const missing = `${names.join(' or ')} is not installed`;
  if (process.env.CI === 'true') throw new Error(missing);
  t.skip(missing);
  return undefined;
}

module.exports = { findProgram };
