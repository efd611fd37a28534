'use strict';

// One HTTP connection as the classes see it: a transport that the engine has taken over, its events and its commands.

const { AsyncResource } = require('node:async_hooks');
const { Duplex } = require('node:stream');
const process = require('node:process');
const { ERR_STREAM_DESTROYED } = require('../errors').codes;
const { COMMAND, EVENT, EXPECT, FRAMING, HEAD, ROLE, TABLE, TRANSPORT } = require('./layout');
const { annotate, kConnection } = require('./annotate');
const { now } = require('./clock');
const { armKeepAlive, checkTimeouts } = require('./deadlines');
const { THROWN, onEvent, tellDrain, tellParseError } = require('./events');
const { Fed } = require('./fed');
const { isPlain } = require('./handle');
const { Never } = require('./later');
const { Local } = require('./local');
const { Marks } = require('./marks');
const { Pending } = require('./pending');
const { Threads } = require('./threads');
const ring = require('./ring');

/** A body part that is sent from where it lies rather than copied into the ring, from this many bytes on. */
const LARGE = 16 * 1024;

/** A stream's own `write`. */
const { write: STREAM_WRITE } = Duplex.prototype;

const DRIVERS = ['auto', 'local', 'threads', 'fed'];
const DRIVER = chosenDriver();
const FED_ONLY = DRIVER === 'fed' || !ring.engine.hasLocalDriver;

/** I/O threads for the connections of those who did not ask for any; 0: the local driver. */
const IO_THREADS = DRIVER === 'threads' ? 1 : 0;

/** What FERROHTTP_DRIVER asks for. `local` and `threads` fall back on `fed` where they cannot be. */
function chosenDriver() {
  const driver = process.env.FERROHTTP_DRIVER || 'auto';
  if (!DRIVERS.includes(driver)) throw new Error(`ferrohttp: FERROHTTP_DRIVER=${driver}: one of ${DRIVERS.join(', ')}`);
  return driver;
}

/**
 * What a class implements to be told of its connection's messages; see ARCHITECTURE.md.
 * @typedef {object} Handler
 * @property {(conn: Connection, text: string, flags: number, code: number, startLength: number) => void} onHead
 * @property {(conn: Connection, chunk: Buffer) => void} onBody
 * @property {(conn: Connection, trailers: string) => void} onComplete
 * @property {(conn: Connection, error: Error) => void} onParseError
 * @property {(conn: Connection, kind: string) => void} [onTimeout]
 * @property {(conn: Connection) => void} [onShared] the socket's bytes go to its user too
 * @property {(conn: Connection) => void} [onLetGo] the socket closes
 * @property {(conn: Connection) => void} [onTaken] the descriptor is another process's
 */

/** @typedef {import('./marks').Sent | null | undefined} Sent */

/** A server connection's deadlines in milliseconds, 0 for none: headers, request, keep-alive. @typedef {[number, number, number]} Timeouts */

/** @type {Timeouts} */
const NO_TIMEOUTS = [0, 0, 0];

/**
 * @typedef {object} AttachOptions
 * @property {'server' | 'client'} role
 * @property {import('node:async_hooks').AsyncResource} resource every call of the handler runs in it
 * @property {number} [maxHeaderSize] bytes, 0: the default
 * @property {number} [lenient] 0 strict, 1 insecure, 2 relaxed
 * @property {Timeouts} [timeouts]
 * @property {number} [ioThreads] how many I/O threads its like are spread over, 0: what FERROHTTP_DRIVER says
 */

