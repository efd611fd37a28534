'use strict';

// One HTTP connection as the classes see it: a transport that the engine has taken over, its events and its commands.

const { AsyncResource } = require('node:async_hooks');
const { getSystemErrorName } = require('node:util');
const net = require('node:net');
const { COMMAND, EVENT, EXPECT, FRAMING, HEAD, ROLE, TABLE, TIMEOUT, TRANSPORT } = require('./layout');
const { giveBack, isLendable, lend } = require('./handle');
const ring = require('./ring');

const kConnection = Symbol('ferrohttp.connection');

/** A body part that is sent from where it lies rather than copied into the ring, from this many bytes on. */
const LARGE = 16 * 1024;

const FED_ONLY = process.env.FERROHTTP_DRIVER === 'fed' || !ring.engine.hasLocalDriver;

/** Node's names of the time-outs, by their bits. */
const TIMEOUT_NAMES = {
  [TIMEOUT.HEADERS]: 'headers',
  [TIMEOUT.REQUEST]: 'request',
  [TIMEOUT.KEEP_ALIVE]: 'keep-alive',
};

/**
 * What a class implements to be told of its connection's messages; see ARCHITECTURE.md.
 * @typedef {object} Handler
 * @property {(conn: Connection, text: string, flags: number, code: number, startLength: number) => void} onHead
 * @property {(conn: Connection, chunk: Buffer) => void} onBody
 * @property {(conn: Connection, trailers: string) => void} onComplete
 * @property {(conn: Connection, error: Error) => void} onParseError
 * @property {(conn: Connection, kind: string) => void} [onTimeout]
 */

/** @typedef {((error: Error | null) => void) | { onSent(error: Error | null): void, _eventsCount?: number } | null | undefined} Sent */

/**
 * @typedef {object} AttachOptions
 * @property {'server' | 'client'} role
 * @property {AsyncResource} resource every call of the handler runs in it
 * @property {number} [maxHeaderSize] bytes, 0: the default
 * @property {number} [lenient] 0 strict, 1 insecure, 2 relaxed
 */

class Connection {
  /**
   * @param {any} socket
   * @param {Handler} handler
   * @param {AttachOptions} options
   */
  constructor(socket, handler, options) {
    this.socket = socket;
    this.handler = handler;
    this.resource = options.resource;
    /** @type {'pending' | 'local' | 'fed' | 'detached'} who moves the bytes */
    this.driver = 'detached';
    this.slot = -1;
    this.generation = -1;
    /** Callbacks of marks not yet reached, each followed by the AsyncResource to call it in. @type {any[]} */
    this.marks = [];
    this.marksSettled = 0;
    /** `awaitOutput` was asked for. */
    this.isAwaiting = false;
    /** A write was answered with false: `'drain'` is owed. */
    this.needDrain = false;
    /** Bytes written since flush number `epoch`. */
    this.unflushed = 0;
    this.epoch = -1;
    this.isReferencedByEngine = false;
    this.isPaused = false;
    /** Milliseconds, 0: none. */
    this.keepAliveTimeout = 0;
    /** While `finish` runs: what it found. @type {{ error: Error | undefined } | null} */
    this.finishing = null;
    /** Why the peer's bytes are no longer parsed. @type {any} */
    this.failure = null;
    /** @type {(() => void) | null} */
    this.delayedShutdown = null;
    this.feed = null;
  }

  /**
   * Takes over a transport: any Duplex, also a net.Socket that is still connecting.
   * @param {any} socket
   * @param {Handler} handler
   * @param {AttachOptions} options
   */
  static attach(socket, handler, options) {
    const connection = new Connection(socket, handler, options);
    const role = options.role === 'server' ? ROLE.SERVER : ROLE.CLIENT;
    const attach = (transport, fd) =>
      ring.attach(connection, role, transport, fd, options.maxHeaderSize ?? 0, options.lenient ?? 0);
    if (!FED_ONLY && socket.connecting && socket instanceof net.Socket) {
      attach(TRANSPORT.PENDING, -1);
      connection.driver = 'pending';
      socket.once('connect', onConnect);
    } else if (!FED_ONLY && isFree(socket) && attach(TRANSPORT.LOCAL, socket._handle.fd) >= 0) {
      connection.lend();
    } else {
      attach(TRANSPORT.FED, -1);
      connection.startFeeding();
    }
    if (connection.driver !== 'local') socket.on('close', onClose);
    socket[kConnection] = connection;
    return connection;
  }

