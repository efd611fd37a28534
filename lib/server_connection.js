'use strict';

const { AsyncResource } = require('node:async_hooks');
const { channel } = require('node:diagnostics_channel');

const {
  HOST_MAJOR,
  METHODS_BY_CODE,
  continueExpression,
  kIncomingMessage,
  kNeedDrain,
  kOnTimeout,
  leniency,
} = require('./common');
const { ConnResetException, codes } = require('./errors');
const { rootApplications } = require('./express_rooting');
const { complete, dumpUnread, isUntouched, kDetachAbortSignal, pushBody, setRequestHead } = require('./incoming');
const { kIoThreads } = require('./io_threads');
const { annotate } = require('./internal/annotate');
const { Connection, HEAD } = require('./internal/connection');
const { hasOwnEmit, isTold, kFinished, kUniqueHeaders } = require('./outgoing');
const { emitClose, kServerConnection, onServerResponseClose } = require('./response');
const { kTurn } = require('./send');
const { listen, socketOnError, unlisten, unlistenFlow } = require('./server_socket');

/** One connection of a Server: requests in, their responses out in the same order, and what ends it. */

const requestStarted = channel('http.server.request.start');
const responseFinished = channel('http.server.response.finish');

/** On a Server: the ServerConnections it has, once it listens. */
const kConnections = Symbol('http.server.connections');
/** On a Server: the class of its responses. */
const kServerResponse = Symbol('ServerResponse');
/** On a Server: whether a request without a body comes as a stream that has ended. */
const kOptimizeEmptyRequests = Symbol('OptimizeEmptyRequestsOption');

/** The version in a head's flags. */
const HTTP_1_1 = 0x101;

/** Fields a head or a trailer section may have, unless the Server has a maxHeadersCount. */
const MAX_FIELDS = 1000;

const NO_BODY = HEAD.CONTENT_LENGTH | HEAD.TRANSFER_ENCODING;

/** What a Server's keepAliveTimeoutBuffer is when it is no number, in milliseconds. */
const DEFAULT_BUFFER = 1000;

/**
 * @param {unknown} msecs a Server's time-out, which its user may have set to anything
 * @param {number} fallback
 */
function milliseconds(msecs, fallback) {
  return typeof msecs === 'number' && Number.isFinite(msecs) && msecs >= 0 ? msecs : fallback;
}

/**
 * @param {string} text names and values joined by line feeds, from `start` on
 * @param {number} start
 * @param {unknown} maxHeadersCount a Server's, 0 or less for no limit
 * @returns {boolean} whether there are more fields in it than a Server takes
 */
function hasTooManyFields(text, start, maxHeadersCount) {
  // Before Node 22 those that are too many are dropped.
  if (HOST_MAJOR < 22) return false;
  const most = typeof maxHeadersCount === 'number' ? maxHeadersCount : MAX_FIELDS;
  // A field takes at least three characters: hardly any head is long enough to be worth the count.
  if (most <= 0 || text.length - start < 3 * most + 2) return false;
  let lines = 1;
  for (let at = text.indexOf('\n', start); at >= 0; at = text.indexOf('\n', at + 1)) lines++;
  return lines > 2 * most;
}

/** The context that every event of a connection comes in, by Node's name. */
class HTTPServerAsyncResource extends AsyncResource {
  /** @param {any} socket */
  constructor(socket) {
    // As in Node the socket is what brings it about, not the server, in whose context the socket comes.
    const triggerAsyncId = socket._handle?.getAsyncId?.();
    super('HTTPINCOMINGMESSAGE', { requireManualDestroy: true, triggerAsyncId });
    this.socket = socket;
  }
}

/**
 * As `shift`, which V8 does in C++ where it leaves nothing, to give the array's memory away.
 * @param {any[]} list not empty
 */
function takeFirst(list) {
  return list.length === 1 ? list.pop() : list.shift();
}

function noop() {}

/** What hears of a connection that its server has given up. */
const DEAF = { onHead: noop, onBody: noop, onComplete: noop, onParseError: noop, onTimeout: noop };