/** What moves a connection's bytes: a Local, a Fed or a Pending. @typedef {{ start(): void, stop(): void, settle(): void }} Transport */

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
    this.role = options.role === 'server' ? ROLE.SERVER : ROLE.CLIENT;
    /** Null: the engine has let go. @type {Transport | null} */
    this.transport = null;
    /** What the socket's `write` is unless its user has put another over it. @type {Function} */
    this.socketWrite = STREAM_WRITE;
    /** The message being sent goes that way, to its end: the stream may hold some of it. */
    this.isThroughSocket = false;
    /** When the stream had last written what it was given; Infinity: a message that went through it has not come to its end. */
    this.writtenAt = Number.NEGATIVE_INFINITY;
    /** I/O threads to be moved by, once its descriptor is lent; 0: none. */
    this.ioThreads = options.ioThreads || IO_THREADS;
    this.slot = -1;
    this.generation = -1;
    this.marks = new Marks();
    /** `awaitOutput` was asked for. */
    this.isAwaiting = false;
    /** A write was answered with false: `'drain'` is owed, in the context of that write. @type {AsyncResource | null} */
    this.owedDrain = null;
    /** The message being sent is in the chunked coding. */
    this.isChunked = false;
    /** The last message there is was sent: FIN is to follow it. */
    this.isLast = false;
    /** Bytes written since flush number `epoch`, before the next one. */
    this.unflushed = 0;
    this.epoch = -1;
    /** Parts of a body were written that are to be sent in a tick: from there on (`ring.here`); -1: none. */
    this.corkedAt = -1;
    this.isPaused = false;
    /** Milliseconds, 0: none. */
    this.keepAliveTimeout = 0;
    /** While `finish` runs: what it found. @type {{ error: Error | undefined } | null} */
    this.finishing = null;
    /** Why the peer's bytes are no longer parsed. @type {any} */
    this.failure = null;
    /** A client's, let go of: the rest of what was read together is told all the same. */
    this.lingers = false;
    /** In which turn of the event loop (`ring.turn`) something came last. */
    this.readIn = -1;
    /** A client's: which reading brought the end of the last response. */
    this.completedIn = -1;
    /** Where events go that must not be told now. @type {import('./later').Instead | null} */
    this.later = null;
  }

  /**
   * Takes over a transport: any Duplex, also a net.Socket that is still connecting.
   * @param {any} socket
   * @param {Handler} handler
   * @param {AttachOptions} options
   */
  static attach(socket, handler, options) {
    const connection = new Connection(socket, handler, options);
    const lentTo = connection.ioThreads > 0 ? TRANSPORT.THREADS : TRANSPORT.LOCAL;
    annotate(socket, kConnection, connection);
    if (!FED_ONLY && socket.connecting && isPlain(socket)) {
      connection.attach(TRANSPORT.PENDING, -1, options);
      connection.start(new Pending(connection));
    } else if (
      !FED_ONLY &&
      Local.isPossible(socket, connection.role) &&
      connection.attach(lentTo, socket._handle.fd, options) >= 0
    ) {
      connection.startLent();
    } else {
      connection.attach(TRANSPORT.FED, -1, options);
      connection.start(new Fed(connection));
    }
    return connection;
  }

  /** @returns {number} its slot, or minus an errno */
  attach(transport, fd, { maxHeaderSize = 0, lenient = 0, timeouts = NO_TIMEOUTS }) {
    this.keepAliveTimeout = timeouts[2];
    return ring.attach(this, this.role, transport, fd, maxHeaderSize, lenient, timeouts);
  }

  /** @param {Transport} transport */
  start(transport) {
    this.transport = transport;
    transport.start();
  }

  /** Its descriptor is the engine's to move bytes on. */
  startLent() {
    this.start(this.ioThreads > 0 ? new Threads(this) : new Local(this));
  }

  /** Whether the engine has the transport. */
  get attached() {
    return this.transport !== null;
  }

  /** Who moves the bytes. @returns {'pending' | 'local' | 'threads' | 'fed' | 'detached'} */
  get driver() {
    if (this.transport === null) return 'detached';
    if (this.transport instanceof Threads) return 'threads';
    if (this.transport instanceof Local) return 'local';
    return this.transport instanceof Fed ? 'fed' : 'pending';
  }

  // --- sending -----------------------------------------------------------------------------------------------------------

  /**
   * A message head.
   * @param {string} text
   * @param {number} framing FRAMING
   * @param {number} expect EXPECT; client only
   */
  sendHead(text, framing, expect) {
    this.isChunked = framing === FRAMING.CHUNKED;
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
   * A part of a body is about to be written: as a stream that is corked, it and what follows it goes out in a tick, or with the message's end. A socket
   * that is destroyed before has lost it.
   */
  cork() {
    if (this.corkedAt >= 0 || this.transport === null) return;
    this.corkedAt = ring.here();
    process.nextTick(uncork, this);
  }

  /** The socket is destroyed. */
  loseCorked() {
    if (this.corkedAt < 0) return;
    ring.takeBack(this, this.corkedAt);
    this.corkedAt = -1;
  }

  /**
   * The end of the message.
   * @param {string} trailers finished lines, or ''
   * @param {Sent} [sent]
   */
  sendEnd(trailers, sent) {
    this.corkedAt = -1;
    this.write(COMMAND.END | this.lasting(sent), trailers, 'latin1', sent);
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
    // Node joins head and text and encodes both alike, unless a chunk's size stands between them or the encoding goes by another name.
    const isJoined = typeof chunk === 'string' && framing !== FRAMING.CHUNKED && (!encoding || encoding === 'utf8');
    if (chunk === null || typeof chunk === 'string' || chunk.byteLength < LARGE) {
      const kindAndFlags = this.marked(COMMAND.MESSAGE | this.choices(framing, expect) | this.lasting(sent), sent);
      if (ring.commandMessage(this, kindAndFlags, text, isJoined ? 'utf8' : 'latin1', chunk, encoding)) {
        this.armKeepAlive();
        return this.written(COMMAND.MESSAGE, size, sent);
      }
    }
    this.sendHead(isJoined ? Buffer.from(text).toString('latin1') : text, framing, expect);
    if (chunk !== null && chunk.length > 0) this.sendBody(chunk, encoding, null);
    this.sendEnd('', sent);
    return this.owedDrain === null;
  }

  /**
   * Whether messages pass through the socket's `write`: its user has put one of his own over it and sees them as in Node, or the socket is
   * corked and they wait with what he has written.
   */
  get isWatched() {
    return this.socket.write !== this.socketWrite || this.isThroughSocket || this.socket.writableCorked > 0;
  }

  /**
   * A part of a message is about to be written through the socket: what the engine holds goes first.
   * @param {boolean} begins
   * @param {number} expect EXPECT; client only
   */
  yieldToSocket(begins, expect) {
    this.isThroughSocket = true;
    // The engine goes on to keep account.
    if (begins) this.sendHead('', FRAMING.NONE, expect);
    this.flush();
  }

  /** The message's last bytes are with the socket. */
  endThroughSocket() {
    this.isThroughSocket = false;
    this.writtenAt = Number.POSITIVE_INFINITY;
    this.write(COMMAND.ENDED, '', 'latin1', null);
    this.armKeepAlive();
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
    if (this.transport instanceof Fed) this.transport.write();
  }

  /** The same, and tells those who wait for it and have no listeners. */
  settleNow() {
    this.flush();
    this.transport?.settle();
  }

  /**
   * The response to the next request may come from now on, before the request is sent.
   * @param {number} expect EXPECT
   */
  expectResponse(expect) {
    if (this.transport instanceof Fed) this.transport.rise();
    if (this.transport !== null) ring.command(this, COMMAND.EXPECT | this.choices(FRAMING.NONE, expect), 0);
  }

  /** No response is awaited: the connection idles, watched without a listener that others could see. */
  rest() {
    if (this.transport instanceof Fed) this.transport.rest();
  }

  /** Bytes accepted and not yet with the kernel. */
  get writableLength() {
    if (this.transport === null) return this.socket.writableLength ?? 0;
    const queued = ring.figure(this, TABLE.QUEUED) + (this.epoch === ring.epoch() ? this.unflushed : 0);
    return this.transport instanceof Fed ? queued + (this.socket.writableLength ?? 0) : queued;
  }

  /** The same, and what the socket's own stream holds, as while it is corked. */
  get unsentLength() {
    const { socket, transport, writableLength } = this;
    return transport instanceof Local ? writableLength + socket._writableState.length : writableLength;
  }

  /** Whether something was written that the engine has not got, be it without bytes that are counted, as the end of a chunked message. */
  get hasUnflushed() {
    return this.epoch === ring.epoch();
  }

  /** Milliseconds since the socket's stream has written what it was given, 0: it has not; Infinity: it was given nothing. Of the rest the engine knows. */
  get sinceWritten() {
    const isWriting = this.transport instanceof Fed && this.socket.writableLength > 0;
    return isWriting ? 0 : Math.max(0, now() - this.writtenAt);
  }

  /** A message that went through the socket has been written. */
  noteWritten() {
    if (this.writtenAt === Number.POSITIVE_INFINITY) this.writtenAt = now();
  }

  choices(framing, expect) {
    return (framing << (8 + COMMAND.FRAMING_SHIFT)) | (expect << (8 + COMMAND.EXPECT_SHIFT));
  }

  /**
   * The flag of a message behind which the connection ends: the engine need not send it before FIN, with which it goes in one packet. Whoever is told
   * that it was sent asks for that, `Local` takes care that he is told at once. I/O threads send when it suits them. Behind a client's last request comes its response.
   * @param {any} sent the message
   */
  lasting(sent) {
    if (sent?._last !== true || this.role !== ROLE.SERVER || this.ioThreads > 0) return 0;
    if (!(this.transport instanceof Local)) return 0;
    this.isLast = true;
    return COMMAND.LAST << 8;
  }

  marked(kindAndFlags, sent) {
    return sent == null ? kindAndFlags : kindAndFlags | (COMMAND.MARK << 8);
  }

  write(kindAndFlags, data, encoding, sent) {
    if (this.transport === null) return this.refuse(sent);
    const kind = kindAndFlags & 0xff;
    const isLargeBody = kind === COMMAND.BODY && typeof data !== 'string' && data.byteLength >= LARGE;
    if (isLargeBody && this.corkedAt >= 0) {
      ring.hold(this, this.marked(kindAndFlags, sent), data);
      return this.written(kind, data.byteLength, sent);
    }
    if (isLargeBody || !ring.commandWith(this, this.marked(kindAndFlags, sent), data, encoding)) {
      // From where it lies: a part of a body that is not worth a copy, or what no ring could hold.
      const bytes = typeof data === 'string' ? Buffer.from(data, encoding) : data;
      const isBelowMark = this.isBelowMark(bytes.byteLength);
      ring.flushWith(this, this.marked(kindAndFlags, sent), bytes);
      const isAccepted = this.written(kind, 0, sent);
      return isAccepted && !isBelowMark ? this.oweDrain() : isAccepted;
    }
    // What the coding adds counts too: those who write little at a time are told to wait as soon as by Node.
    const coding = kind === COMMAND.BODY && this.isChunked && data.length > 0 ? data.length.toString(16).length + 4 : 0;
    return this.written(kind, data.length + coding, sent);
  }

  /** A write behind the connection's end: the callback hears of it, as from a destroyed stream. */
  refuse(sent) {
    if (sent != null) {
      this.marks.add(sent);
      this.failMarks();
    }
    return false;
  }

  /** Those who wait for bytes that will not be sent hear so, as from a destroyed stream. */
  failMarks() {
    const marks = this.marks.take();
    if (!marks.isEmpty) process.nextTick(() => marks.tellAll(new ERR_STREAM_DESTROYED('write')));
  }

  /**
   * A command was written, with `size` bytes that are not flushed and a mark if somebody wants to hear of it.
   * @returns {boolean} whether the writer may go on
   */
  written(kind, size, sent) {
    if (sent != null && this.marks.add(sent)) {
      // A stream that is written to is corked until the next tick; its end is written at once.
      if (this.corkedAt < 0) ring.hurry();
    }
    const { timeout } = this.socket;
    if (timeout) this.socket._unrefTimer();
    const isBelowMark = this.isBelowMark(size);
    this.unflushed += size;
    if (this.transport instanceof Fed && kind !== COMMAND.BODY && kind !== COMMAND.MESSAGE_HEAD) {
      // The stream's user may watch it being written: like Node, at once when a message ends.
      this.flush();
    } else if (sent != null || timeout || this.transport instanceof Fed) {
      this.awaitOutput();
    }
    return isBelowMark ? this.owedDrain === null : this.oweDrain();
  }

  /** Whether `size` more bytes leave the queue below the stream's high-water mark. */
  isBelowMark(size) {
    const epoch = ring.epoch();
    if (this.epoch !== epoch) {
      this.epoch = epoch;
      this.unflushed = 0;
    }
    return this.writableLength + size < (this.socket.writableHighWaterMark ?? 16384);
  }

  /** The writer was told to wait. */
  oweDrain() {
    this.owedDrain = new AsyncResource('HTTPOUTGOINGMESSAGE');
    if (this.corkedAt < 0) process.nextTick(ring.hurry);
    this.awaitOutput();
    return false;
  }

  awaitOutput() {
    if (this.transport instanceof Fed) this.transport.writeInThisContext();
    if (this.isAwaiting) return;
    this.isAwaiting = true;
    ring.awaitOutput(this);
  }

  /** After a flush: who waited for what was sent is told. */
  settle() {
    this.isAwaiting = false;
    this.transport?.settle();
  }

  /** Whether what it has written may be sent later in this turn: a server's answers that go by themselves, for which nobody waits. */
  maySendLater() {
    const { transport } = this;
    return (
      this.role === ROLE.SERVER && this.owedDrain === null && transport instanceof Local && transport.maySendLater()
    );
  }

  /** As `settle`, when what it has written is sent later in this turn: it counts as sent. */
  settleAhead() {
    this.isAwaiting = false;
    this.unflushed = 0;
    if (this.transport instanceof Local) this.transport.settleAhead();
  }

  /** Has the engine tell when what is queued now has gone. No write of anybody's: it owes no `'drain'`. */
  markHere() {
    this.marks.add(nothing);
    ring.command(this, this.marked(COMMAND.RAW, nothing), 0);
    this.awaitOutput();
  }

  emitDrain() {
    const owed = this.owedDrain;
    if (owed === null) return;
    this.owedDrain = null;
    tellDrain(this, owed);
  }

  // --- receiving ---------------------------------------------------------------------------------------------------------

  /** The engine stops reading; what was read already may still come. */
  pause() {
    if (this.isPaused || !(this.transport instanceof Local)) return;
    this.isPaused = true;
    // Node's client reads by its socket's stream, which takes in some more, and hears of the end behind it; a server by its handle.
    ring.command(this, COMMAND.PAUSE, this.role === ROLE.CLIENT ? this.socket.readableHighWaterMark : 0);
  }

  /** The engine reads on. */
  resume() {
    if (!this.isPaused || this.transport === null) return;
    this.isPaused = false;
    ring.command(this, COMMAND.RESUME, 0);
  }

  /** A reader is behind. The socket's user sees it too; a server's handle, or whoever has lent it, is stopped by that. */
  readStop() {
    const { socket } = this;
    if (this.role === ROLE.SERVER || !(this.transport instanceof Local)) {
      socket.pause();
      return;
    }
    this.pause();
    // Past what a user's own call would do.
    Object.getPrototypeOf(socket).pause.call(socket);
  }

  /** The peer's bytes are wanted again. */
  readStart() {
    const { socket } = this;
    if (socket.readableFlowing === false && socket.readable) socket.resume();
  }

  /** Somebody wants the bytes for himself: the socket reads them, and hands them on. */
  share() {
    if (this.transport instanceof Local) this.demote(false);
    else if (this.transport instanceof Fed) this.transport.share();
    this.handler.onShared?.(this);
  }

  /**
   * The verdict on a message that wants to leave HTTP.
   * @param {boolean} accept
   */
  upgrade(accept) {
    if (this.transport !== null) ring.command(this, COMMAND.UPGRADE, accept ? 1 : 0);
  }

  /**
   * The socket has ended: completes a body that ends with it.
   * @returns {Error | undefined} what was cut off
   */
  finish() {
    if (this.transport === null) return undefined;
    this.later?.tell();
    ring.flush();
    this.finishing = { error: undefined };
    try {
      // Until what came before has all been told.
      while (this.transport !== null && !ring.engine.finish(this.slot)) ring.readEventsNow();
      ring.readEventsNow();
      return this.finishing.error;
    } finally {
      this.finishing = null;
    }
  }

  /** Whether a body is being read that the peer ends by ending the connection. */
  get endsWithConnection() {
    return this.transport !== null && ring.engine.endsWithConnection(this.slot);
  }

  /** Whether no message has begun in either direction. */
  get idle() {
    if (this.transport === null) return true;
    ring.flush();
    return ring.engine.isIdle(this.slot);
  }

  /** An event record; see events.js. */
  onEvent(kind, flags, a, b, bytes, start, end) {
    if (this.later !== null) {
      this.later.keep(kind, flags, a, b, bytes, start, end);
      return;
    }
    onEvent(this, kind, flags, a, b, bytes, start, end);
    if (kind === EVENT.BODY && this.transport instanceof Fed) this.transport.afterBody();
  }

  /**
   * The peer's bytes are not HTTP.
   * @param {Error} error
   */
  fail(error) {
    if (this.finishing !== null) {
      this.finishing.error = error;
      return;
    }
    this.failure = error;
    try {
      tellParseError(this, error);
    } finally {
      // The engine is done with this peer: the socket reads on, for its user, and for the end. Not before: what it has sent is told with that.
      this.demote();
    }
  }

  /**
   * A listener has thrown. As in Node this ends the reading: what came along with what it was told is lost, and what comes later is an error.
   * @param {{ code: string, reason: string }} [failure]
   */
  breakOff(failure = THROWN.BODY) {
    if (this.transport === null || this.failure !== null) return;
    this.failure = failure;
    this.later = new Never(this);
    this.demote();
  }

  // --- deadlines ---------------------------------------------------------------------------------------------------------

  /**
   * A server connection's deadlines in milliseconds, 0 for none. `checkTimeouts` tells of the first two; the third comes by itself.
   * @param {number} headers
   * @param {number} request
   * @param {number} keepAlive
   */
  setTimeouts(headers, request, keepAlive) {
    if (this.transport === null) return;
    this.keepAliveTimeout = keepAlive;
    ring.engine.setTimeouts(this.slot, headers, request, keepAlive);
  }

  /**
   * Tells the handlers of those whose head or request is late.
   * @param {Connection[]} connections
   */
  static checkTimeouts(connections) {
    checkTimeouts(connections);
  }

  armKeepAlive() {
    if (this.keepAliveTimeout > 0) armKeepAlive(this.keepAliveTimeout);
  }

  // --- the end -----------------------------------------------------------------------------------------------------------

  /**
   * From local to fed: the socket moves the bytes again.
   * @param {boolean} [mayConsume] nobody else is to see them
   */
  demote(mayConsume = true) {
    if (!(this.transport instanceof Local)) return;
    const { isPaused } = this;
    // From here on it is the stream that stops, or its handle.
    this.resume();
    ring.flush();
    ring.engine.unbind(this.slot);
    const held = isPaused && this.role === ROLE.CLIENT ? ring.engine.takeUnread(this.slot) : null;
    this.transport.stop();
    const fed = new Fed(this, mayConsume);
    this.start(fed);
    if (held !== null && held.length > 0) this.socket.unshift(held);
    // A client's stream takes in what it has room for.
    if (!isPaused || this.role === ROLE.CLIENT) this.readAgain();
    fed.settle();
  }

  /** The stream believes that a read is under way, whoever was to do it. */
  readAgain() {
    const handle = this.socket._handle;
    if (!handle || this.socket.destroyed) return;
    handle.reading = true;
    handle.readStart();
  }

  /**
   * Hand-back: the socket is an ordinary one again.
   * @returns {Buffer} what was read and not parsed
   */
  detach() {
    if (this.transport === null) return Buffer.alloc(0);
    ring.flush();
    const unread = ring.engine.takeUnread(this.slot);
    const output = ring.engine.takeOutput(this.slot);
    const marks = this.marks.take();
    const wasLocal = this.transport instanceof Local;
    this.release();
    if (output.length > 0) this.socket.write(output, (error) => marks.tellAll(error ?? null));
    else marks.tellAll(null);
    if (wasLocal) this.readAgain();
    return unread;
  }

  /** The socket closes: what was not sent is lost, and who waits for it hears so. */
  letGo() {
    this.later?.tell();
    if (this.transport === null) return;
    this.lingers = this.role === ROLE.CLIENT;
    ring.flush();
    this.handler.onLetGo?.(this);
    const { marks } = this;
    if (marks.isEmpty) {
      this.release();
      return;
    }
    const sent = this.transport instanceof Local ? marks.takeReached(ring.figure(this, TABLE.SENT)) : null;
    this.release();
    if (sent !== null && !sent.isEmpty) process.nextTick(() => sent.tellAll(null));
    this.failMarks();
  }

  /** The socket's handle has another owner. */
  taken() {
    this.letGo();
    this.handler.onTaken?.(this);
  }

  release() {
    const { socket, transport } = this;
    ring.release(this);
    this.transport = null;
    if (socket[kConnection] === this) socket[kConnection] = undefined;
    transport?.stop();
  }

  /** @this {any} the socket */
  onSocketClose() {
    this[kConnection]?.letGo();
  }
}

/** Whoever only needs the mark. */
function nothing() {}

/** The tick that a connection was corked until. @param {Connection} connection */
function uncork(connection) {
  connection.corkedAt = -1;
  if (connection.owedDrain !== null || connection.marks.isHeard) ring.hurry();
}

module.exports = { Connection, EXPECT, FRAMING, HEAD, kConnection };
