'use strict';

// The package comes first: what it reads from the host's http (METHODS, STATUS_CODES …) it must get from the host,
// and once the hooks stand, every require('http') in this process gives ferrohttp, the package's own included.
const { isInternalThread } = require('node:worker_threads');
const http = require('../../index.js');
const common = require('../http_common.js');
const server = require('../server.js');
const { httpFacade } = require('./facades.js');
const parts = require('./parts.js');
const { install } = require('./hooks.js');

// Two copies of the package in one process would each put their hooks over the other's: the first one stays.
const kRegistered = Symbol.for('ferrohttp.registered');

// Node runs --require on the thread of module.register()'s hooks too, where nobody asks for http, and where Node 22 ends when a
// hook of registerHooks() passes on.
if (!isInternalThread && !Object.hasOwn(process, kRegistered)) {
  Object.defineProperty(process, kRegistered, { value: true });
  install({
    http: { exports: http, facade: httpFacade(http) },
    _http_agent: { exports: parts.agent, facade: 'esm/_http_agent.mjs' },
    _http_client: { exports: parts.client, facade: 'esm/_http_client.mjs' },
    _http_common: { exports: common, facade: 'esm/_http_common.mjs' },
    _http_incoming: { exports: parts.incoming, facade: 'esm/_http_incoming.mjs' },
    _http_outgoing: { exports: parts.outgoing, facade: 'esm/_http_outgoing.mjs' },
    _http_server: { exports: server, facade: 'esm/_http_server.mjs' },
  });
}