  /** Whether the engine has the transport. */
  get attached() {
    return this.driver !== 'detached';
  }

  // --- sending -----------------------------------------------------------------------------------------------------------

  /**
   * A message head.
   * @param {string} text
   * @param {number} framing FRAMING
   * @param {number} expect EXPECT; client only
   */
  sendHead(text, framing, expect) {
    this.write(COMMAND.MESSAGE_HEAD | this.choices(framing, expect), text, 'latin1', null);
  }

  /**
   * A part of the body. False when the reader should wait for the socket's `'drain'`.
   * @param {string | Uint8Array} chunk
   * @param {BufferEncoding} [encoding]
   * @param {Sent} [sent]
   */
  sendBody(chunk, encoding, sent) {
    return this.write(COMMAND.BODY, chunk, encoding, sent);
  }

  /**
   * The end of the message.
   * @param {string} trailers finished lines, or ''
   * @param {Sent} [sent]
   */
  sendEnd(trailers, sent) {
    this.write(COMMAND.END, trailers, 'latin1', sent);
    this.armKeepAlive();
  }

  /**
   * Head, whole body and end in one record.
   * @param {string} text
   * @param {number} framing
   * @param {number} expect
   * @param {string | Uint8Array | null} chunk
   * @param {BufferEncoding} [encoding]
   * @param {Sent} [sent]
   */
  sendMessage(text, framing, expect, chunk, encoding, sent) {
    const size = text.length + (chunk === null ? 0 : chunk.length);
    if (chunk === null || typeof chunk === 'string' || chunk.byteLength < LARGE) {
      // Node joins head and text and encodes both alike, unless a chunk's size stands between them.
      const headEncoding = typeof chunk === 'string' && framing !== FRAMING.CHUNKED ? encoding : 'latin1';
      const fits = isRingEncoding(headEncoding)
        ? ring.commandMessage(
            this,
            this.marked(COMMAND.MESSAGE | this.choices(framing, expect), sent),
            text,
            headEncoding,
            chunk,
            encoding,
          )
        : false;
      if (fits) {
        this.armKeepAlive();
        return this.written(COMMAND.MESSAGE, size, sent);
      }
    }
    this.sendHead(text, framing, expect);
    if (chunk !== null && chunk.length > 0) this.sendBody(chunk, encoding, null);
    this.sendEnd('', sent);
    return !this.needDrain;
  }

  /**
   * Bytes outside any message: 1xx heads.
   * @param {string | Uint8Array} data
   * @param {BufferEncoding} [encoding]
   * @param {Sent} [sent]
   */
  sendRaw(data, encoding, sent) {
    return this.write(COMMAND.RAW, data, encoding, sent);
  }

  /** Sends now what was written, rather than at the end of the batch or the tick. */
  flush() {
    ring.flush();
    if (this.driver === 'fed') this.deliver();
  }

  /**
   * The response to the next request may come from now on, before the request is sent.
   * @param {number} expect EXPECT
   */
  expectResponse(expect) {
    if (this.driver !== 'detached') ring.command(this, COMMAND.EXPECT | this.choices(FRAMING.NONE, expect), 0);
  }

  /** Bytes accepted and not yet with the kernel. */
  get writableLength() {
    if (this.driver === 'detached') return this.socket.writableLength ?? 0;
    const queued = ring.figure(this, TABLE.QUEUED) + (this.epoch === ring.epoch ? this.unflushed : 0);
    return this.driver === 'fed' ? queued + (this.socket.writableLength ?? 0) : queued;
  }

  choices(framing, expect) {
    return (framing << (8 + COMMAND.FRAMING_SHIFT)) | (expect << (8 + COMMAND.EXPECT_SHIFT));
  }

  marked(kindAndFlags, sent) {
    return sent == null ? kindAndFlags : kindAndFlags | (COMMAND.MARK << 8);
  }

  write(kindAndFlags, data, encoding, sent) {
    if (this.driver === 'detached') return this.refuse(sent);
    const kind = kindAndFlags & 0xff;
    if (kind === COMMAND.BODY && typeof data !== 'string' && data.byteLength >= LARGE) {
      const isBelowMark = this.isBelowMark(data.byteLength);
      ring.flushWithBody(this, sent != null, data);
      this.written(kind, 0, sent);
      return isBelowMark || this.oweDrain();
    }
    if (!ring.commandWith(this, this.marked(kindAndFlags, sent), data, encoding)) {
      return this.write(kindAndFlags, Buffer.from(/** @type {string} */ (data), encoding), undefined, sent);
    }
    return this.written(kind, data.length, sent);
  }

