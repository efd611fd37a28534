'use strict';

const net = require('node:net');
const EventEmitter = require('node:events');
const { AsyncResource } = require('node:async_hooks');
const { debuglog } = require('node:util');
const { validateNumber, validateOneOf, validateString } = require('./validators');
const { isFit, parkSocket } = require('./client_connection');
const { mergeOptions } = require('./client_options');
const { checkIoThreads } = require('./io_threads');
const { resetAsyncId, showAsyncId } = require('./reused_handle');
const { connectToProxy, envOfProxies, kProxy, ProxyConfig, usesProxy } = require('./proxy');

const debug = debuglog('http');

/** What addRequest kept of a request that waits for a socket: its options and the async context it was made in. */
const kQueued = Symbol('queued');
/** An Agent's listener for 'keylog' on its sockets, once somebody listens to the Agent's own. */
const kOnKeylog = Symbol('onkeylog');
/** A tunnel's socket, that calls back when the tunnel stands: https sets it on what createConnection returns. */
const WAITS_FOR_TUNNEL = 'kWaitForProxyTunnel';

/** Sockets kept idle per name, for want of maxFreeSockets. */
const MAX_FREE_SOCKETS = 256;
/** How long before the server's announced Keep-Alive time-out a socket is given up, in ms. */
const KEEP_ALIVE_BUFFER = 1000;
/** Delay before the first TCP keep-alive probe, in ms. */
const KEEP_ALIVE_MSECS = 1000;

/** @typedef {import('node:net').Socket & Record<PropertyKey, any>} Socket */
/** @typedef {Record<PropertyKey, any>} Options */

/**
 * Keeps connections per name (see getName) and hands them to requests. Its dictionaries are the state itself: subclasses
 * read and write them.
 * @param {Options} [options]
 * @this {any}
 */
function Agent(options) {
  if (!(/** @type {unknown} */ (this instanceof Agent))) return new /** @type {any} */ (Agent)(options);

  EventEmitter.call(this);

  this.options = Object.assign(Object.create(null), options);
  this.defaultPort = this.options.defaultPort || 80;
  this.protocol = this.options.protocol || 'http:';

  if (this.options.noDelay === undefined) this.options.noDelay = true;
  // net.connect would take a path for a Unix socket's.
  this.options.path = null;
  this.requests = Object.create(null);
  this.sockets = Object.create(null);
  this.freeSockets = Object.create(null);
  this.keepAliveMsecs = this.options.keepAliveMsecs || KEEP_ALIVE_MSECS;
  this.keepAlive = this.options.keepAlive || false;
  this.maxSockets = this.options.maxSockets || Agent.defaultMaxSockets;
  this.maxFreeSockets = this.options.maxFreeSockets || MAX_FREE_SOCKETS;
  this.scheduling = this.options.scheduling || 'lifo';
  this.maxTotalSockets = this.options.maxTotalSockets;
  this.totalSocketCount = 0;

  const buffer = this.options.agentKeepAliveTimeoutBuffer;
  this.agentKeepAliveTimeoutBuffer = Number.isFinite(buffer) && buffer >= 0 ? buffer : KEEP_ALIVE_BUFFER;

  const { proxyEnv } = this.options;
  if (typeof proxyEnv === 'object' && proxyEnv !== null) this[kProxy] = ProxyConfig.fromEnv(proxyEnv, this.protocol);

  validateOneOf(this.scheduling, 'scheduling', ['fifo', 'lifo']);
  checkIoThreads(this.options.ioThreads);
  if (this.maxTotalSockets === undefined) this.maxTotalSockets = Infinity;
  else validateNumber(this.maxTotalSockets, 'maxTotalSockets', 1);

  this.on('free', onAgentFree);
  this.on('newListener', onNewListener);
}
Object.setPrototypeOf(Agent.prototype, EventEmitter.prototype);
Object.setPrototypeOf(Agent, EventEmitter);

