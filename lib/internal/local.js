'use strict';

// The local transport: the engine moves the bytes on a descriptor that it borrows from a net.Socket. What is asked of the socket or its handle
// meanwhile comes here.

const { EventEmitter } = require('node:events');
const process = require('node:process');
const { annotate, kConnection } = require('./annotate');
const { COMMAND, ROLE, TABLE } = require('./layout');
const { forsake, giveBack, isLendable, isPlain, lend, noteWriteQueue } = require('./handle');
const { endTheirTick } = require('./marks');
const ring = require('./ring');

/** The Borrower of handle.js. */
class Local {
  /** @param {any} connection the Connection */
  constructor(connection) {
    this.connection = connection;
    this.isReferenced = false;
    /** What `shutdown` waits for the queue to do. @type {(() => void) | null} */
    this.delayedShutdown = null;
    /** The handle is being closed: nobody asks for its counts any more. */
    this.isClosing = false;
  }

  /**
   * Whether the socket's descriptor can be borrowed: nobody else reads it.
   * @param {any} socket
   * @param {number} role ROLE
   */
  static isPossible(socket, role) {
    if (!isPlain(socket) || !isLendable(socket)) return false;
    // A server reads the handle, and those who listened before hear nothing; a client reads by its socket.
    return role === ROLE.SERVER || (!hasReader(socket) && socket.readableFlowing !== false);
  }

  start() {
    const { socket } = this.connection;
    lend(socket._handle, this);
    // One that was connecting has it. Defining properties twice would turn the socket into a dictionary, which costs more than all else.
    if (!Object.hasOwn(socket, 'writableLength')) Object.defineProperty(socket, 'writableLength', WRITABLE_LENGTH);
    // A server's connection has its own LISTENING to put there, and a listener who hears of what others bring.
    if (this.connection.role === ROLE.CLIENT) {
      for (const name of BRINGING) annotate(socket, name, BRINGERS[name]);
      for (const name of LISTENING) annotate(socket, name, LISTENERS[name]);
      for (const name of FLOWING) annotate(socket, name, FLOW[name]);
      beginToFlow(socket);
    } else if (socket.listenerCount('readable') > 0) {
      Object.getPrototypeOf(socket).on.call(socket, 'data', onOwnData);
    } else {
      // Node's server reads its sockets by a listener, and others count it. As an event's only: a stream that begins to flow costs more.
      EventEmitter.prototype.on.call(socket, 'data', onOwnData);
      beginToFlow(socket);
    }
    if (socket._handle.hasRef()) this.onReference(true);
  }

  stop() {
    const { socket } = this.connection;
    this.onReference(false);
    // Nobody has any use for what is left of a socket that closes.
    if (this.isClosing) {
      if (socket._handle) forsake(socket._handle);
      return;
    }
    delete socket.writableLength;
    if (this.connection.role === ROLE.SERVER) EventEmitter.prototype.removeListener.call(socket, 'data', onOwnData);
    else {
      // Somebody's method on top of ours stays.
      for (const name of BRINGING) if (socket[name] === BRINGERS[name]) delete socket[name];
      for (const name of LISTENING) if (socket[name] === LISTENERS[name]) delete socket[name];
      for (const name of FLOWING) if (socket[name] === FLOW[name]) delete socket[name];
    }
    if (socket._handle) {
      giveBack(socket._handle);
      socket._handle.reading = false;
    }
  }