  /** A write behind the connection's end: the callback hears of it, as from a destroyed stream. */
  refuse(sent) {
    if (sent != null) {
      const error = Object.assign(new Error('Cannot call write after a stream was destroyed'), {
        code: 'ERR_STREAM_DESTROYED',
      });
      process.nextTick(callSent, sent, error);
    }
    return false;
  }

  /**
   * A command was written, with `size` bytes that are not flushed and a mark if somebody wants to hear of it.
   * @returns {boolean} whether the writer may go on
   */
  written(kind, size, sent) {
    if (sent != null) {
      // Who listens hears it in the context of the write, as from a stream.
      const hasListeners = typeof sent === 'function' || sent._eventsCount !== 0;
      this.marks.push(sent, hasListeners ? new AsyncResource('HTTPOUTGOINGMESSAGE') : null);
    }
    if (this.socket.timeout) this.socket._unrefTimer();
    const isBelowMark = this.isBelowMark(size);
    this.unflushed += size;
    if (this.driver === 'fed' && kind !== COMMAND.BODY && kind !== COMMAND.MESSAGE_HEAD) {
      // The stream's user may watch it being written: like Node, at once when a message ends.
      this.flush();
    } else if (sent != null || this.driver === 'fed') {
      this.awaitOutput();
    }
    return isBelowMark || this.oweDrain();
  }

  /** Whether `size` more bytes leave the queue below the stream's high-water mark. */
  isBelowMark(size) {
    const epoch = ring.epoch;
    if (this.epoch !== epoch) {
      this.epoch = epoch;
      this.unflushed = 0;
    }
    return this.writableLength + size < (this.socket.writableHighWaterMark ?? 16384);
  }

  /** The writer was told to wait. */
  oweDrain() {
    this.needDrain = true;
    this.awaitOutput();
    return false;
  }

  awaitOutput() {
    if (!this.isAwaiting) {
      this.isAwaiting = true;
      ring.awaitOutput(this);
    }
  }

  /** After a flush: calls who waited for what was sent. */
  settle() {
    this.isAwaiting = false;
    if (this.driver === 'detached') return;
    if (this.driver === 'fed') return this.deliver();
    const reached = ring.figure(this, TABLE.SENT);
    while (this.marksSettled < reached && this.marks.length > 0) {
      this.marksSettled++;
      const sent = this.marks.shift();
      const resource = this.marks.shift();
      if (resource === null) sent.onSent(null);
      else resource.runInAsyncScope(callSent, null, sent, null);
      if (!this.attached) return;
    }
    if (ring.figure(this, TABLE.QUEUED) === 0) {
      if (this.delayedShutdown !== null) {
        const shutdown = this.delayedShutdown;
        this.delayedShutdown = null;
        shutdown();
      }
      this.emitDrain();
    } else if (this.needDrain && this.marks.length === 0) {
      this.sendRaw('', 'latin1', nothing);
    }
  }

  emitDrain() {
    if (!this.needDrain) return;
    this.needDrain = false;
    this.resource.runInAsyncScope(emitDrain, null, this.socket);
  }

  // --- receiving ---------------------------------------------------------------------------------------------------------

  /** Stops reading; what was read already may still come. */
  pause() {
    if (this.isPaused || this.driver === 'detached') return;
    this.isPaused = true;
    ring.command(this, COMMAND.PAUSE, 0);
    // The socket's user sees it too, and the stream of a fed one stops by that.
    this.socket.pause();
  }

  /** Reads on. */
  resume() {
    if (!this.isPaused || this.driver === 'detached') return;
    this.isPaused = false;
    ring.command(this, COMMAND.RESUME, 0);
    this.socket.resume();
  }

  /**
   * The verdict on a message that wants to leave HTTP.
   * @param {boolean} accept
   */
  upgrade(accept) {
    if (this.driver !== 'detached') ring.command(this, COMMAND.UPGRADE, accept ? 1 : 0);
  }

  /**
   * The socket has ended: completes a body that ends with it.
   * @returns {Error | undefined} what was cut off
   */
  finish() {
    if (this.driver === 'detached') return undefined;
    ring.flush();
    this.finishing = { error: undefined };
    try {
      ring.engine.finish(this.slot);
      ring.readEvents();
      return this.finishing.error;
    } finally {
      this.finishing = null;
    }
  }

