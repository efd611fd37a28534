'use strict';

// What the package has as its index.js. All modules stand in one file, as functions by name. Where there is the code that V8 made of it when the
// package was packed, in this very Node, it is not compiled again, which would take half of the time to load. Here, and not in a file of its own:
// to find a second one takes Node 0.7 ms.

const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');
const vm = require('node:vm');

const FOLDER = path.join(__dirname, 'lib/internal');
const MODULES = path.join(FOLDER, 'modules.js');
/** Milliseconds that may lie between two files that were unpacked together. */
const UNPACKING = 60_000;

/**
 * V8's code out of the file that scripts/code_cache.js wrote. V8 itself asks only for its own version, its flags and the source's length. A Node that
 * somebody configured in another way may number V8's functions in another way, so everything that a build says of itself must be the same.
 * @returns {Buffer | undefined} undefined: there is none for this Node
 */
function codeForThisNode() {
  const file = path.join(FOLDER, `code-${process.version}`);
  if (!fs.existsSync(file)) return undefined;
  const contents = fs.readFileSync(file);
  const build = JSON.stringify([process.versions, process.config]);
  const [start, end] = [Buffer.byteLength(build), contents.length - Buffer.byteLength(build)];
  // At both ends: a file that was not written whole, or whose end was lost with the power, is no code.
  if (end < start || contents.toString('utf8', 0, start) !== build || contents.toString('utf8', end) !== build)
    return undefined;
  // Of a text that was edited since it is not the code. Whoever unpacks both gives them times of his own, one soon behind the other.
  if (fs.statSync(MODULES).mtimeMs > fs.statSync(file).mtimeMs + UNPACKING) return undefined;
  return contents.subarray(start, end);
}

/** @returns {Function | undefined} the modules' file as a function; undefined: it is to be loaded as any file is */
function wrapperFromCode() {
  try {
    const cachedData = codeForThisNode();
    // Some loaders' require has no cache.
    if (cachedData === undefined || !require.cache) return undefined;
    const text = Module.wrap(fs.readFileSync(MODULES, 'latin1'));
    const wrapper = new vm.Script(text, { filename: MODULES, cachedData }).runInThisContext();
    // Not so in a context of somebody's own (jest's), whose loader gives other globals to what it loads.
    return wrapper instanceof Function ? wrapper : undefined;
  } catch {
    // Nothing here is worth an error: it only saves time.
    return undefined;
  }
}

/** @returns {Record<string, () => unknown>} the modules by their files' names, loaded once */
function modules() {
  const loaded = require.cache?.[MODULES];
  if (loaded) return /** @type {any} */ (loaded.exports);
  const wrapper = wrapperFromCode();
  if (wrapper === undefined) return require(MODULES);
  // Where the files of lib/ find it.
  const record = new Module(MODULES, /** @type {any} */ (module));
  record.filename = MODULES;
  record.loaded = true;
  require.cache[MODULES] = record;
  wrapper.call(record.exports, record.exports, require, record, MODULES, FOLDER);
  return /** @type {any} */ (record.exports);
}

module.exports = modules()['index.js']();