Agent.defaultMaxSockets = Infinity;

/**
 * A socket has done its request: give it the next one that waits for its name, or keep it, or destroy it.
 * @this {any}
 * @param {Socket} socket
 * @param {Options} options what it was made for
 */
function onAgentFree(socket, options) {
  const name = this.getName(options);
  debug('agent.on(free)', name);

  if (!socket.writable) {
    socket.destroy();
    return;
  }

  const waiting = this.requests[name];
  if (waiting?.length && !isFit(socket)) {
    // Its 'close' makes room for the request's own.
    socket.destroy();
    return;
  }
  if (waiting?.length) {
    const req = waiting.shift();
    if (waiting.length === 0) delete this.requests[name];
    const resource = req[kQueued]?.resource;
    req[kQueued] = undefined;
    if (resource) resource.runInAsyncScope(giveReused, null, this, req, socket);
    else giveSocket(this, req, socket);
    return;
  }

  const req = socket._httpMessage;
  const idle = this.freeSockets[name] || [];
  const count = idle.length + (this.sockets[name]?.length ?? 0);
  const keeps =
    req?.shouldKeepAlive &&
    this.keepAlive &&
    this.totalSocketCount <= this.maxTotalSockets &&
    count <= this.maxSockets &&
    idle.length < this.maxFreeSockets &&
    this.keepSocketAlive(socket);
  if (!keeps) {
    socket.destroy();
    return;
  }

  this.freeSockets[name] = idle;
  showAsyncId(socket, -1);
  socket._httpMessage = null;
  this.removeSocket(socket, options);
  socket.once('error', onFreeSocketError);
  idle.push(socket);
  // Bytes that came after the response would be taken for the next one's.
  if (!parkSocket(socket)) socket.destroy();
}

/**
 * @this {Socket}
 * @param {Error} err
 */
function onFreeSocketError(err) {
  debug('SOCKET ERROR on FREE socket:', err.message, err.stack);
  this.destroy();
  this.emit('agentRemove');
}

/**
 * 'keylog' costs a listener on every socket, so it waits until somebody listens.
 * @this {any}
 * @param {string | symbol} event
 */
function onNewListener(event) {
  if (event !== 'keylog') return;
  this.removeListener('newListener', onNewListener);
  const agent = this;
  /** @this {Socket} @param {Buffer} line */
  this[kOnKeylog] = function onKeylog(line) {
    agent.emit('keylog', line, this);
  };
  for (const dictionary of [this.freeSockets, this.sockets]) {
    for (const sockets of Object.values(dictionary)) {
      for (const socket of sockets) socket.on('keylog', this[kOnKeylog]);
    }
  }
}

/**
 * Makes the transport of a request; takes net.connect's arguments, returns a Duplex or hands one to the callback.
 * @this {any}
 * @param {...any} args options and a callback, in each of net.connect's forms
 */
Agent.prototype.createConnection = function createConnection(...args) {
  const proxy = this[kProxy];
  if (!proxy) return net.createConnection(.../** @type {[any]} */ (args));
  const [options, callback] = /** @type {any} */ (net)._normalizeArgs(args);
  if (!usesProxy(proxy, options)) return net.createConnection(.../** @type {[any]} */ (args));
  return connectToProxy(proxy, callback);
};

/**
 * The key under which connections that can serve the same requests are kept.
 * @param {Options} [options]
 * @returns {string} host:port:localAddress, then :family and :socketPath where given
 */
Agent.prototype.getName = function getName(options = {}) {
  const { host, port, localAddress, family, socketPath } = options;
  const last = lastName;
  const isLast =
    last.host === host &&
    last.port === port &&
    last.localAddress === localAddress &&
    last.family === family &&
    last.socketPath === socketPath;
  if (isLast) return last.name;
  let name = `${host || 'localhost'}:${port || ''}:${localAddress || ''}`;
  if (family === 4 || family === 6) name += `:${family}`;
  if (socketPath) name += `:${socketPath}`;
  lastName = { host, port, localAddress, family, socketPath, name };
  return name;
};