  settle() {
    const { connection } = this;
    const { marks } = connection;
    const reached = ring.figure(connection, TABLE.SENT);
    const { socket } = connection;
    const message = socket._httpMessage;
    // As by a stream: before those who wait for what they have written.
    if (connection.writableLength === 0) {
      connection.emitDrain();
      if (connection.transport !== this) return;
    }
    while (marks.tellNext(reached)) {
      if (connection.transport !== this) return;
      // Node writes the next message when this one is done with: who listens to that one hears it in another tick.
      if (socket._httpMessage !== message) endTheirTick();
    }
    if (connection.isLast) this.endHold();
    const queued = ring.figure(connection, TABLE.QUEUED);
    if (socket.timeout) noteWriteQueue(socket, queued);
    if (queued === 0) {
      const shutdown = this.delayedShutdown;
      this.delayedShutdown = null;
      shutdown?.();
      // Owed by what has been written since: not flushed yet, or in turn with others.
      if (connection.owedDrain !== null) connection.awaitOutput();
    } else if ((connection.owedDrain !== null || this.delayedShutdown !== null) && marks.isEmpty) {
      connection.markHere();
    }
  }

  /** Whether nothing but answers waits to be sent, and nobody to hear of those. */
  maySendLater() {
    const { connection } = this;
    const isQuiet = this.delayedShutdown === null && ring.figure(connection, TABLE.QUEUED) === 0;
    return isQuiet && connection.marks.isUnheard();
  }

  settleAhead() {
    const { marks, socket } = this.connection;
    while (marks.tellNext(Number.POSITIVE_INFINITY)) {
      if (this.connection.transport !== this) return;
    }
    if (socket.timeout) noteWriteQueue(socket, 0);
  }

  /** The kernel was told that FIN follows, and nobody has asked for it. */
  endHold() {
    this.connection.isLast = false;
    ring.command(this.connection, COMMAND.RAW, 0);
  }

  /** Bytes that the kernel has not taken, of the engine's and of the stream's. */
  get unsentLength() {
    return this.connection.unsentLength;
  }

  // --- asked of the handle -----------------------------------------------------------------------------------------------

  onReadStart() {
    const { connection } = this;
    // Somebody wants the bytes for himself: the socket reads them, and hands them on.
    if (connection.role === ROLE.CLIENT && hasReader(connection.socket)) connection.demote();
    else connection.resume();
  }

  onReadStop() {
    this.connection.pause();
  }

  beforeWrite() {
    const { connection } = this;
    connection.uncork();
    ring.flush();
    if (ring.figure(connection, TABLE.QUEUED) === 0) return null;
    connection.awaitOutput();
    return ring.engine.takeOutput(connection.slot);
  }

  afterWrite() {
    // libuv holds back some of it: from here on everything queues behind it, in the socket.
    if (this.connection.socket._handle.writeQueueSize > 0) this.connection.demote();
  }

  beforeShutdown(shutdown) {
    const { connection } = this;
    connection.uncork();
    if (connection.hasUnflushed) ring.flush();
    if (ring.figure(connection, TABLE.QUEUED) === 0) {
      if (connection.isLast) {
        connection.isLast = false;
        ring.command(connection, COMMAND.SHUTDOWN, 0);
      }
      return false;
    }
    this.delayedShutdown = shutdown;
    this.connection.awaitOutput();
    return true;
  }

  onClose() {
    this.isClosing = true;
    const { connection } = this;
    const { corkedLength, socket } = connection;
    ring.flush();
    const lost = corkedLength + (connection.transport === this ? ring.figure(connection, TABLE.QUEUED) : 0);
    connection.letGo(true);
    if (lost === 0) return;
    // As a stream's that is destroyed, until those hear of it who have written it: who ends a message of which some is being lost has not finished it.
    annotate(socket, 'writableLength', socket._writableState.length + lost);
    process.nextTick(forgetLost, socket);
  }

  onTaken() {
    this.connection.taken();
  }

  onReference(referenced) {
    if (this.isReferenced === referenced) return;
    this.isReferenced = referenced;
    ring.reference(referenced);
  }

  bytesRead() {
    return ring.figure(this.connection, TABLE.BYTES_READ);
  }

  bytesWritten() {
    const { connection } = this;
    ring.flush();
    // A socket that is destroyed asks for what was sent.
    const corked = connection.socket.destroyed ? 0 : connection.corkedLength;
    return ring.figure(connection, TABLE.BYTES_WRITTEN) + corked;
  }

