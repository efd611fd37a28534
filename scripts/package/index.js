'use strict';

// What the package has as its index.js. All modules stand in one file, as functions by name. Where there is the code that V8 made of it when the
// package was packed, in this very Node, it is not compiled again, which would take half of the time to load. Here, and not in a file of its own:
// to find a second one takes Node 0.7 ms. One statement after the other for the same reason: V8 would read each function twice.

const fs = require('node:fs');
const path = require('node:path');
const vm = require('node:vm');

const FOLDER = path.join(__dirname, 'lib/internal');
const MODULES = `${FOLDER}${path.sep}modules.js`;
/** Milliseconds that may lie between two files that were unpacked together. */
const UNPACKING = 60_000;
/** The modules by their files' names, loaded once. @type {Record<string, () => unknown> | undefined} */
let modules = require.cache?.[MODULES]?.exports;
/** The modules' file as a function. @type {unknown} */
let wrapper;
/** Open files. @type {number[]} */
const opened = [];

try {
  // V8's code is in the file that scripts/code_cache.js wrote. V8 itself asks only for its own version, its flags and the source's length. A Node
  // that somebody configured in another way may number V8's functions in another way, so everything that a build says of itself must be the same.
  const file = `${FOLDER}${path.sep}code-${process.version}`;
  // Some loaders' require has no cache, and some loaders' modules are not Node's.
  const isNodes = require.cache !== undefined && require.cache === /** @type {any} */ (module.constructor)._cache;
  if (modules === undefined && isNodes) {
    opened.push(fs.openSync(file, 'r'));
    opened.push(fs.openSync(MODULES, 'r'));
    const [code, text] = [fs.fstatSync(opened[0]), fs.fstatSync(opened[1])];
    const build = Buffer.from(JSON.stringify([process.versions, process.config]));
    // One piece of memory for both, one after the other: the system makes each page of it when it is first written to.
    const contents = Buffer.allocUnsafeSlow(Math.max(text.size, code.size));
    // Of a text that was edited since it is not the code. Whoever unpacks both gives them times of his own, one soon behind the other.
    if (text.mtimeMs <= code.mtimeMs + UNPACKING && fs.readSync(opened[1], contents, 0, text.size, 0) === text.size) {
      const source = contents.toString('latin1', 0, text.size);
      const end = code.size - build.length;
      // At its end: a file that was not written whole, or whose end was lost with the power, is no code. Its beginning V8 looks at.
      if (
        end > 0 &&
        fs.readSync(opened[0], contents, 0, code.size, 0) === code.size &&
        build.equals(contents.subarray(end, code.size))
      ) {
        const cachedData = contents.subarray(0, end);
        wrapper = new vm.Script(source, { filename: MODULES, cachedData }).runInThisContext();
      }
    }
  }
} catch {
  // Nothing here is worth an error: it only saves time.
}
for (const descriptor of opened) fs.closeSync(descriptor);

if (modules !== undefined) {
  // Somebody asked for a file of lib/ by its name.
} else if (wrapper instanceof Function) {
  const Module = /** @type {any} */ (module.constructor);
  const record = new Module(MODULES, module);
  record.filename = MODULES;
  record.loaded = true;
  // Where the files of lib/ find it.
  require.cache[MODULES] = record;
  wrapper(record.exports, require, record, MODULES, FOLDER);
  modules = record.exports;
} else {
  // Also in a context of somebody's own (jest's), whose loader gives other globals to what it loads.
  modules = require(MODULES);
}

module.exports = /** @type {any} */ (modules)['index.js']();