/** What the last name was made of. A string just put together is slow as a key, and most names are asked for again at once. */
let lastName = {
  host: /** @type {any} */ (''),
  port: /** @type {any} */ (''),
  localAddress: /** @type {any} */ (''),
  family: /** @type {any} */ (0),
  socketPath: /** @type {any} */ (''),
  name: 'localhost::',
};

/**
 * Gives the request a socket: an idle one, a new one, or the next to become free.
 * @this {any}
 * @param {any} req
 * @param {Options | string} options or, as long ago, a host
 * @param {number} [port]
 * @param {string} [localAddress]
 */
Agent.prototype.addRequest = function addRequest(req, options, port, localAddress) {
  const given = typeof options === 'string' ? { host: options, port, localAddress } : options;
  const name = nameFor(this, req, given);
  this.sockets[name] ||= [];

  const idle = this.freeSockets[name];
  const socket = idle && takeIdle(this, name, idle);
  const count = (idle ? idle.length : 0) + this.sockets[name].length;

  if (socket) {
    const mark = this.options.highWaterMark ?? given.highWaterMark;
    if (mark != null && socket.writableHighWaterMark !== mark) socket._writableState.highWaterMark = mark;
    resetAsyncId(socket);
    this.reuseSocket(socket, req);
    giveSocket(this, req, socket);
    this.sockets[name].push(socket);
  } else if (count < this.maxSockets && this.totalSocketCount < this.maxTotalSockets) {
    const merged = connectionOptions(this, req, given);
    this.createSocket(req, merged, (/** @type {any} */ err, /** @type {Socket} */ made) => {
      if (err) failRequest(req, made, err);
      else giveSocket(this, req, made);
    });
  } else {
    debug('wait for socket');
    req[kQueued] = { options: given, resource: new AsyncResource('QueuedRequest') };
    this.requests[name] ||= [];
    this.requests[name].push(req);
  }
};

/**
 * The name of the request's connection. Merging the options costs more than all else that a reused socket asks of the
 * Agent, and the name depends on few of them.
 * @param {any} agent
 * @param {any} req
 * @param {Options} options
 * @returns {string}
 */
function nameFor(agent, req, options) {
  const isPlain = agent.getName === Agent.prototype.getName && !choosesName(agent.options);
  if (!isPlain) return agent.getName(connectionOptions(agent, req, options));
  hostField(req);
  return agent.getName(options);
}

/**
 * @param {Options} options of an Agent
 * @returns {boolean}
 */
function choosesName(options) {
  return (
    'host' in options ||
    'port' in options ||
    'localAddress' in options ||
    'family' in options ||
    'socketPath' in options
  );
}

/**
 * Takes the idle socket whose turn it is. One that died meanwhile, whether or not anybody was told yet, is never handed out.
 * @param {any} agent
 * @param {string} name
 * @param {Socket[]} idle
 * @returns {Socket | undefined}
 */
function takeIdle(agent, name, idle) {
  let socket;
  for (;;) {
    socket = agent.scheduling === 'fifo' ? idle.shift() : idle.pop();
    if (socket === undefined || isFit(socket)) break;
    socket.destroy();
  }
  if (idle.length === 0) delete agent.freeSockets[name];
  return socket;
}

/**
 * @this {any}
 * @param {any} req
 * @param {Options} options
 * @param {(err: Error | null, socket?: Socket) => void} callback called once
 */