class ServerConnection {
  /**
   * @param {any} server
   * @param {any} socket
   */
  constructor(server, socket) {
    this.server = server;
    this.socket = socket;
    /** @type {any} */
    this.conn = null;
    /** @type {AsyncResource | null} */
    this.resource = new HTTPServerAsyncResource(socket);
    /** The request last begun, until it is answered and read. @type {any} */
    this.incoming = null;
    /** Requests not answered yet. The first one's response has the socket, those of the others wait. @type {any[]} */
    this.unanswered = [];
    /** @type {any[]} */
    this.waiting = [];
    /** Bytes queued in waiting responses. */
    this.waitingBytes = 0;
    /** Requests so far, for isIdle; and those that count for maxRequestsPerSocket. */
    this.hasServed = false;
    this.requestsCount = 0;
    /** Whether the socket's own timer does what the engine's keep-alive clock does otherwise. */
    this.keepAliveTimeoutSet = false;
    /** Milliseconds, as the engine knows them. */
    this.headersTimeout = 0;
    this.requestTimeout = 0;
    this.keepAliveTimeout = 0;
    this.readTimeouts();
    this.responseOptions = { highWaterMark: socket.writableHighWaterMark, rejectNonStandardBodyWrites: false };
  }

  /** Takes the socket over. */
  open() {
    const { server, socket } = this;
    rootApplications(server._events?.request);
    socket.server = server;
    socket.parser = this;
    annotate(socket, kServerConnection, this);
    if (server.timeout && typeof socket.setTimeout === 'function') socket.setTimeout(server.timeout);
    this.conn = Connection.attach(socket, this, {
      role: 'server',
      resource: this.resource,
      maxHeaderSize: server.maxHeaderSize || 0,
      lenient: leniency(server.httpValidation, server.insecureHTTPParser),
      timeouts: [this.headersTimeout, this.requestTimeout, this.keepAliveTimeout],
      ioThreads: server[kIoThreads],
    });
    listen(socket);
    socket._paused = false;
    server[kConnections]?.add(this);
  }

  /** Tells the engine the Server's time-outs where they have changed. */
  applyTimeouts() {
    if (this.readTimeouts()) this.conn.setTimeouts(this.headersTimeout, this.requestTimeout, this.keepAliveTimeout);
  }

  /** @returns {boolean} whether the Server's time-outs have changed */
  readTimeouts() {
    const { server } = this;
    // A Server that does not listen looks after no connection's requests.
    const watched = server[kConnections] !== undefined;
    const headers = watched ? milliseconds(server.headersTimeout, 0) : 0;
    const request = watched ? milliseconds(server.requestTimeout, 0) : 0;
    let keepAlive = typeof this.socket.setTimeout === 'function' ? milliseconds(server.keepAliveTimeout, 0) : 0;
    if (keepAlive > 0) keepAlive += milliseconds(server.keepAliveTimeoutBuffer, DEFAULT_BUFFER);
    if (headers === this.headersTimeout && request === this.requestTimeout && keepAlive === this.keepAliveTimeout) {
      return false;
    }
    this.headersTimeout = headers;
    this.requestTimeout = request;
    this.keepAliveTimeout = keepAlive;
    return true;
  }

  /** @returns {boolean} whether it has served a request, and waits for another */
  isIdle() {
    const { conn, incoming, socket } = this;
    if (!this.hasServed || (incoming !== null && !incoming.complete)) return false;
    return conn.idle && (!socket._httpMessage || socket._httpMessage.finished);
  }

  /** It counts no longer among its Server's, and its context has no more events. Named as the parser's methods that do this in Node. */
  close() {
    this.server[kConnections]?.delete(this);
    if (this.resource === null) return;
    this.resource.emitDestroy();
    this.resource = null;
  }

  free() {
    this.close();
  }

  /** What node's parser has where its connection's time-outs are told. */
  get [kOnTimeout]() {
    return this.conn?.handler === this ? this.onTimeout : null;
  }

  // --- what the engine has read ---------------------------------------------------------------------------------------

