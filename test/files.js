'use strict';

// Which files of Node's suite are run, and what they ask for.

const fs = require('node:fs');
const path = require('node:path');

/**
 * @typedef {object} TestFile
 * @property {string} name its base name, which is its name in the ledger
 * @property {string} folder the one of FOLDERS that it lies in
 * @property {string} path
 */

/** Where files about http lie. Those of SEQUENTIAL can have no other beside them. */
const FOLDERS = ['parallel', 'client-proxy', 'async-hooks', 'sequential'];
const SEQUENTIAL = 'sequential';

/** @param {TestFile} file */
const isAbout = ({ name, folder }) => folder === 'client-proxy' || name.startsWith('test-http-');

/** Of those that begin with test-https, only client-proxy's are asked: there an http server stands between. @param {TestFile} file */
const isUser = ({ name, path: file }) =>
  !/^test-https?-/.test(name) &&
  /(require\(|from |import\()['"](node:)?_?http(_\w+)?['"]/.test(fs.readFileSync(file, 'utf8'));

/**
 * What can be run: the files about http, those that merely use it, or both.
 * @type {Record<string, (file: TestFile) => boolean>}
 */
const SCOPES = {
  http: isAbout,
  others: (file) => !isAbout(file) && isUser(file),
  all: (file) => isAbout(file) || isUser(file),
};

/**
 * @param {string} tree a Node source tree
 * @param {string} scope a name in SCOPES
 * @param {string} [only] a regular expression, or a glob of * and ?, over the base name
 * @returns {TestFile[]} the sequential ones last; client-proxy is missing in older trees
 */
function listFiles(tree, scope, only) {
  const folders = FOLDERS.filter((folder) => fs.existsSync(path.join(tree, 'test', folder)));
  const files = folders.flatMap((folder) =>
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

module.exports = { SCOPES, SEQUENTIAL, listFiles, requirements };