  /** Whether no message has begun in either direction. */
  get idle() {
    if (this.driver === 'detached') return true;
    ring.flush();
    return ring.engine.isIdle(this.slot);
  }

  /** An event record: what it holds is taken out of the ring before anybody is called. */
  onEvent(kind, flags, a, b, bytes, start, end) {
    if (this.socket.timeout) this.socket._unrefTimer();
    switch (kind) {
      case EVENT.HEAD:
        this.resource.runInAsyncScope(callHead, null, this, bytes.latin1Slice(start, end), flags, a, b);
        break;
      case EVENT.BODY:
        this.resource.runInAsyncScope(callBody, null, this, copy(bytes, start, end));
        break;
      case EVENT.COMPLETE:
        this.resource.runInAsyncScope(callComplete, null, this, bytes.latin1Slice(start, end));
        break;
      case EVENT.PARSE_ERROR: {
        const error = parseError(bytes.latin1Slice(start, start + b), a, copy(bytes, start + b, end));
        if (this.finishing !== null) {
          this.finishing.error = error;
          break;
        }
        this.failure = error;
        // The engine is done with this peer: the socket reads on, for its user, and for the end.
        if (this.driver === 'local') this.demote();
        this.resource.runInAsyncScope(callParseError, null, this, error);
        break;
      }
      case EVENT.END:
        this.resource.runInAsyncScope(endSocket, null, this.socket);
        break;
      case EVENT.IO_ERROR:
        this.resource.runInAsyncScope(destroySocket, null, this.socket, systemError(a, flags === 0 ? 'read' : 'write'));
        break;
      case EVENT.SENT:
        this.awaitOutput();
        break;
      default:
        throw new Error(`ferrohttp: an event of unknown kind ${kind}`);
    }
  }

  // --- deadlines ---------------------------------------------------------------------------------------------------------

  /**
   * A server connection's deadlines in milliseconds, 0 for none. `checkTimeouts` tells of the first two; the third comes by itself.
   * @param {number} headers
   * @param {number} request
   * @param {number} keepAlive
   */
  setTimeouts(headers, request, keepAlive) {
    if (this.driver === 'detached') return;
    this.keepAliveTimeout = keepAlive;
    ring.engine.setTimeouts(this.slot, headers, request, keepAlive);
  }

  /** Tells the handlers of all connections whose head or request is late. */
  static checkTimeouts() {
    for (const connection of ring.connections) connection?.checkTimeout(TIMEOUT.HEADERS | TIMEOUT.REQUEST);
  }

  /** Milliseconds until the deadline of one of these kinds, or negative; the handler is told when it has passed. */
  checkTimeout(kinds) {
    const [ms, kind] = ring.engine.checkTimeout(this.slot, kinds);
    if (ms === 0) this.resource.runInAsyncScope(callTimeout, null, this, TIMEOUT_NAMES[kind]);
    return ms;
  }

  armKeepAlive() {
    if (this.keepAliveTimeout > 0) armKeepAlive(this.keepAliveTimeout);
  }

  // --- the borrowed descriptor -------------------------------------------------------------------------------------------

  lend() {
    this.driver = 'local';
    const handle = this.socket._handle;
    lend(handle, this);
    this.socket.push = pushToLent;
    if (handle.hasRef()) this.onReference(true);
  }

  giveBack() {
    const handle = this.socket._handle;
    this.onReference(false);
    delete this.socket.push;
    if (handle) {
      giveBack(handle);
      handle.reading = false;
    }
  }

  onReadStart() {
    // Somebody wants the bytes for himself: the socket reads them, and hands them on.
    if (this.socket.listenerCount('data') > 0 || this.socket.listenerCount('readable') > 0) this.demote();
    else this.resume();
  }

  onReadStop() {
    this.pause();
  }

  beforeWrite() {
    ring.flush();
    return ring.figure(this, TABLE.QUEUED) > 0 ? this.takeOutput() : null;
  }

  afterWrite() {
    // libuv holds back some of it: from here on everything queues behind it, in the socket.
    if (this.socket._handle.writeQueueSize > 0) this.demote();
  }

  beforeShutdown(shutdown) {
    ring.flush();
    if (ring.figure(this, TABLE.QUEUED) === 0) return false;
    this.delayedShutdown = shutdown;
    // A mark, so that the engine tells when the queue is empty.
    this.sendRaw('', 'latin1', nothing);
    return true;
  }

