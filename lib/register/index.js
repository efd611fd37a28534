'use strict';

// The package comes first: what it reads from the host's http (METHODS, STATUS_CODES …) it must get from the host,
// and once the hooks stand, every require('http') in this process gives ferrohttp, the package's own included.
const http = require('../../index.js');
const agent = require('../agent.js');
const client = require('../client.js');
const common = require('../http_common.js');
const incoming = require('../incoming.js');
const outgoing = require('../outgoing.js');
const server = require('../server.js');
const { httpFacade } = require('./facades.js');
const { install } = require('./hooks.js');

// Two copies of the package in one process would each put their hooks over the other's: the first one stays.
const kRegistered = Symbol.for('ferrohttp.registered');

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

if (!Object.hasOwn(process, kRegistered)) {
  Object.defineProperty(process, kRegistered, { value: true });
  install({
    http: { exports: http, facade: httpFacade(http) },
    _http_agent: { exports: only(agent, ['Agent', 'globalAgent']), facade: 'esm/_http_agent.mjs' },
    _http_client: { exports: only(client, ['ClientRequest']), facade: 'esm/_http_client.mjs' },
    _http_common: { exports: common, facade: 'esm/_http_common.mjs' },
    _http_incoming: { exports: only(incoming, INCOMING), facade: 'esm/_http_incoming.mjs' },
    _http_outgoing: { exports: only(outgoing, OUTGOING), facade: 'esm/_http_outgoing.mjs' },
    _http_server: { exports: server, facade: 'esm/_http_server.mjs' },
  });
}
