'use strict';

// Which files of Node's suite are run, and what they ask for.

const fs = require('node:fs');
const path = require('node:path');

/**
 * @typedef {object} TestFile
 * @property {string} name its base name, which is its name in the ledger
 * @property {'parallel' | 'sequential'} folder
 * @property {string} path
 */

/**
 * What can be run: the files about http, or those others of test/parallel that merely use it.
 * @type {Record<string, (file: TestFile) => boolean>}
 */
const SCOPES = {
  http: ({ name }) => name.startsWith('test-http-'),
  others: ({ name, folder, path: file }) =>
    folder === 'parallel' &&
    !/^test-https?-/.test(name) &&
    /(require\(|from )['"](node:)?_?http['"]/.test(fs.readFileSync(file, 'utf8')),
};

/**
 * @param {string} tree a Node source tree
 * @param {string} scope a name in SCOPES
 * @param {string} [only] a regular expression, or a glob of * and ?, over the base name
 * @returns {TestFile[]} parallel ones first, in order
 */
function listFiles(tree, scope, only) {
  const files = /** @type {const} */ (['parallel', 'sequential']).flatMap((folder) =>
    fs
      .readdirSync(path.join(tree, 'test', folder))
      .filter((name) => /^test-.*\.m?js$/.test(name))
      .sort()
      .map((name) => ({ name, folder, path: path.join(tree, 'test', folder, name) })),
  );
  const pattern = only === undefined ? /^/ : isGlob(only) ? globPattern(only) : new RegExp(only);
  return files.filter((file) => pattern.test(file.name) && SCOPES[scope](file));
}

/** @param {string} text whether every * in it stands where a regular expression would not have it */
function isGlob(text) {
  return /[*?]/.test(text) && !/[\\^$()[\]|]|\.[*?]/.test(text);
}

/** @param {string} glob */
function globPattern(glob) {
  const source = glob
    .replace(/[.+{}]/g, '\\$&')
    .replace(/\*/g, '.*')
    .replace(/\?/g, '.');
  return new RegExp(`^${source}(\\.m?js)?$`);
}

/**
 * The command-line flags and environment variables that a file asks for in comments near its beginning.
 * @param {string} file
 * @returns {{ flags: string[], env: Record<string, string> }}
 */
function requirements(file) {
  const text = fs.readFileSync(file, 'utf8');
  const words = (/** @type {string} */ key) => {
    const line = text.match(new RegExp(`^// ${key}:[ \\t]*(.*)$`, 'm'));
    return line ? line[1].trim().split(/\s+/).filter(Boolean) : [];
  };
  return {
    flags: words('Flags'),
    env: Object.fromEntries(words('Env').map((pair) => [pair.replace(/=.*/, ''), pair.replace(/^[^=]*=?/, '')])),
  };
}

module.exports = { SCOPES, listFiles, requirements };
