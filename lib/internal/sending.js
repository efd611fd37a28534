'use strict';

// The sending half of a connection: what the classes give it becomes command records, and whoever waits for it is told.

const { AsyncResource } = require('node:async_hooks');
const { Duplex } = require('node:stream');
const process = require('node:process');
const { ERR_STREAM_DESTROYED } = require('../errors').codes;
const { now } = require('./clock');
const { armKeepAlive } = require('./deadlines');
const { tellDrain } = require('./events');
const { Fed, WRITTEN } = require('./fed');
const { COMMAND, FRAMING, ROLE, TABLE } = require('./layout');
const { Local } = require('./local');
const { Marks } = require('./marks');
const { Pending } = require('./pending');
const ring = require('./ring');

/** A body part that is sent from where it lies rather than copied into the ring, from this many bytes on. */
const LARGE = 16 * 1024;

/** A stream's own `write`. */
const { write: STREAM_WRITE } = Duplex.prototype;

/** @typedef {import('./marks').Sent | null | undefined} Sent */

/** @typedef {InstanceType<typeof Marks>} Waiting */

/** What moves a connection's bytes: a Local, a Fed or a Pending. @typedef {{ start(): void, stop(): void, settle(): void }} Transport */

/** What a corked connection was given. @typedef {{ kindAndFlags: number, data: string | Uint8Array, encoding: any, size: number }} Piece */

class Sending {
  /**
   * @param {any} socket
   * @param {number} role ROLE
   * @param {number} ioThreads
   */
  constructor(socket, role, ioThreads) {
    this.socket = socket;
    this.role = role;
    /** Null: the engine has let go. @type {Transport | null} */
    this.transport = null;
    /** What the socket's `write` is unless its user has put another over it. @type {Function} */
    this.socketWrite = STREAM_WRITE;
    /** The message being sent goes that way, to its end: the stream may hold some of it. */
    this.isThroughSocket = false;
    /** When the stream had last written what it was given, or a WRITTEN. @type {number} */
    this.writtenAt = WRITTEN.NEVER;
    /** I/O threads to be moved by, once its descriptor is lent; 0: none. */
    this.ioThreads = ioThreads;
    this.slot = -1;
    this.generation = -1;
    this.marks = new Marks();
    /** `awaitOutput` was asked for. */
    this.isAwaiting = false;
    /** Who waits for what was sent before the engine let go, to be told when `settle` is called. @type {Waiting | null} */
    this.sentBefore = null;
    /** A write was answered with false: `'drain'` is owed, in the context of that write. @type {AsyncResource | null} */
    this.owedDrain = null;
    /** The message being sent is in the chunked coding. */
    this.isChunked = false;
    /** The last message there is was sent: FIN is to follow it. */
    this.isLast = false;
    /** Bytes written since flush number `epoch`, before the next one. */
    this.unflushed = 0;
    this.epoch = -1;
    /** What was written that goes out in a tick; null: it does at once. @type {Piece[] | null} */
    this.corked = null;
    /** Bytes of that. */
    this.corkedLength = 0;
    /** Who waited last for what was written before. @type {Waiting['last']} */
    this.corkedBehind = null;
    /** Milliseconds, 0: none. */
    this.keepAliveTimeout = 0;
  }

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