  /**
   * @param {any} conn
   * @param {string} text
   * @param {number} flags
   * @param {number} code
   * @param {number} startLength
   */
  onHead(conn, text, flags, code, startLength) {
    const { server, socket } = this;
    if (this.keepAliveTimeoutSet) {
      this.keepAliveTimeoutSet = false;
      socket.setTimeout(server.timeout || 0);
    }
    if (hasTooManyFields(text, startLength, server.maxHeadersCount)) {
      const version = `HTTP/${flags >>> (HEAD.VERSION_SHIFT + 8)}.${(flags >>> HEAD.VERSION_SHIFT) & 0xff}`;
      const start = `${METHODS_BY_CODE[code]} ${text.slice(0, startLength)} ${version}\r\n`;
      this.refuseFields(start, text.slice(startLength));
      return;
    }
    const req = new server[kIncomingMessage](socket);
    setRequestHead(req, text, flags, code, startLength, server.maxHeadersCount);
    req.joinDuplicateHeaders = server.joinDuplicateHeaders || null;
    this.incoming = req;
    if ((flags & HEAD.UPGRADE) !== 0) {
      req.upgrade = req.method === 'CONNECT' || Boolean(server.shouldUpgradeCallback(req));
      conn.upgrade(req.upgrade);
      if (req.upgrade) {
        this.handOver(req);
        return;
      }
    }
    if (!this.hasServed) {
      this.hasServed = true;
      // Not before: listeners of the Server's user on this socket come first, as in Node.
      socket.on('close', onServerResponseClose);
    }
    // Of its own size: the first `push` to an empty one asks for room for seventeen.
    if (this.unanswered.length === 0) this.unanswered = [req];
    else this.unanswered.push(req);
    this.holdFlood();

    const res = this.createResponse(req);
    res.shouldKeepAlive = (flags & HEAD.KEEP_ALIVE) !== 0;
    if (requestStarted.hasSubscribers) requestStarted.publish({ request: req, response: res, socket, server });
    if (server[kOptimizeEmptyRequests] && (flags & NO_BODY) === 0) {
      req._dumpAndCloseReadable();
      req._read();
    }
    if (socket._httpMessage) this.line(res, socket._httpMessage);
    else res.assignSocket(socket);
    this.dispatch(req, res, flags);
  }

  /**
   * Puts a response behind those that go first. Where they have ended, it need not wait for their 'finish' to send, unless somebody sees to it himself
   * when that comes.
   * @param {any} res
   * @param {any} current the response that has the socket
   */
  line(res, current) {
    const { conn, socket, waiting } = this;
    const before = waiting.length > 0 ? waiting[waiting.length - 1] : current;
    // Who has the socket, and is finished, was not let go of: somebody has thrown.
    const isFree = !before._last && !hasOwnEmit(before) && !isTold(current);
    const hasSent = isFree && before.finished && before.outputData.length === 0;
    // A stream would be written to one message at a time in any case.
    if (hasSent && socket.writable && conn.driver !== 'fed') res[kTurn] = conn;
    waiting.push(res);
  }

  /** Whether a response has the socket as soon as the one that is sent has been told of. @param {any} res */
  isNext(res) {
    return this.waiting[0] === res && this.socket._httpMessage?.finished === true;
  }

  /** @param {any} req */
  createResponse(req) {
    const { server, socket, responseOptions } = this;
    responseOptions.highWaterMark = socket.writableHighWaterMark;
    responseOptions.rejectNonStandardBodyWrites = server.rejectNonStandardBodyWrites;
    const res = new server[kServerResponse](req, responseOptions);
    res[kServerConnection] = this;
    res[kUniqueHeaders] = server[kUniqueHeaders];
    res._keepAliveTimeout = server.keepAliveTimeout;
    res._maxRequestsPerSocket = server.maxRequestsPerSocket;
    res._onPendingData = notePendingData;
    // A class from elsewhere does not know of the connection.
    if (res[kFinished] === undefined) res.on('finish', () => this.responseSent(res));
    return res;
  }

