'use strict';

/** Node's `_http_*` modules, of ours what their kind in Node exports. */

/**
 * @param {object} module one of ours, which exports more to its neighbours
 * @param {string[]} names those that Node's module of this kind has
 */
function only(module, names) {
  const exports = {};
  for (const name of names) {
    Object.defineProperty(exports, name, /** @type {any} */ (Object.getOwnPropertyDescriptor(module, name)));
  }
  return exports;
}

const INCOMING = ['IncomingMessage', 'kDetachAbortSignal', 'readStart', 'readStop'];
const OUTGOING = [
  ...['kHighWaterMark', 'kUniqueHeaders', 'parseUniqueHeadersOption'],
  ...['validateHeaderName', 'validateHeaderValue', 'OutgoingMessage'],
];

module.exports = {
  agent: only(require('../agent.js'), ['Agent', 'globalAgent']),
  client: only(require('../client.js'), ['ClientRequest']),
  incoming: only(require('../incoming.js'), INCOMING),
  outgoing: only(require('../outgoing.js'), OUTGOING),
};