Agent.prototype.createSocket = function createSocket(req, options, callback) {
  const merged = connectionOptions(this, req, options);
  const timeout = req.timeout || this.options.timeout || undefined;
  if (timeout) merged.timeout = timeout;

  const name = this.getName(merged);
  merged._agentKey = name;
  merged.encoding = null;
  if (this.keepAlive) {
    merged.keepAlive = this.keepAlive;
    merged.keepAliveInitialDelay = this.keepAliveMsecs;
  }

  debug('createConnection', name);
  let called = false;
  const onCreate = (/** @type {Error | null} */ err, /** @type {Socket} */ socket) => {
    if (called) return;
    called = true;
    if (err) {
      callback(err);
      return;
    }
    this.sockets[name] ||= [];
    this.sockets[name].push(socket);
    this.totalSocketCount++;
    adoptSocket(this, socket, merged);
    callback(null, socket);
  };

  const socket = this.createConnection(merged, onCreate);
  if (socket && !waitsForTunnel(socket)) onCreate(null, socket);
};

/**
 * @param {Socket} socket
 * @returns {boolean} whether the socket is an https tunnel being dug, for which the host's own https calls back later
 */
function waitsForTunnel(socket) {
  for (const symbol of Object.getOwnPropertySymbols(socket)) {
    if (symbol.description === WAITS_FOR_TUNNEL) return Boolean(socket[/** @type {any} */ (symbol)]);
  }
  return false;
}

/**
 * The options of a connection: the Agent's go before the request's.
 * @param {any} agent
 * @param {any} req
 * @param {Options} options
 * @returns {Options}
 */
function connectionOptions(agent, req, options) {
  const merged = mergeOptions(options, agent.options);
  if (merged.socketPath) merged.path = merged.socketPath;
  if (!merged.servername && merged.servername !== '') merged.servername = serverName(merged, req);
  return merged;
}

/**
 * @param {Options} options
 * @param {any} req
 * @returns {string} TLS's server name: the Host field's host; '' for an IP address
 */
function serverName(options, req) {
  let name = options.host;
  const host = hostField(req);
  if (host) {
    if (host[0] === '[') {
      const end = host.indexOf(']');
      name = end < 0 ? host : host.slice(1, end);
    } else {
      name = host.split(':', 1)[0];
    }
  }
  return net.isIP(name) ? '' : name;
}

/**
 * @param {any} req
 * @returns {string | undefined}
 */
function hostField(req) {
  const host = req.getHeader('host');
  if (host) validateString(host, 'options.headers.host');
  return host;
}

/**
 * Listens to a socket for as long as the Agent owns it.
 * @param {any} agent
 * @param {Socket} socket
 * @param {Options} options
 */
function adoptSocket(agent, socket, options) {
  function onFree() {
    agent.emit('free', socket, options);
  }
  function onClose() {
    agent.totalSocketCount--;
    agent.removeSocket(socket, options);
  }
  function onTimeout() {
    if (Object.values(agent.freeSockets).some((idle) => idle?.includes(socket))) socket.destroy();
  }
  function onRemove() {
    onClose();
    socket.removeListener('close', onClose);
    socket.removeListener('free', onFree);
    socket.removeListener('timeout', onTimeout);
    socket.removeListener('agentRemove', onRemove);
  }
  socket.on('free', onFree);
  socket.on('close', onClose);
  socket.on('timeout', onTimeout);
  socket.on('agentRemove', onRemove);
  if (agent[kOnKeylog]) socket.on('keylog', agent[kOnKeylog]);
}

/**
 * Forgets a socket; a request that waited for its place gets a new one.
 * @this {any}
 * @param {Socket} socket
 * @param {Options} options
 */
Agent.prototype.removeSocket = function removeSocket(socket, options) {
  const name = this.getName(options);
  debug('removeSocket', name, 'writable:', socket.writable);
  removeFrom(this.sockets, name, socket);
  if (!socket.writable) removeFrom(this.freeSockets, name, socket);

  let req;
  if (this.requests[name]?.length) {
    req = this.requests[name][0];
  } else {
    for (const other of Object.keys(this.requests)) {
      // At its own limit already.
      if (this.sockets[other]?.length) break;
      req = this.requests[other][0];
      options = req[kQueued]?.options && connectionOptions(this, req, req[kQueued].options);
      break;
    }
  }
  if (!req || !options) return;
  // A second socket removed meanwhile must not be replaced for the same request.
  if (req[kQueued]) req[kQueued].options = undefined;
  this.createSocket(req, options, (/** @type {any} */ err, /** @type {Socket} */ made) => {
    if (err) failRequest(req, null, err);
    else made.emit('free');
  });
};

