'use strict';

const { finished } = require('node:stream');
const diagnostics = require('node:diagnostics_channel');
const EventEmitter = require('node:events');
const process = require('node:process');
const { Connection, kConnection, HEAD } = require('./internal/connection');
const ring = require('./internal/ring');
const { expectOf } = require('./send');
const { ConnResetException } = require('./errors');
const { kSkipPendingData, leniency } = require('./common');
const { hide } = require('./inspect');
const { annotate } = require('./internal/annotate');
const { listenForTimeout, onResponseTimeout, stopListeningForTimeout } = require('./client_timeouts');
const {
  STAGE,
  close,
  dropParser,
  emitError,
  hearErrors,
  isHeard,
  kEndsWithConnection,
  kResource,
  kStage,
  listen,
  onSocketClose,
  onSocketEnd,
  unlisten,
} = require('./client_socket');
const { complete, IncomingMessage, kDetachAbortSignal, pushBody, setResponseHead } = require('./incoming');

/**
 * A ClientRequest and its socket: how they come together, what the engine reports of the response, how they part.
 * One handler and one set of listeners serve all requests; a socket's current one is socket._httpMessage, as in Node.
 */

/** What destroy() was given. */
const kError = Symbol('error');
/** A socket's ResponseParser. */
const kParser = Symbol('parser');

/** On a socket: what has the copy of this package that drives it give it up. Copies find each other's, as they may share an Agent. */
const kGiveUp = Symbol.for('ferrohttp.giveUp');

hide(kError);

const responseFinish = diagnostics.channel('http.client.response.finish');

/** @typedef {import('node:net').Socket & Record<PropertyKey, any>} Socket */
/** @typedef {any} ClientRequest */

// ---------------------------------------------------------------------------------------------------------------------
// Coming together

/**
 * ClientRequest.prototype.onSocket's work: the Agent, or whoever makes connections, has a socket or an error for the request.
 * @param {ClientRequest} req
 * @param {Socket | null | undefined} socket
 * @param {Error | null} [err]
 */
function assignSocket(req, socket, err) {
  if (socket && !err) {
    socket._httpMessage = req;
    // The socket may fail before the next tick.
    hearErrors(socket);
  }
  process.nextTick(takeUpSocket, req, socket, err);
}

/**
 * @param {ClientRequest} req
 * @param {Socket | null | undefined} socket
 * @param {Error | null} [err]
 */
function takeUpSocket(req, socket, err) {
  if (!req.destroyed && !err && socket) {
    attach(req, socket);
    if (req.timeout !== undefined || req.agent?.options?.timeout) listenForTimeout(req);
    req.emit('socket', socket);
    req._flush();
    // It closed before anybody could listen.
    if (socket._readableState?.closeEmitted && req[kStage] === STAGE.ATTACHED) onSocketClose.call(socket);
    return;
  }

  req.destroyed = true;
  if (!socket) {
    closeUnsent(req, null, err || req[kError]);
  } else if (!err && req.agent && !socket.destroyed) {
    engage(req, socket);
    socket.emit('free');
    unwireUnlessTaken(req, socket);
    closeUnsent(req, socket, req[kError]);
  } else {
    finished(socket.destroy(err || req[kError]), (/** @type {any} */ failure) => {
      const known = failure?.code === 'ERR_STREAM_PREMATURE_CLOSE' ? null : failure;
      closeUnsent(req, socket, known || err);
    });
  }
}

/**
 * Ends a request of which nothing was sent.
 * @param {ClientRequest} req
 * @param {Socket | null} socket
 * @param {Error | null | undefined} err
 */
function closeUnsent(req, socket, err) {
  const failure = err || (req.aborted ? null : new ConnResetException('socket hang up'));
  if (failure && !socket?._hadError) emitError(req, failure);
  close(req);
}

/**
 * @param {ClientRequest} req
 * @param {Socket} socket
 */
function attach(req, socket) {
  req.socket = socket;
  req[kStage] = STAGE.ATTACHED;
  socket._httpMessage = req;
  if (!socket[kParser]) annotate(socket, kParser, new ResponseParser(socket));
  socket.parser = socket[kParser];
  req.parser = socket.parser;
  if (!socket.destroyed) {
    const conn = engage(req, socket);
    conn.resource = req[kResource];
    conn.expectResponse(expectOf(req));
  }
  listen(socket);
}

/**
 * Sees that the engine drives the socket as this request wants its response parsed.
 * @param {ClientRequest} req
 * @param {Socket} socket
 * @returns {any} the Connection
 */
function engage(req, socket) {
  const lenient = leniency(req.httpValidation, req.insecureHTTPParser);
  const maxHeaderSize = req.maxHeaderSize || 0;
  const conn = socket[kConnection];
  if (conn?.attached) {
    if (conn.lenient === lenient && conn.maxHeaderSize === maxHeaderSize) return conn;
    if (conn.detach().length > 0) socket.destroy();
  }
  if (socket[kGiveUp] !== giveUp) {
    socket[kGiveUp]?.(socket);
    annotate(socket, kGiveUp, giveUp);
  }
  return Connection.attach(socket, responses, {
    role: 'client',
    resource: req[kResource],
    maxHeaderSize,
    lenient,
    ioThreads: req.agent?.options?.ioThreads,
  });
}

