'use strict';

const net = require('node:net');
const { addAbortSignal } = require('node:stream');
const { AsyncResource } = require('node:async_hooks');
const diagnostics = require('node:diagnostics_channel');
const EventEmitter = require('node:events');
const process = require('node:process');
const { codes } = require('./errors');
const { kIsHeard } = require('./internal/marks');
const { kOutHeaders } = require('./common');
const { kHighWaterMark, kUniqueHeaders, OutgoingMessage, parseUniqueHeadersOption } = require('./outgoing');
const agents = require('./agent');
const { assignSocket, emitError, kError, kResource, kStage, listenForTimeout, STAGE } = require('./client_connection');
const {
  BODILESS,
  checkHost,
  checkMethod,
  checkParserOptions,
  checkPath,
  checkProtocol,
  mergeArguments,
  timerDuration,
  uriHost,
} = require('./client_options');
const { kProxy, rewriteForProxy } = require('./proxy');

const { ERR_HTTP_HEADERS_SENT, ERR_INVALID_ARG_TYPE } = codes;

/** A request's target: `path` is an accessor that checks what it is set to. */
const kPath = Symbol('kPath');

const requestCreated = diagnostics.channel('http.client.request.created');
const requestStart = diagnostics.channel('http.client.request.start');

/** @typedef {import('./client_options').RequestOptions} RequestOptions */
/** @typedef {import('node:net').Socket & Record<PropertyKey, any>} Socket */

/**
 * A request on its way out (https://nodejs.org/api/http.html#class-httpclientrequest).
 * @param {string | URL | RequestOptions} input
 * @param {RequestOptions | ((res: any) => void)} [more]
 * @param {(res: any) => void} [cb] listener of 'response'
 * @this {any}
 */
function ClientRequest(input, more, cb) {
  OutgoingMessage.call(this);
  this[kStage] = STAGE.WAITING;
  this[kError] = undefined;
  this[kResource] = new AsyncResource('HTTPCLIENTREQUEST');

  const { options, callback } = mergeArguments(input, more, cb);
  if (options.highWaterMark != null) this[kHighWaterMark] = options.highWaterMark;

  const defaultAgent = options._defaultAgent || agents.globalAgent;
  const agent = chooseAgent(options, defaultAgent);
  this.agent = agent;

  const protocol = options.protocol || defaultAgent.protocol;
  this[kPath] = initialPath(options.path);
  checkProtocol(protocol, agent?.protocol || defaultAgent.protocol);

  const defaultPort = options.defaultPort || agent?.defaultPort;
  const port = options.port || defaultPort || 80;
  const host = checkHost(options.hostname, 'hostname') || checkHost(options.host, 'host') || 'localhost';
  options.port = port;
  options.host = host;

  const bare = options.setDefaultHeaders === false;
  this._removedConnection = bare;
  this._removedContLen = bare;
  this._removedTE = bare;
  this.socketPath = options.socketPath;
  if (options.timeout !== undefined) this.timeout = timerDuration(options.timeout, 'timeout');
  const { signal } = options;
  if (signal) {
    addAbortSignal(signal, this);
    delete options.signal;
  }
  this.method = checkMethod(options.method);
  checkParserOptions(options);
  this.maxHeaderSize = options.maxHeaderSize;
  this.insecureHTTPParser = options.insecureHTTPParser;
  this.httpValidation = options.httpValidation;
  this.joinDuplicateHeaders = options.joinDuplicateHeaders;
  if (callback) this.once('response', callback);

  this.useChunkedEncodingByDefault = !BODILESS.has(this.method);
  this._ended = false;
  this.res = null;
  this.aborted = false;
  this.timeoutCb = null;
  this.upgradeOrConnect = false;
  this.parser = null;
  this.maxHeadersCount = null;
  this.reusedSocket = false;
  this.host = host;
  this.protocol = protocol;
  // Keep-alive is worth asking for only where the Agent may use the socket again.
  this.shouldKeepAlive = agent ? Boolean(agent.keepAlive || Number.isFinite(agent.maxSockets)) : true;
  this._last = agent ? !this.shouldKeepAlive : false;

  setHeaders(this, options, defaultPort);
  this[kUniqueHeaders] = parseUniqueHeadersOption(options.uniqueHeaders);

  if (agent) agent.addRequest(this, options);
  else connect(this, options);
  if (requestCreated.hasSubscribers) requestCreated.publish({ request: this });
}
Object.setPrototypeOf(ClientRequest.prototype, OutgoingMessage.prototype);
Object.setPrototypeOf(ClientRequest, OutgoingMessage);