/**
 * @param {Record<string, Socket[]>} dictionary
 * @param {string} name
 * @param {Socket} socket
 */
function removeFrom(dictionary, name, socket) {
  const index = dictionary[name] ? dictionary[name].indexOf(socket) : -1;
  if (index < 0) return;
  dictionary[name].splice(index, 1);
  if (dictionary[name].length === 0) delete dictionary[name];
}

/**
 * Makes a socket fit to lie idle.
 * @this {any}
 * @param {Socket} socket
 * @returns {boolean} whether it can be kept: false when the server is about to close it
 */
Agent.prototype.keepSocketAlive = function keepSocketAlive(socket) {
  socket.setKeepAlive(true, this.keepAliveMsecs);
  socket.unref();

  let timeout = this.options.timeout || 0;
  let keeps = true;
  const hint = socket._httpMessage?.res?.headers['keep-alive'];
  const seconds = hint && /^timeout=(\d+)/.exec(hint)?.[1];
  if (seconds) {
    // Given up before the server closes it: a request sent at that moment would be lost.
    const announced = Number.parseInt(seconds, 10) * 1000 - this.agentKeepAliveTimeoutBuffer;
    if (announced <= 0) keeps = false;
    else if (announced < timeout) timeout = announced;
  }
  if (socket.timeout !== timeout) socket.setTimeout(timeout);
  return keeps;
};

/**
 * Makes an idle socket fit for the request.
 * @param {Socket} socket
 * @param {any} req
 */
Agent.prototype.reuseSocket = function reuseSocket(socket, req) {
  debug('have free socket');
  socket.removeListener('error', onFreeSocketError);
  req.reusedSocket = true;
  socket.ref();
};

/**
 * Destroys all sockets, idle or not.
 * @this {any}
 */
Agent.prototype.destroy = function destroy() {
  for (const dictionary of [this.freeSockets, this.sockets]) {
    for (const name of Object.keys(dictionary)) {
      for (const socket of [...dictionary[name]]) socket.destroy();
    }
  }
};

/**
 * @param {any} agent
 * @param {any} req
 * @param {Socket} socket
 */
function giveSocket(agent, req, socket) {
  req.onSocket(socket);
  const timeout = agent.options.timeout || 0;
  if (req.timeout !== undefined && req.timeout !== timeout) socket.setTimeout(req.timeout);
}

/**
 * @param {any} agent
 * @param {any} req
 * @param {Socket} socket
 */
function giveReused(agent, req, socket) {
  resetAsyncId(socket);
  giveSocket(agent, req, socket);
}

/**
 * @param {any} req
 * @param {Socket | null | undefined} socket
 * @param {Error & { code?: string, proxyTunnelTimeout?: boolean }} err
 */
function failRequest(req, socket, err) {
  // The host's https digs tunnels; its errors are the request's own.
  if (err.code === 'ERR_PROXY_TUNNEL') {
    if (err.proxyTunnelTimeout) req.emit('timeout');
    req.emit('error', err);
  }
  req.onSocket(socket, err);
}

/**
 * The Agent of requests that name none.
 * @param {Record<string, string | undefined>} [proxyEnv]
 * @returns {any}
 */
function makeGlobalAgent(proxyEnv) {
  return new /** @type {any} */ (Agent)({ keepAlive: true, scheduling: 'lifo', timeout: 5000, proxyEnv });
}

module.exports = {
  Agent,
  globalAgent: makeGlobalAgent(envOfProxies()),
  makeGlobalAgent,
};