  /**
   * Gives a request to whom it concerns.
   * @param {any} req
   * @param {any} res
   * @param {number} flags
   */
  dispatch(req, res, flags) {
    const { server } = this;
    if (flags >>> HEAD.VERSION_SHIFT === HTTP_1_1) {
      if (server.requireHostHeader && (flags & HEAD.HOST) === 0) {
        // RFC 9112, section 3.2.
        res.writeHead(400, ['Connection', 'close']);
        res.end();
        return;
      }
      const most = server.maxRequestsPerSocket;
      if (typeof most === 'number' && most > 0) {
        this.requestsCount++;
        res.maxRequestsOnConnectionReached = most <= this.requestsCount;
        if (most < this.requestsCount) {
          server.emit('dropRequest', req, this.socket);
          res.writeHead(503);
          res.end();
          return;
        }
      }
      if ((flags & HEAD.EXPECT) !== 0) {
        this.dispatchExpectation(req, res);
        return;
      }
    }
    server.emit('request', req, res);
  }

  /**
   * @param {any} req with an Expect header field
   * @param {any} res
   */
  dispatchExpectation(req, res) {
    const { server } = this;
    if (continueExpression.test(req.headers.expect)) {
      res._expect_continue = true;
      if (server.listenerCount('checkContinue') > 0) {
        server.emit('checkContinue', req, res);
      } else {
        res.writeContinue();
        server.emit('request', req, res);
      }
    } else if (server.listenerCount('checkExpectation') > 0) {
      server.emit('checkExpectation', req, res);
    } else {
      res.writeHead(417);
      res.end();
    }
  }

  /**
   * @param {any} _conn
   * @param {Buffer} chunk
   */
  onBody(_conn, chunk) {
    if (this.incoming !== null) pushBody(this.incoming, chunk);
  }

  /**
   * @param {any} _conn
   * @param {string} trailers
   */
  onComplete(_conn, trailers) {
    if (trailers !== '' && hasTooManyFields(trailers, 0, this.server.maxHeadersCount)) this.refuseFields('', trailers);
    else if (this.incoming !== null) complete(this.incoming, trailers);
  }

  /**
   * @param {string} start the bytes before the fields
   * @param {string} text names and values joined by line feeds, of which there are too many
   */
  refuseFields(start, text) {
    const reason = 'Header overflow';
    const err = new Error(`Parse Error: ${reason}`);
    const { maxHeadersCount } = this.server;
    const most = typeof maxHeadersCount === 'number' ? maxHeadersCount : MAX_FIELDS;
    // The engine has not kept the bytes: as they would be without any more white space than is usual.
    const raw = text.split('\n');
    let fields = start;
    let bytesParsed = 0;
    for (let i = 0; i < raw.length; i += 2) {
      // Told with the name of the first that is too many.
      if (i === 2 * most) bytesParsed = fields.length + raw[i].length + 1;
      fields += `${raw[i]}: ${raw[i + 1]}\r\n`;
    }
    this.conn.handler = DEAF;
    Object.assign(err, {
      code: 'HPE_HEADER_OVERFLOW',
      reason,
      bytesParsed,
      rawPacket: Buffer.from(`${fields}\r\n`, 'latin1'),
    });
    this.onParseError(this.conn, err);
  }

  /**
   * @param {any} _conn
   * @param {Error} err
   */
  onParseError(_conn, err) {
    socketOnError.call(this.socket, err);
  }

  /**
   * @param {any} _conn
   * @param {'headers' | 'request' | 'keep-alive'} kind
   */
  onTimeout(_conn, kind) {
    if (kind === 'keep-alive') this.socket.emit('timeout');
    else socketOnError.call(this.socket, new codes.ERR_HTTP_REQUEST_TIMEOUT());
  }

  /**
   * The connection speaks another protocol from here on: gives the socket to whoever listens for that.
   * @param {any} req CONNECT, or one whose upgrade is accepted
   */
  handOver(req) {
    const { conn, server, socket } = this;
    this.close();
    unlisten(socket);
    complete(req, '');
    const rest = conn.detach();
    socket.parser = null;
    socket[kServerConnection] = undefined;

    const event = req.method === 'CONNECT' ? 'connect' : 'upgrade';
    if (server.listenerCount(event) > 0) {
      socket.readableFlowing = null;
      server.emit(event, req, socket, rest);
    } else {
      socket.destroy();
    }
  }