// ---------------------------------------------------------------------------------------------------------------------
// The response

/**
 * @param {any} conn
 * @returns {ClientRequest | null} the request whose response the connection's bytes are; null: none, the connection is idle
 */
function currentRequest(conn) {
  const req = conn.socket._httpMessage;
  return req?.[kStage] === STAGE.ATTACHED ? req : null;
}

/**
 * @param {number} status
 * @returns {boolean} whether the final response is still to come; 101 is final
 */
function isInterim(status) {
  return status >= 100 && status < 200 && status !== 101;
}

/** What the engine calls on every client connection (see lib/internal/connection.js). */
const responses = {
  /**
   * @param {any} conn
   * @param {string} text
   * @param {number} flags
   * @param {number} status
   * @param {number} reasonLength
   */
  onHead(conn, text, flags, status, reasonLength) {
    const { socket } = conn;
    const req = currentRequest(conn);
    if (req === null || req.res !== null) {
      // A response that nobody asked for.
      if (req) req.res[kSkipPendingData] = true;
      socket.destroy();
      return;
    }

    const res = new /** @type {any} */ (IncomingMessage)(socket);
    setResponseHead(res, text, flags, status, reasonLength, req.maxHeadersCount);
    res.joinDuplicateHeaders = req.joinDuplicateHeaders;

    if (flags & HEAD.UPGRADE || req.method === 'CONNECT') surrender(conn, req, res);
    else takeResponse(req, res, (flags & HEAD.KEEP_ALIVE) !== 0);
  },

  /**
   * @param {any} conn
   * @param {Buffer} chunk
   */
  onBody(conn, chunk) {
    const res = currentRequest(conn)?.res;
    if (res) pushBody(res, chunk);
  },

  /**
   * @param {any} conn
   * @param {string} trailers
   */
  onComplete(conn, trailers) {
    const req = currentRequest(conn);
    if (!req?.res) return;
    complete(req.res, trailers);
    dropParser(req, conn.socket);
    conn.completedIn = ring.reading();
  },

  /** @param {any} conn */
  onLetGo(conn) {
    const res = currentRequest(conn)?.res;
    if (res && !res.complete && conn.endsWithConnection) res[kEndsWithConnection] = true;
  },

  /**
   * @param {any} conn
   * @param {any} err
   */
  onParseError(conn, err) {
    const { socket } = conn;
    const req = currentRequest(conn);
    if (req?.res?.complete && (conn.completedIn !== ring.reading() || req.res.statusCode === 101)) {
      // Behind a response that was complete already Node does not look; nor behind a 101, where another protocol begins. But no other
      // request gets this socket.
      conn.detach();
      req.shouldKeepAlive = false;
      return;
    }
    // It is an ordinary socket that the error's listeners find.
    conn.detach();
    socket.parser = null;
    socket.removeListener('end', onSocketEnd);
    socket.destroy();
    // A second response, or bytes on an idle connection: nobody's error, but nothing behind them can be believed.
    if (req === null || err.code === 'HPE_UNSOLICITED_RESPONSE') return;
    socket._hadError = true;
    req.parser = null;
    emitError(req, err);
  },
};

/**
 * @param {ClientRequest} req
 * @param {any} res
 * @param {boolean} shouldKeepAlive whether the connection outlives it
 */
function takeResponse(req, res, shouldKeepAlive) {
  const { socket } = req;
  if (isInterim(res.statusCode)) {
    emitInterim(req, res);
    return;
  }
  if (!shouldKeepAlive) req.shouldKeepAlive = false;
  if (responseFinish.hasSubscribers) responseFinish.publish({ request: req, response: res });
  req.res = res;
  res.req = req;
  // Readable's own `on` would make the stream's state.
  EventEmitter.prototype.on.call(res, 'end', onResponseEnd);
  socket.on('timeout', onResponseTimeout);

  if (req.aborted || !req.emit('response', res)) dump(res);
  if (res.statusCode === 304) res.complete = true;
}

/**
 * What node shows of a response's reading as `parser` of socket and request, until the response has been read. It keeps nothing: all of it
 * is looked up.
 */
class ResponseParser {
  /** @param {Socket} socket */
  constructor(socket) {
    this.socket = socket;
  }

  /** @returns {ClientRequest | null} */
  get outgoing() {
    return this.socket.parser === this ? this.socket._httpMessage : null;
  }

  get incoming() {
    return this.outgoing?.res ?? null;
  }

  get joinDuplicateHeaders() {
    return this.outgoing?.joinDuplicateHeaders ?? null;
  }

  get onIncoming() {
    const { outgoing } = this;
    return outgoing && takeResponse.bind(null, outgoing);
  }
}

/**
 * Throws a response away. Unread, it would hold up its connection for ever; and its 'end' must come, to free the socket.
 * @param {any} res
 */
function dump(res) {
  res.resume();
  res._dump();
}

/**
 * @param {ClientRequest} req
 * @param {any} info
 */