  /** The head goes by itself: a stream is written to at once, as by Node. Elsewhere it goes with the batch or in a tick. */
  letHeadGo() {
    if (this.transport instanceof Fed) this.flush();
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
   * A part of a body is about to be written: as by a stream that is corked, it and what follows it is kept until a tick, or the message's end. A socket
   * that is destroyed before has lost it. A stream that is fed is not written to before a tick either.
   */
  cork() {
    if (this.corked !== null || this.transport === null || this.transport instanceof Fed) return;
    this.beginUnit();
    this.corked = [];
    this.corkedBehind = this.marks.last;
    process.nextTick(uncork, this);
  }

  /** What is written next Node gives the stream apart from what there is; unless it is corked, when all goes together. */
  beginUnit() {
    if (this.transport instanceof Pending && this.corked === null) this.transport.endUnit();
  }

  /** Whether a stream that connects would have something under way, with which all behind that fails. */
  get isUnderWay() {
    return this.transport instanceof Pending && this.transport.underWay !== null;
  }

  /** What was kept is written. */
  uncork() {
    const pieces = this.corked;
    if (pieces === null) return;
    this.loseCorked();
    if (this.transport === null || pieces.length === 0) return;
    for (const { kindAndFlags, data, encoding, size } of pieces) {
      if (typeof data !== 'string' && data.byteLength < size) {
        // Its memory has been given away: what is left of the message would pass for another one.
        this.socket.destroy();
        return;
      }
      this.renew();
      if (isLargeBody(kindAndFlags & 0xff, data) || !ring.commandWith(this, kindAndFlags, data, encoding))
        ring.flushWith(this, kindAndFlags, typeof data === 'string' ? Buffer.from(data, encoding) : data);
      else this.unflushed += size + this.codingOf(kindAndFlags & 0xff, size);
    }
    if (this.owedDrain !== null || !this.marks.isEmpty || this.socket.timeout || this.transport instanceof Fed) {
      this.awaitOutput();
    }
    if (this.owedDrain !== null || this.marks.isHeard) ring.hurry();
  }

  /** What was kept is not to be sent. */
  loseCorked() {
    this.corked = null;
    this.corkedLength = 0;
    this.corkedBehind = null;
  }

  /** The same. @returns {Waiting | null} who waits for it */
  takeCorked() {
    if (this.corked === null) return null;
    const lost = this.marks.takeBehind(this.corkedBehind);
    this.loseCorked();
    return lost;
  }

  /** Keeps what is written while the connection is corked. @param {Sent} sent */
  keep(kindAndFlags, data, encoding, sent) {
    const size = typeof data === 'string' ? data.length : data.byteLength;
    const coded = size + this.codingOf(kindAndFlags & 0xff, size);
    this.corked?.push({ kindAndFlags: this.marked(kindAndFlags, sent), data, encoding, size });
    if (sent != null) this.marks.add(sent);
    if (this.socket.timeout) this.socket._unrefTimer();
    const isBelowMark = this.isBelowMark(coded);
    this.corkedLength += coded;
    return isBelowMark ? this.owedDrain === null : this.oweDrain();
  }

  /**
   * The end of the message.
   * @param {string} trailers finished lines, or ''
   * @param {Sent} [sent]
   */
  sendEnd(trailers, sent) {
    this.uncork();
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
    this.uncork();
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
    if (this.transport instanceof Pending) this.transport.yieldToSocket();
    this.isThroughSocket = true;
    // The engine goes on to keep account.
    if (begins) this.sendHead('', FRAMING.NONE, expect);
    this.flush();
  }

  /** The message's last bytes are with the socket. */
  endThroughSocket() {
    this.isThroughSocket = false;
    this.writtenAt = WRITTEN.UNDER_WAY;
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
    this.uncork();
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
    const written = this.corkedLength + (this.epoch === ring.epoch() ? this.unflushed : 0);
    const queued = ring.figure(this, TABLE.QUEUED) + written;
    return this.transport instanceof Fed ? queued + this.transport.streamLength : queued;
  }

  /** The same, and what the socket's own stream holds, as while it is corked. */
  get unsentLength() {
    if (this.transport === null || this.transport instanceof Fed) return this.writableLength;
    // Node gives the kernel or the stream at once what is not corked.
    if (this.hasUnflushed) ring.flush();
    return this.writableLength + this.socket._writableState.length;
  }

  /** Whether something was written that the engine has not got, be it without bytes that are counted, as the end of a chunked message. */
  get hasUnflushed() {
    return this.epoch === ring.epoch();
  }

  /** Milliseconds since the socket's stream has written what it was given, 0: it has not; Infinity: it was given nothing. Of the rest the engine knows. */
  get sinceWritten() {
    const isWriting = this.transport instanceof Fed && this.transport.streamLength > 0;
    return isWriting ? 0 : Math.max(0, now() - this.writtenAt);
  }

  /** A message that went through the socket has been written. */
  noteWritten() {
    if (this.writtenAt === WRITTEN.UNDER_WAY) this.writtenAt = now();
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
    if (this.corked !== null) return this.keep(kindAndFlags, data, encoding, sent);
    if (isLargeBody(kind, data) || !ring.commandWith(this, this.marked(kindAndFlags, sent), data, encoding)) {
      // From where it lies: a part of a body that is not worth a copy, or what no ring could hold.
      const bytes = typeof data === 'string' ? Buffer.from(data, encoding) : data;
      const isBelowMark = this.isBelowMark(bytes.byteLength);
      ring.flushWith(this, this.marked(kindAndFlags, sent), bytes);
      const isAccepted = this.written(kind, 0, sent);
      return isAccepted && !isBelowMark ? this.oweDrain() : isAccepted;
    }
    return this.written(kind, data.length + this.codingOf(kind, data.length), sent);
  }

  /** What the coding adds to a part of a body counts too: those who write little at a time are told to wait as soon as by Node. */
  codingOf(kind, length) {
    return kind === COMMAND.BODY && this.isChunked && length > 0 ? length.toString(16).length + 4 : 0;
  }

  /** A write behind the connection's end: the callback hears of it, as from a destroyed stream. */
  refuse(sent) {
    if (sent != null) {
      this.marks.add(sent);
      this.failMarks(this.marks.take());
    }
    return false;
  }

  /**
   * Who waits for what the engine has given out. What a failed send has lost, it never gives out: who waits for that hears so.
   * @param {Error | null} [error] that of the send
   */
  takeSent(error) {
    const sent = this.marks.takeReached(ring.figure(this, TABLE.SENT));
    this.failMarks(this.marks.take(), error);
    return sent;
  }

  /** A send has failed: who waits for what it has lost hears why, before the socket's 'error'. @param {Error} error */
  failUnsent(error) {
    if (!this.marks.isEmpty) this.takeSent(error).tellAll(null);
  }

  /**
   * Those who wait for bytes that will not be sent hear so, as from a destroyed stream: before its 'error'.
   * @param {Waiting | null} marks
   * @param {Error | null} [error]
   */
  failMarks(marks, error) {
    if (marks === null || marks.isEmpty) return;
    callInTick(marks, error ?? this.socket.errored ?? new ERR_STREAM_DESTROYED('write'));
  }

  /**
   * A command was written, with `size` bytes that are not flushed and a mark if somebody wants to hear of it.
   * @returns {boolean} whether the writer may go on
   */
  written(kind, size, sent) {
    if (sent != null && this.marks.add(sent)) {
      // A stream that is written to is corked until the next tick; its end is written at once.
      if (kind === COMMAND.BODY) process.nextTick(ring.hurry);
      else ring.hurry();
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
    this.renew();
    return this.writableLength + size < (this.socket.writableHighWaterMark ?? 16384);
  }

  /** What was written before the last flush is flushed. */
  renew() {
    const epoch = ring.epoch();
    if (this.epoch === epoch) return;
    this.epoch = epoch;
    this.unflushed = 0;
  }

  /** The writer was told to wait. */
  oweDrain() {
    this.owedDrain = new AsyncResource('HTTPOUTGOINGMESSAGE');
    // Whoever asks the stream is to hear it too. Where that has something of its own to write, it would tell of the end of it.
    if (this.transport instanceof Pending && this.socket._writableState.length === 0) {
      this.socket._writableState.needDrain = true;
    }
    // What is corked asks for it when it is written.
    if (this.corked !== null) return false;
    process.nextTick(ring.hurry);
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
    const { sentBefore } = this;
    if (sentBefore === null) {
      this.transport?.settle();
      return;
    }
    // One that throws has the others told when this is called again.
    while (sentBefore.tellNext(Number.POSITIVE_INFINITY));
    this.sentBefore = null;
  }

  /** Whether what it has written may be sent later in this turn: a server's answers that go by themselves, for which nobody waits. */
  maySendLater() {
    const { transport } = this;
    return (
      this.role === ROLE.SERVER &&
      this.corked === null &&
      this.owedDrain === null &&
      transport instanceof Local &&
      transport.maySendLater()
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

  armKeepAlive() {
    if (this.keepAliveTimeout > 0) armKeepAlive(this.keepAliveTimeout);
  }
}

/** Whoever only needs the mark. */
function nothing() {}

/** The tick that a connection was corked until. @param {Sending} connection */
function uncork(connection) {
  const { socket } = connection;
  // One that connects has no handle's `close` that would tell of it.
  if (socket.destroyed && !connection.isUnderWay)
    connection.takeCorked()?.callAll(socket.errored ?? new ERR_STREAM_DESTROYED('write'));
  else connection.uncork();
}

/** A part of a body that is sent from where it lies. @param {number} kind COMMAND @param {string | Uint8Array} data */
function isLargeBody(kind, data) {
  return kind === COMMAND.BODY && typeof data !== 'string' && data.byteLength >= LARGE;
}

/** @param {Waiting} marks @param {Error | null} error */
function callInTick(marks, error) {
  if (!marks.isEmpty) process.nextTick(() => marks.callAll(error));
}

module.exports = { Sending, callInTick };
