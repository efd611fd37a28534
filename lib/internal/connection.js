'use strict';

// One HTTP connection as the classes see it: a transport that the engine has taken over, its events and its commands.

const process = require('node:process');
const { COMMAND, EVENT, EXPECT, FRAMING, HEAD, ROLE, TABLE, TRANSPORT } = require('./layout');
const { ERR_SOCKET_CLOSED_BEFORE_CONNECTION } = require('../errors').codes;
const { annotate, kConnection } = require('./annotate');
const { checkTimeouts } = require('./deadlines');
const { THROWN, destroyInTick, onEvent, systemError, tellParseError } = require('./events');
const { Fed } = require('./fed');
const { isPlain } = require('./handle');
const { Never } = require('./later');
const { Local } = require('./local');
const { Pending } = require('./pending');
const { Sending, callInTick } = require('./sending');
const { Threads } = require('./threads');
const ring = require('./ring');

const DRIVERS = ['auto', 'local', 'threads', 'fed'];
const DRIVER = chosenDriver();
const FED_ONLY = DRIVER === 'fed' || !ring.engine.hasLocalDriver();

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

/** @typedef {import('./sending').Transport} Transport */

class Connection extends Sending {
  /**
   * @param {any} socket
   * @param {Handler} handler
   * @param {AttachOptions} options
   */
  constructor(socket, handler, options) {
    super(socket, options.role === 'server' ? ROLE.SERVER : ROLE.CLIENT, options.ioThreads || IO_THREADS);
    this.handler = handler;
    this.resource = options.resource;
    /** What it was attached with, to see whether it suits a client's next request. */
    this.maxHeaderSize = options.maxHeaderSize;
    this.lenient = options.lenient;
    this.isPaused = false;
    /** While `finish` runs: what it found. @type {{ error: Error | undefined } | null} */
    this.finishing = null;
    /** Why the peer's bytes are no longer parsed. @type {any} */
    this.failure = null;
    /** A client's: no response is awaited. */
    this.isResting = false;
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

  /** @param {number} expect EXPECT */
  expectResponse(expect) {
    this.isResting = false;
    super.expectResponse(expect);
  }

  rest() {
    this.isResting = true;
    super.rest();
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
    else if (this.isResting && mayConsume && this.socket.listenerCount('data') === 1) fed.rest();
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
    this.uncork();
    ring.flush();
    const unread = ring.engine.takeUnread(this.slot);
    const output = ring.engine.takeOutput(this.slot);
    const errno = ring.engine.sendError(this.slot);
    // The engine's record of it goes with the slot.
    const failed = errno === 0 ? null : systemError(errno, 'write');
    const marks = this.takeSent(failed);
    const wasLocal = this.transport instanceof Local;
    this.release();
    if (failed !== null) destroyInTick(this, failed);
    if (output.length > 0) this.socket.write(output, (error) => marks.tellAll(error ?? null));
    else marks.tellAll(null);
    if (wasLocal) this.readAgain();
    return unread;
  }

  /**
   * The socket closes: what was not sent is lost, and who waits for it hears so.
   * @param {boolean} [isClosing] what is corked is lost too
   */
  letGo(isClosing = this.socket.destroyed) {
    const { marks, transport } = this;
    this.later?.tell();
    if (this.transport === null) return;
    this.lingers = this.role === ROLE.CLIENT;
    if (!isClosing) this.uncork();
    const lost = this.takeCorked();
    ring.flush();
    this.handler.onLetGo?.(this);
    const isLent = this.transport instanceof Local;
    if (isLent && !marks.isEmpty) {
      const hasTick = this.isAwaiting && marks.isHeard;
      const sent = marks.takeReached(ring.figure(this, TABLE.SENT));
      // In the tick that they have asked for, which may come before those of who ends it here.
      if (hasTick && !sent.isEmpty) this.sentBefore = sent;
      else callInTick(sent, null);
      const cancelled = marks.take();
      // What the kernel has not taken is cancelled when the handle has closed: behind the stream's 'error'.
      if (!cancelled.isEmpty) {
        // As libuv fails a write whose handle has closed. Asked for here, as to load the host's `os` takes half as long as the addon.
        const { ECANCELED } = require('node:os').constants.errno;
        process.nextTick(() => cancelled.tellAll(systemError(ECANCELED, 'write')));
      }
    }
    const isConnecting = transport instanceof Pending;
    this.release();
    if (isConnecting) {
      const waiting = transport.takeWaiting(marks);
      const error = new ERR_SOCKET_CLOSED_BEFORE_CONNECTION();
      callInTick(marks.take(), error);
      if (waiting !== null) callInTick(waiting.marks, this.socket.errored ?? error);
    }
    this.failMarks(isLent || isConnecting ? lost : marks.take());
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

module.exports = { Connection, EXPECT, FRAMING, HEAD, kConnection };
