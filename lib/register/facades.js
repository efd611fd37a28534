'use strict';

/** @type {(() => void)[]} */
const refreshers = [];

/**
 * An ES module's names are fixed in its text, and node:http's grew over the releases: the facade with the names that
 * this Node's http has.
 * @param {object} http what require('ferrohttp') gives
 * @returns {string} path of the ES module, relative to this folder
 */
function httpFacade(http) {
  if (Object.hasOwn(http, 'setGlobalProxyFromEnv')) return '../../index.mjs';
  if (Object.hasOwn(http, 'WebSocket')) return 'esm/http-22.mjs';
  return 'esm/http-20.mjs';
}

/**
 * Runs `refresh` now and whenever `module.syncBuiltinESMExports()` is called: a facade's named exports follow what was
 * assigned to the CommonJS exports then, and not before, as those of Node's own modules do.
 * @param {() => void} refresh assigns the facade's exported bindings
 */
function bind(refresh) {
  refreshers.push(refresh);
  // Tools that patch http when it is first required (OpenTelemetry's) are to have done so before its names are bound.
  require('node:http');
  refresh();
}

/** Runs every facade's refresh. */
function sync() {
  for (const refresh of refreshers) refresh();
}

module.exports = { bind, httpFacade, sync };
