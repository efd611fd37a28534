'use strict';

// What the `_http_*` modules give whose files in lib have more to export than Node's: the same object to require and import.

const agent = require('../agent.js');
const client = require('../client.js');
const incoming = require('../incoming.js');
const outgoing = require('../outgoing.js');

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
  agent: only(agent, ['Agent', 'globalAgent']),
  client: only(client, ['ClientRequest']),
  incoming: only(incoming, INCOMING),
  outgoing: only(outgoing, OUTGOING),
};