  onClose() {
    this.letGo();
  }

  onReference(referenced) {
    if (this.isReferencedByEngine === referenced) return;
    this.isReferencedByEngine = referenced;
    ring.engine.setReferenced(referenced);
  }

  bytesRead() {
    return ring.figure(this, TABLE.BYTES_READ);
  }

  bytesWritten() {
    ring.flush();
    return ring.figure(this, TABLE.BYTES_WRITTEN);
  }

  // --- the fed stream ----------------------------------------------------------------------------------------------------

  /** From local to fed: the socket moves the bytes again. */
  demote() {
    ring.flush();
    ring.engine.unbind(this.slot);
    this.giveBack();
    this.socket.on('close', onClose);
    this.startFeeding();
    // The stream believes that a read is under way.
    const handle = this.socket._handle;
    if (handle && !this.isPaused) {
      handle.reading = true;
      handle.readStart();
    }
    this.deliver();
  }

  startFeeding() {
    this.driver = 'fed';
    this.feed = (chunk) => {
      if (this.driver !== 'fed') return;
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
      if (this.failure !== null) {
        // What comes behind bytes that are not HTTP is none either, as llhttp has it.
        const error = parseError(`${this.failure.code}\n${this.failure.reason}`, 0, bytes);
        this.resource.runInAsyncScope(callParseError, null, this, error);
        return;
      }
      // What was asked of the parser comes before what it is to parse.
      ring.flush();
      ring.engine.feed(this.slot, bytes);
      ring.readEvents();
    };
    this.socket.on('data', this.feed);
    if (this.isPaused) this.socket.pause();
  }

  /** What the engine has framed goes to the stream. */
  deliver() {
    if (ring.figure(this, TABLE.QUEUED) === 0 && this.marks.length === 0) return this.emitDrain();
    const output = this.takeOutput();
    const marks = this.takeMarks();
    if (output.length === 0) return callMarks(marks, null);
    const accepted = this.socket.write(output, (error) => callMarks(marks, error ?? null));
    if (accepted) this.emitDrain();
    else this.needDrain = false;
  }

  takeOutput() {
    return ring.engine.takeOutput(this.slot);
  }

  takeMarks() {
    const { marks } = this;
    this.marks = [];
    this.marksSettled += marks.length / 2;
    return marks;
  }

  // --- the end -----------------------------------------------------------------------------------------------------------

  /**
   * Hand-back: the socket is an ordinary one again.
   * @returns {Buffer} what was read and not parsed
   */
  detach() {
    if (this.driver === 'detached') return Buffer.alloc(0);
    ring.flush();
    const unread = ring.engine.takeUnread(this.slot);
    const output = ring.figure(this, TABLE.QUEUED) > 0 ? this.takeOutput() : null;
    const marks = this.takeMarks();
    const wasLocal = this.driver === 'local';
    this.release();
    if (output !== null) this.socket.write(output, (error) => callMarks(marks, error ?? null));
    else callMarks(marks, null);
    const handle = this.socket._handle;
    if (wasLocal && handle && !this.socket.destroyed) {
      handle.reading = true;
      handle.readStart();
    }
    return unread;
  }

  /** The socket closes: what was not sent is lost, and its callbacks hear of it. */
  letGo() {
    if (this.driver === 'detached') return;
    const { marks } = this;
    ring.flush();
    if (this.driver === 'local') {
      const reached = ring.figure(this, TABLE.SENT);
      while (this.marksSettled < reached && marks.length > 0) {
        this.marksSettled++;
        process.nextTick(callMarks, marks.splice(0, 2), null);
      }
    }
    this.release();
    if (marks.length === 0) return;
    const error = Object.assign(new Error('Cannot call write after a stream was destroyed'), {
      code: 'ERR_STREAM_DESTROYED',
    });
    process.nextTick(callMarks, marks, error);
  }

  release() {
    const { driver, socket } = this;
    ring.release(this);
    this.driver = 'detached';
    this.marks = [];
    if (socket[kConnection] === this) socket[kConnection] = undefined;
    if (driver === 'local') this.giveBack();
    else socket.removeListener('close', onClose);
    if (driver === 'fed') socket.removeListener('data', this.feed);
    if (driver === 'pending') socket.removeListener('connect', onConnect);
  }
}

