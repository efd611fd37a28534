'use strict';

const Module = require('node:module');
const { isBuiltin } = Module;
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const { whole } = require('../internal/host.js');
const facades = require('./facades.js');

/** Loaded before anything stands in its place. */
const host = whole();

/**
 * @typedef {object} Replacement
 * @property {unknown} exports what require() and process.getBuiltinModule() give
 * @property {string} facade the ES module that import gives: its path, relative to this folder
 */

/**
 * Puts `replacements` where the host's builtin modules of those names stand, with and without the `node:` prefix, for
 * every module loaded from now on. The host's own module objects are not touched: who holds one keeps it.
 * @param {Record<string, Replacement>} replacements by bare builtin name
 */
function install(replacements) {
  /** @type {Map<unknown, unknown>} */
  const exportsOf = new Map();
  /** @type {Map<string, string>} */
  const urlOf = new Map();
  for (const [name, { exports, facade }] of Object.entries(replacements)) {
    const url = pathToFileURL(path.resolve(__dirname, facade)).href;
    for (const specifier of [name, `node:${name}`]) {
      exportsOf.set(specifier, exports);
      urlOf.set(specifier, url);
    }
  }
  patchLoad(exportsOf);
  patchRequire(exportsOf);
  patchGetBuiltinModule(exportsOf);
  patchSync();
  hookImport(urlOf);
}

/** @param {Map<unknown, unknown>} exportsOf */
function patchLoad(exportsOf) {
  const loader = /** @type {any} */ (Module);
  const original = loader._load;
  loader._load = function _load(/** @type {unknown} */ request) {
    const found = exportsOf.get(request);
    // How many arguments there are differs between Node’s versions.
    return found === undefined ? Reflect.apply(original, this, arguments) : found;
  };
}

/**
 * Who hooked require() before (OpenTelemetry's require-in-the-middle) and saw http loaded then answers for it from a cache. Those answers
 * alone are replaced: hooks that ask for the module anew see ours, and may patch it.
 * @param {Map<unknown, unknown>} exportsOf
 */
function patchRequire(exportsOf) {
  if (require('node:http') !== host) return;
  const original = Module.prototype.require;
  Module.prototype.require = function require(id) {
    const given = Reflect.apply(original, this, arguments);
    return given === host ? (exportsOf.get(id) ?? given) : given;
  };
}

/** @param {Map<unknown, unknown>} exportsOf */
function patchGetBuiltinModule(exportsOf) {
  const descriptor = Object.getOwnPropertyDescriptor(process, 'getBuiltinModule');
  if (descriptor === undefined) return;
  const original = descriptor.value;
  descriptor.value = function getBuiltinModule(/** @type {unknown} */ id) {
    return exportsOf.get(id) ?? Reflect.apply(original, this, [id]);
  };
  Object.defineProperty(process, 'getBuiltinModule', descriptor);
}

function patchSync() {
  const original = Module.syncBuiltinESMExports;
  Module.syncBuiltinESMExports = function syncBuiltinESMExports() {
    original();
    facades.sync();
  };
  original();
}

/** @param {Map<string, string>} urlOf */
function hookImport(urlOf) {
  if (typeof Module.registerHooks !== 'function') {
    // Node 20 to 22.14: resolution hooks for import live on a thread of their own.
    Module.register('./resolve-hook.mjs', { parentURL: pathToFileURL(__filename).href, data: urlOf });
    return;
  }
  Module.registerHooks({
    resolve(specifier, context, nextResolve) {
      const url = urlOf.get(specifier);
      const found = nextResolve(specifier, context);
      // require() has been answered by _load before; what comes here is require.resolve('http'), which stays 'http'. Where a hook
      // beneath wraps the builtin (import-in-the-middle's), the wrapper itself imports it, and comes here again.
      if (url === undefined || context.conditions.includes('require') || !isBuiltin(found.url)) return found;
      return { url, format: 'module', shortCircuit: true };
    },
  });
}

module.exports = { install };