  // --- flood control --------------------------------------------------------------------------------------------------

  /** Reads no further requests while the answers to those already read pile up. */
  holdFlood() {
    const { conn, socket } = this;
    if (socket._paused) return;
    if (conn.owedDrain !== null || socket.writableNeedDrain || this.waitingBytes >= socket.writableHighWaterMark) {
      socket._paused = true;
      socket.pause();
    }
  }

  /** Goes on where holdFlood stopped, and tells the response in turn, once what it wrote has gone. */
  drained() {
    const { conn, socket } = this;
    if (socket._paused && this.waitingBytes <= socket.writableHighWaterMark) {
      socket._paused = false;
      socket.resume();
    }
    // Whom a write told to wait hears it from the socket, not from what else is counted here.
    if (conn.owedDrain !== null) return;
    const response = socket._httpMessage;
    if (response && !response.finished && response[kNeedDrain] && response.writableLength === 0) {
      response[kNeedDrain] = false;
      response.emit('drain');
    }
  }

  // --- after a response -----------------------------------------------------------------------------------------------

  /**
   * A response has gone to the kernel; its 'finish' listeners are still to be called.
   * @param {any} res
   */
  responseSent(res) {
    const { server, socket, waiting } = this;
    const req = this.unanswered.length > 0 ? takeFirst(this.unanswered) : res.req;
    if (responseFinished.hasSubscribers) responseFinished.publish({ request: req, response: res, socket, server });
    req[kDetachAbortSignal]();
    dumpUnread(req);
    res.detachSocket(socket);
    this.conn.noteWritten();
    this.releaseIncoming(req);
    if (res._eventsCount > 0 || hasOwnEmit(res)) {
      process.nextTick(emitClose, res);
    } else {
      res.destroyed = true;
      res._closed = true;
    }

    if (res._last) {
      if (typeof socket.destroySoon === 'function') socket.destroySoon();
      else socket.end();
    } else if (waiting.length > 0) {
      waiting.shift().assignSocket(socket);
    } else {
      this.applyTimeouts();
      if (this.keepAliveTimeout > 0 && socket.timeout) {
        socket.setTimeout(this.keepAliveTimeout);
        this.keepAliveTimeoutSet = true;
      }
    }
  }

  /** @param {any} req answered, and not held by the connection once it is read */
  releaseIncoming(req) {
    if (this.incoming !== req) return;
    if (req.complete && (isUntouched(req) || req.readableEnded)) this.incoming = null;
    else if (!isUntouched(req)) req.on('end', clearIncoming);
  }

  /** Nothing that is still read on it concerns its Server. */
  giveUp() {
    this.free();
    this.conn.handler = DEAF;
    this.socket.parser = null;
  }

  /** The socket's bytes go to its user too: by its stream, which stops and starts by itself. */
  onShared() {
    unlistenFlow(this.socket);
  }

  /** The socket's descriptor goes to another process, which will answer: this one's response has no socket any more. */
  onTaken() {
    const { socket } = this;
    this.giveUp();
    socket._httpMessage?.detachSocket(socket);
  }

  /** The socket has closed: what was going on on it is off. */
  abort() {
    const { unanswered, waiting } = this;
    this.giveUp();
    this.unanswered = [];
    this.waiting = [];
    for (const req of unanswered) req.destroy(new ConnResetException('aborted'));
    for (const res of waiting) res.destroy(new ConnResetException('aborted'));
  }
}

/** @this {any} a response that waits for its turn: what it queues counts for flood control */
function notePendingData(/** @type {number} */ bytes) {
  const connection = this[kServerConnection];
  connection.waitingBytes += bytes;
  connection.drained();
}

/** @this {any} a request, read to its end after it was answered */
function clearIncoming() {
  const connection = this.socket?.parser;
  if (connection?.incoming === this) connection.incoming = null;
}

module.exports = { ServerConnection, kConnections, kOptimizeEmptyRequests, kServerResponse };