/** Whether the socket's descriptor can be borrowed: nobody else reads it. */
function isFree(socket) {
  return (
    socket instanceof net.Socket &&
    isLendable(socket) &&
    socket.listenerCount('data') === 0 &&
    socket.listenerCount('readable') === 0
  );
}

/** @this {any} */
function onConnect() {
  const connection = this[kConnection];
  if (connection === undefined) return;
  ring.flush();
  // What the user wrote to the connecting socket himself went out first; what he still has to write would cross ours.
  if (isFree(this) && ring.engine.bind(connection.slot, this._handle.fd) === 0) {
    this.removeListener('close', onClose);
    connection.lend();
    connection.awaitOutput();
  } else {
    ring.engine.unbind(connection.slot);
    connection.startFeeding();
    connection.deliver();
  }
}

/** @this {any} */
function onClose() {
  this[kConnection]?.letGo();
}

/**
 * Somebody other than the engine brings bytes to a socket whose descriptor is lent: from here on the socket brings them all.
 * @this {any}
 */
function pushToLent(chunk, encoding) {
  if (chunk !== null) this[kConnection].demote();
  return net.Socket.prototype.push.call(this, chunk, encoding);
}

/** Whoever only needs the mark. */
function nothing() {}

const isRingEncoding = (encoding) =>
  !encoding || encoding === 'utf8' || encoding === 'utf-8' || encoding === 'latin1' || encoding === 'binary';

/** Bytes out of the ring, of their own size: a small body must not pin a large buffer. */
function copy(bytes, start, end) {
  if (start === 0 && end === bytes.length) return bytes;
  const part = Buffer.allocUnsafeSlow(end - start);
  bytes.copy(part, 0, start, end);
  return part;
}

function callHead(connection, text, flags, code, startLength) {
  const { handler } = connection;
  handler.onHead(connection, text, flags, code, startLength);
  if ((flags & (HEAD.BODY | HEAD.UPGRADE)) === 0) handler.onComplete(connection, '');
}

function callBody(connection, chunk) {
  connection.handler.onBody(connection, chunk);
}

function callComplete(connection, trailers) {
  connection.handler.onComplete(connection, trailers);
}

function callParseError(connection, error) {
  connection.handler.onParseError(connection, error);
}

function callTimeout(connection, kind) {
  connection.handler.onTimeout?.(connection, kind);
}

function callSent(sent, error) {
  if (typeof sent === 'function') sent(error);
  else sent.onSent(error);
}

function callMarks(marks, error) {
  for (let i = 0; i < marks.length; i += 2) {
    if (marks[i + 1] === null) callSent(marks[i], error);
    else marks[i + 1].runInAsyncScope(callSent, null, marks[i], error);
  }
}

function emitDrain(socket) {
  socket.emit('drain');
}

/** What net does at the end of a stream. */
function endSocket(socket) {
  socket.push(null);
  socket.read(0);
}

function destroySocket(socket, error) {
  socket.destroy(error);
}

/** Node's error for a failed system call. */
function systemError(errno, syscall) {
  const code = getSystemErrorName(-errno);
  return Object.assign(new Error(`${syscall} ${code}`), { errno: -errno, code, syscall });
}

/** Node's error for bytes that are not HTTP. `text`: code and reason, a line each. */
function parseError(text, bytesParsed, rawPacket) {
  const [code, reason] = text.split('\n');
  return Object.assign(new Error(`Parse Error: ${reason}`), { code, reason, bytesParsed, rawPacket });
}

/** Idle connections are looked through when the first of them may be due: one timer for all, none re-armed by a request. */
let keepAliveTimer = null;

function armKeepAlive(ms) {
  if (keepAliveTimer !== null) return;
  keepAliveTimer = setTimeout(checkKeepAlive, ms);
  keepAliveTimer.unref();
}

function checkKeepAlive() {
  keepAliveTimer = null;
  ring.flush();
  let next = Number.POSITIVE_INFINITY;
  for (const connection of ring.connections) {
    if (connection === undefined || connection.keepAliveTimeout === 0) continue;
    const ms = connection.checkTimeout(TIMEOUT.KEEP_ALIVE);
    // Busy now: it will be idle no sooner than its own time from now.
    next = Math.min(next, ms > 0 ? ms : connection.keepAliveTimeout);
  }
  if (next < Number.POSITIVE_INFINITY) armKeepAlive(Math.ceil(next));
}

module.exports = { Connection, EXPECT, FRAMING, HEAD, kConnection };
