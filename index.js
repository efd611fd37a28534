'use strict';

const host = require('./lib/internal/host');

const agent = require('./lib/agent');
const { ClientRequest, get, request } = require('./lib/client');
const { methods } = require('./lib/common');
const { IncomingMessage } = require('./lib/incoming');
const { OutgoingMessage, validateHeaderName, validateHeaderValue } = require('./lib/outgoing');
const { setGlobalProxyFromEnv: proxyFromEnv } = require('./lib/proxy');
const { _connectionListener, STATUS_CODES, Server, ServerResponse } = require('./lib/server');
const { validateInteger } = require('./lib/validators');

/** The module: the names that this Node's http has, and in its order, so that what enumerates them finds the same. */

/**
 * @param {any} [options]
 * @param {any} [requestListener]
 */
function createServer(options, requestListener) {
  return new /** @type {any} */ (Server)(options, requestListener);
}

/** @param {NodeJS.ProcessEnv} [env] */
function setGlobalProxyFromEnv(env = process.env) {
  return proxyFromEnv(/** @type {any} */ (module.exports), agent.makeGlobalAgent, env);
}

/** @type {Record<string, unknown>} */
const values = {
  _connectionListener,
  METHODS: methods.toSorted(),
  STATUS_CODES,
  Agent: agent.Agent,
  ClientRequest,
  IncomingMessage,
  OutgoingMessage,
  Server,
  ServerResponse,
  createServer,
  validateHeaderName,
  validateHeaderValue,
  get,
  request,
  /** @param {number} max */
  setMaxIdleHTTPParsers(max) {
    validateInteger(max, 'max', 1);
    // Loaded by who asks for parsers: Servers and ClientRequests have no need of them.
    require('./lib/parser_pool').parsers.max = max;
  },
  setGlobalProxyFromEnv,
};

/** @type {Record<string, PropertyDescriptor>} */
const accessors = {
  maxHeaderSize: { get: () => host.whole().maxHeaderSize },
  globalAgent: {
    get: () => agent.globalAgent,
    set(value) {
      agent.globalAgent = value;
    },
  },
  // The host's, which speaks no HTTP of ours; loaded when asked for, as there.
  WebSocket: { get: () => host.whole().WebSocket },
  CloseEvent: { get: () => host.whole().CloseEvent },
  MessageEvent: { get: () => host.whole().MessageEvent },
};

for (const name of host.names) {
  if (Object.hasOwn(values, name)) {
    module.exports[name] = values[name];
  } else if (Object.hasOwn(accessors, name)) {
    Object.defineProperty(module.exports, name, { configurable: true, enumerable: true, ...accessors[name] });
  } else {
    // A later Node's: it says by itself that it is missing, where it is used.
    Object.defineProperty(module.exports, name, {
      configurable: true,
      enumerable: true,
      get() {
        throw new Error(`ferrohttp: http.${name} is not implemented yet`);
      },
    });
  }
}