function emitInterim(req, info) {
  if (info.statusCode === 100) req.emit('continue');
  if (req.listenerCount('information') === 0) return;
  req.emit('information', {
    statusCode: info.statusCode,
    statusMessage: info.statusMessage,
    httpVersion: info.httpVersion,
    httpVersionMajor: info.httpVersionMajor,
    httpVersionMinor: info.httpVersionMinor,
    headers: info.headers,
    rawHeaders: info.rawHeaders,
  });
}

/**
 * Hands the socket to the user, with the bytes after the head; without a listener the connection ends.
 * @param {any} conn
 * @param {ClientRequest} req
 * @param {any} res
 */
function surrender(conn, req, res) {
  const { socket } = conn;
  const event = req.method === 'CONNECT' ? 'connect' : 'upgrade';
  res.upgrade = true;
  req.res = res;
  complete(res, '');
  stopListeningForTimeout(req, socket);
  if (req.listenerCount(event) === 0) {
    socket.destroy();
    return;
  }

  req.upgradeOrConnect = true;
  req[kStage] = STAGE.SURRENDERED;
  const head = conn.detach();
  dropParser(req, socket);
  socket.emit('agentRemove');
  unlisten(socket);
  socket._httpMessage = null;
  socket.readableFlowing = null;
  req.emit(event, res, socket, head);
  req.destroyed = true;
  close(req);
}

/** @this {any} the response */
function onResponseEnd() {
  const { req } = this;
  const { socket } = req;
  this[kDetachAbortSignal]();
  if (socket) stopListeningForTimeout(req, socket);
  req._ended = true;
  if (!req.shouldKeepAlive) {
    if (socket.writable) {
      if (typeof socket.destroySoon === 'function') socket.destroySoon();
      else socket.end();
    }
  } else if (!this.aborted && req[kStage] === STAGE.ATTACHED) {
    // A socket with unsent bytes of this request cannot serve another.
    if (req.writableFinished) releaseSocket(req);
    else req.once('finish', onRequestFinish);
  }
}

/** @this {ClientRequest} */
function onRequestFinish() {
  if (this[kStage] === STAGE.ATTACHED && !this.destroyed) releaseSocket(this);
}

// ---------------------------------------------------------------------------------------------------------------------
// Parting

/**
 * The exchange is over and the connection lives: back to the Agent with it, after the user's 'end' listeners.
 * @param {ClientRequest} req
 */
function releaseSocket(req) {
  const { socket } = req;
  req[kStage] = STAGE.RELEASED;
  if (req.timeoutCb) {
    req.timeoutCb = null;
    // The Agent would set its own again, and re-arming the timer costs.
    if (socket.timeout !== (req.agent?.options?.timeout || 0)) socket.setTimeout(0);
  }
  req.destroyed = true;
  // Destroying the response must not harm the socket's next user.
  if (req.res) req.res.socket = null;
  process.nextTick(emitFree, req, socket);
}

/**
 * @param {ClientRequest} req
 * @param {Socket} socket
 */
function emitFree(req, socket) {
  close(req);
  socket.emit('free');
  unwireUnlessTaken(req, socket);
}

/**
 * @param {ClientRequest} req the one that has done with the socket
 * @param {Socket} socket
 */
function unwireUnlessTaken(req, socket) {
  if (socket._httpMessage && socket._httpMessage !== req) return;
  if (!isHeard(socket)) return;
  // Not parked by our Agent: whoever keeps it may give it to node:https, so it must be an ordinary socket.
  giveUp(socket);
}

/** Makes a socket an ordinary one. @param {Socket} socket */
function giveUp(socket) {
  unlisten(socket);
  const conn = socket[kConnection];
  if (conn?.attached && !socket.destroyed && conn.detach().length > 0) socket.destroy();
}

/**
 * Makes an idle socket look as one does in Node's pool. Its connection stays attached: the engine sees what comes on it.
 * @param {Socket} socket
 * @returns {boolean} whether it is clean: no byte was received that no request asked for
 */
function parkSocket(socket) {
  unlisten(socket);
  socket[kConnection]?.rest();
  return !(socket.readableLength > 0);
}

/**
 * Whether a socket can serve another request: it lives, and nothing has come on it since its last response. FIN, a reset or stray bytes that
 * the loop has not told of yet are asked of the kernel: a request sent on such a socket would be lost, or answered by what is no answer.
 * @param {Socket} socket
 * @returns {boolean}
 */
function isFit(socket) {
  if (socket.destroyed || socket.readableEnded) return false;
  const conn = socket[kConnection];
  // It was read to its end a moment ago.
  if (conn && ring.isReading() && conn.completedIn === ring.reading()) return true;
  const fd = socket._handle?.fd;
  // What comes on an encrypted one may be TLS's own.
  return !(fd >= 0) || socket.encrypted || ring.engine.isQuiet(fd, conn?.attached ? conn.slot : -1);
}

module.exports = {
  assignSocket,
  emitError,
  kError,
  kResource,
  kStage,
  listenForTimeout,
  isFit,
  parkSocket,
  STAGE,
};