  writeQueueSize() {
    ring.flush();
    return ring.figure(this.connection, TABLE.QUEUED);
  }
}

// --- asked of the socket ---------------------------------------------------------------------------------------------------

/** @returns {Local | null} who has lent the socket's descriptor */
function borrower(/** @type {any} */ socket) {
  const transport = socket[kConnection]?.transport;
  return transport instanceof Local ? transport : null;
}

const hasReader = (socket) =>
  socket.listenerCount('data') > (borrower(socket) ? socket.listenerCount('data', onOwnData) : 0) ||
  socket.listenerCount('readable') > 0;

/**
 * Stands for the engine, which reads the descriptor itself: what comes here somebody else has brought, and from here on the socket brings it all.
 * It may come in a tick, where node:http reads it within `push`.
 * @this {any} a server's socket
 * @param {Buffer | string} chunk
 */
function onOwnData(chunk) {
  const connection = borrower(this)?.connection;
  connection?.demote();
  connection?.transport?.onData?.(chunk);
}

/** Methods that add listeners. */
const LISTENING = ['on', 'addListener', 'prependListener'];

/**
 * The same for sockets whose descriptor may be lent. A listener for the bytes themselves must get them from the socket, and so must the engine:
 * the stream believes that a read is under way, and would not ask the handle. @type {any}
 */
const LISTENERS = Object.fromEntries(
  LISTENING.map((name) => [
    name,
    /** @this {any} */
    function (event, listener) {
      // As in Node, until it is found that nobody needs it any more.
      if (this[kConnection] === undefined) this[name] = Object.getPrototypeOf(this)[name];
      else if (event === 'data' || event === 'readable') this[kConnection].share();
      return Object.getPrototypeOf(this)[name].call(this, event, listener);
    },
  ]),
);

/** Methods by which a socket's user stops and starts its stream. */
const FLOWING = ['pause', 'resume'];

/**
 * The same for a client's socket. One that its user has stopped brings its bytes itself: what they come to while nobody asks for them is a matter of the
 * stream's. @type {any}
 */
const FLOW = {
  /** @this {any} */
  pause() {
    const connection = borrower(this)?.connection;
    // Unless a reader who is behind has it stopped already.
    if (connection?.isPaused === false) connection.demote();
    return Object.getPrototypeOf(this).pause.call(this);
  },
  /** @this {any} */
  resume() {
    borrower(this)?.connection.resume();
    return Object.getPrototypeOf(this).resume.call(this);
  },
};

/** @param {any} socket */
function forgetLost(socket) {
  delete socket.writableLength;
}

/**
 * Has a socket look like one whose 'data' is listened to. It brings nothing, as nothing is pushed to it.
 * @param {any} socket
 */
function beginToFlow(socket) {
  if (socket.readableFlowing !== null) return;
  socket.readableFlowing = true;
  process.nextTick(emitResume, socket);
}

/** @param {any} socket */
function emitResume(socket) {
  socket.emit('resume');
}

/** Functions of a client's socket that bring it bytes. */
const BRINGING = ['push', 'unshift'];

/** Somebody other than the engine brings bytes: from here on the socket brings them all. */
const BRINGERS = Object.fromEntries(
  BRINGING.map((name) => [
    name,
    /** @this {any} */
    function (chunk, encoding) {
      if (chunk !== null) borrower(this)?.connection.demote();
      return Object.getPrototypeOf(this)[name].call(this, chunk, encoding);
    },
  ]),
);

const WRITABLE_LENGTH = {
  configurable: true,
  /** The stream's own, and what waits in the engine. @this {any} */
  get() {
    return this[kConnection]?.transport?.unsentLength ?? this._writableState.length;
  },
};

module.exports = { LISTENERS, Local, WRITABLE_LENGTH, beginToFlow };