/**
 * @param {any} path
 * @returns {any} a number stays one, as in Node, until it is in the request line
 */
function initialPath(path) {
  if (!path) return '/';
  const target = checkPath(path);
  return typeof path === 'object' || typeof path === 'function' ? target : path;
}

/**
 * @param {RequestOptions} options
 * @param {any} defaultAgent
 * @returns {any} undefined: options.createConnection makes the connection
 */
function chooseAgent(options, defaultAgent) {
  const { agent } = options;
  if (agent === false) return new defaultAgent.constructor();
  if (agent === null || agent === undefined) {
    return typeof options.createConnection === 'function' ? agent : defaultAgent;
  }
  if (typeof (/** @type {any} */ (agent).addRequest) !== 'function') {
    throw new ERR_INVALID_ARG_TYPE('options.agent', ['Agent-like Object', 'undefined', 'false'], agent);
  }
  return agent;
}

/**
 * The header fields that the options give, and Host and Authorization.
 * @param {any} req
 * @param {RequestOptions} options
 * @param {number | string | undefined} defaultPort
 */
function setHeaders(req, options, defaultPort) {
  const host = uriHost(req.host);
  const port = /** @type {number | string} */ (options.port);
  const authority = { host, port };
  const proxied = req.agent?.[kProxy];
  const { headers } = options;

  if (Array.isArray(headers)) {
    if (proxied) rewriteForProxy(req, options, authority, undefined, headers);
    req._storeHeader(`${req.method} ${req.path} HTTP/1.1\r\n`, headers);
    return;
  }

  if (headers) {
    for (const name of Object.keys(headers)) req.setHeader(name, /** @type {any} */ (headers)[name]);
  }
  const userHost = req.getHeader('host');
  const setsHost = options.setHost === undefined ? options.setDefaultHeaders !== false : Boolean(options.setHost);
  if (!userHost && setsHost) req.setHeader('Host', +port === defaultPort ? host : `${host}:${port}`);
  if (options.auth && !req.getHeader('Authorization')) {
    req.setHeader('Authorization', `Basic ${Buffer.from(options.auth).toString('base64')}`);
  }
  if (proxied) rewriteForProxy(req, options, authority, userHost);
  if (req.getHeader('expect')) req._implicitHeader();
}

/**
 * Connects a request that has no Agent.
 * @param {any} req
 * @param {RequestOptions} options
 */
function connect(req, options) {
  req._last = true;
  req.shouldKeepAlive = false;
  // net.connect takes a path for a Unix socket's.
  if (options.socketPath) options.path = options.socketPath;
  else if (options.path) options.path = undefined;

  if (typeof options.createConnection !== 'function') {
    req.onSocket(net.createConnection(/** @type {any} */ (options)));
    return;
  }
  let called = false;
  const onCreate = (/** @type {Error | null} */ err, /** @type {any} */ socket) => {
    if (called) return;
    called = true;
    if (err) process.nextTick(emitError, req, err);
    else req.onSocket(socket);
  };
  try {
    const socket = options.createConnection(/** @type {any} */ (options), onCreate);
    if (socket) onCreate(null, socket);
  } catch (err) {
    onCreate(/** @type {Error} */ (err), null);
  }
}

// Nobody but who listens for 'finish' hears that a request has been sent, and most have listeners for other events. Not enumerable, as kSent is.
Object.defineProperty(ClientRequest.prototype, kIsHeard, {
  configurable: true,
  writable: true,
  /** @this {any} */
  value: function isHeard() {
    return this._events?.finish !== undefined || this.emit !== EventEmitter.prototype.emit;
  },
});

Object.defineProperty(ClientRequest.prototype, 'path', {
  configurable: true,
  enumerable: true,
  /** @this {any} */
  get() {
    return this[kPath];
  },
  /** @this {any} @param {unknown} value */
  set(value) {
    this[kPath] = checkPath(value);
  },
});

