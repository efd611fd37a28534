'use strict';

const EventEmitter = require('node:events');
const { STATUS_CODES } = require('./internal/host');
const net = require('node:net');
const { promisify } = require('node:util');

const { kIncomingMessage } = require('./common');
const { IncomingMessage } = require('./incoming');
const { Connection } = require('./internal/connection');
const { kUniqueHeaders, parseUniqueHeadersOption } = require('./outgoing');
const { ServerResponse } = require('./response');
const { ServerConnection, kConnections, kOptimizeEmptyRequests, kServerResponse } = require('./server_connection');
const {
  option,
  serverArguments,
  storeConnectionOptions,
  storeMessageOptions,
  storeTimeouts,
} = require('./server_options');
const { validateBoolean } = require('./validators');

/** http.Server, and what else node's `_http_server` exports. */

/** The timer that looks for requests that take too long to arrive. */
const kConnectionsCheckingInterval = Symbol('http.server.connectionsCheckingInterval');

/**
 * Checks createServer's options and puts them on `this`, a Server of any kind (https has its own).
 * @this {any}
 * @param {any} options
 */
function storeHTTPOptions(options) {
  this[kIncomingMessage] = options.IncomingMessage || IncomingMessage;
  this[kServerResponse] = options.ServerResponse || ServerResponse;
  const { optimizeEmptyRequests } = options;
  this[kOptimizeEmptyRequests] = option(optimizeEmptyRequests, false, validateBoolean, 'options.optimizeEmptyRequests');
  storeConnectionOptions(this, options);
  storeTimeouts(this, options);
  storeMessageOptions(this, options);
}

/** @this {any} a Server: once it listens, its connections are known to it, and watched */
function setupConnectionsTracking() {
  this[kConnections] ||= new Set();
  clearInterval(this[kConnectionsCheckingInterval]);
  // Runs whatever the time-outs are, because they may be set later.
  this[kConnectionsCheckingInterval] = setInterval(checkConnections, this.connectionsCheckingInterval, this).unref();
}

/** @param {any} server */
function checkConnections(server) {
  const connections = [...server[kConnections]];
  for (const connection of connections) connection.applyTimeouts();
  Connection.checkTimeouts(connections.map(({ conn }) => conn));
}

/** @param {any} server about to stop listening */
function httpServerPreClose(server) {
  server.closeIdleConnections();
  clearInterval(server[kConnectionsCheckingInterval]);
}

/**
 * @param {any} [options]
 * @param {Function} [requestListener]
 */
function Server(options, requestListener) {
  if (!(this instanceof Server)) return new /** @type {any} */ (Server)(options, requestListener);
  const given = serverArguments(options, requestListener);
  storeHTTPOptions.call(this, given.options);
  const { noDelay = true, keepAlive, keepAliveInitialDelay, highWaterMark } = given.options;
  net.Server.call(this, {
    allowHalfOpen: true,
    noDelay: noDelay ?? true,
    keepAlive,
    keepAliveInitialDelay,
    highWaterMark,
  });
  if (given.requestListener) this.on('request', given.requestListener);

  this.httpAllowHalfOpen = false;
  this.on('connection', connectionListener);
  this.on('listening', setupConnectionsTracking);
  this.timeout = 0;
  this.maxHeadersCount = null;
  this.maxRequestsPerSocket = 0;
  this[kUniqueHeaders] = parseUniqueHeadersOption(given.options.uniqueHeaders);
}
Object.setPrototypeOf(Server.prototype, net.Server.prototype);
Object.setPrototypeOf(Server, net.Server);

/** @param {...any} args as net.Server's */
Server.prototype.close = function close(...args) {
  httpServerPreClose(this);
  net.Server.prototype.close.apply(this, args);
  return this;
};

Server.prototype.closeAllConnections = function closeAllConnections() {
  for (const { socket } of [...(this[kConnections] ?? [])]) socket.destroy();
};

Server.prototype.closeIdleConnections = function closeIdleConnections() {
  for (const connection of [...(this[kConnections] ?? [])]) {
    if (connection.isIdle()) connection.socket.destroy();
  }
};

/**
 * @param {number} msecs of inactivity on a socket, for connections to come
 * @param {Function} [callback] a 'timeout' listener
 */
Server.prototype.setTimeout = function setTimeout(msecs, callback) {
  this.timeout = msecs;
  if (callback) this.on('timeout', callback);
  return this;
};

const { captureRejectionSymbol } = EventEmitter;
Object.assign(Server.prototype, {
  /**
   * What becomes of an async listener's rejection.
   * @this {any}
   * @param {Error} err
   * @param {string | symbol} event
   * @param {...any} args
   */
  [captureRejectionSymbol](err, event, ...args) {
    if (event !== 'request') {
      /** @type {any} */ (net.Server.prototype)[captureRejectionSymbol].call(this, err, event, ...args);
      return;
    }
    const res = args[1];
    if (res.headersSent || res.writableEnded) {
      res.destroy();
      return;
    }
    // What the listener had set is for the answer that it did not give.
    for (const name of res.getHeaderNames()) res.removeHeader(name);
    res.statusCode = 500;
    res.end(STATUS_CODES[500]);
  },

  /** @this {any} */
  async [Symbol.asyncDispose]() {
    await promisify(this.close).call(this);
  },
});

/**
 * Serves HTTP on a socket; the 'connection' listener of every Server.
 * @this {any} the Server
 * @param {any} socket a net.Socket or any other Duplex
 */
function connectionListener(socket) {
  new ServerConnection(this, socket).open();
}

module.exports = {
  STATUS_CODES,
  Server,
  ServerResponse,
  setupConnectionsTracking,
  storeHTTPOptions,
  _connectionListener: connectionListener,
  kServerResponse,
  httpServerPreClose,
  kConnectionsCheckingInterval,
};