/** @this {any} */
ClientRequest.prototype._finish = function _finish() {
  OutgoingMessage.prototype._finish.call(this);
  if (requestStart.hasSubscribers) requestStart.publish({ request: this });
};

/** @this {any} */
ClientRequest.prototype._implicitHeader = function _implicitHeader() {
  if (this._header) throw new ERR_HTTP_HEADERS_SENT('render');
  this._storeHeader(`${this.method} ${this.path} HTTP/1.1\r\n`, this[kOutHeaders]);
};

/**
 * As destroy(), and 'abort' is emitted; deprecated in Node too.
 * @this {any}
 */
ClientRequest.prototype.abort = function abort() {
  if (this.aborted) return;
  this.aborted = true;
  process.nextTick(emitAbort, this);
  this.destroy();
};

/** @param {any} req */
function emitAbort(req) {
  req.emit('abort');
}

/**
 * @this {any}
 * @param {Error} [err]
 */
ClientRequest.prototype.destroy = function destroy(err) {
  if (this.destroyed) return this;
  this.destroyed = true;
  this.res?._dump();
  this[kError] = err;
  this.socket?.destroy(err);
  return this;
};

/**
 * Takes the socket that the request's Agent has found for it, or the error instead.
 * @this {any}
 * @param {Socket | null | undefined} socket
 * @param {Error | null} [err]
 */
ClientRequest.prototype.onSocket = function onSocket(socket, err) {
  assignSocket(this, socket, err);
};

/**
 * Calls a method of the socket once there is one and it is connected.
 * @this {any}
 * @param {string | undefined} method
 * @param {any[]} args
 */
ClientRequest.prototype._deferToConnect = function _deferToConnect(method, args) {
  const call = () => {
    if (method) this.socket[method](...args);
  };
  const whenAssigned = () => {
    if (this.socket.writable) call();
    else this.socket.once('connect', call);
  };
  if (this.socket) whenAssigned();
  else this.once('socket', whenAssigned);
};

/**
 * @this {any}
 * @param {number} msecs
 * @param {() => void} [callback] listener of 'timeout'
 */
ClientRequest.prototype.setTimeout = function setTimeout(msecs, callback) {
  if (this._ended) return this;
  listenForTimeout(this);
  const duration = timerDuration(msecs, 'msecs');
  if (callback) this.once('timeout', callback);
  if (this.socket) setSocketTimeout(this.socket, duration);
  else this.once('socket', (/** @type {Socket} */ socket) => setSocketTimeout(socket, duration));
  return this;
};

/**
 * @param {Socket} socket
 * @param {number} msecs
 */
function setSocketTimeout(socket, msecs) {
  // Until it is connected, the time-out that was set before counts.
  if (socket.connecting) socket.once('connect', () => socket.setTimeout(msecs));
  else socket.setTimeout(msecs);
}

/**
 * @this {any}
 * @param {boolean} [noDelay]
 */
ClientRequest.prototype.setNoDelay = function setNoDelay(noDelay) {
  this._deferToConnect('setNoDelay', [noDelay]);
};

/**
 * @this {any}
 * @param {boolean} [enable]
 * @param {number} [initialDelay] ms
 */
ClientRequest.prototype.setSocketKeepAlive = function setSocketKeepAlive(enable, initialDelay) {
  this._deferToConnect('setKeepAlive', [enable, initialDelay]);
};

/**
 * @this {any}
 * @param {() => void} [callback]
 */
ClientRequest.prototype.clearTimeout = function clearTimeout(callback) {
  this.setTimeout(0, callback);
};

/**
 * @param {string | URL | RequestOptions} url
 * @param {RequestOptions | ((res: any) => void)} [options]
 * @param {(res: any) => void} [callback]
 * @returns {any} the ClientRequest
 */
function request(url, options, callback) {
  return new /** @type {any} */ (ClientRequest)(url, options, callback);
}

/**
 * As request(), and ends it.
 * @param {string | URL | RequestOptions} url
 * @param {RequestOptions | ((res: any) => void)} [options]
 * @param {(res: any) => void} [callback]
 * @returns {any} the ClientRequest
 */
function get(url, options, callback) {
  const req = request(url, options, callback);
  req.end();
  return req;
}

module.exports = { ClientRequest, get, request };
