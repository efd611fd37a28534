'use strict';

// The local transport: the engine moves the bytes on a descriptor that it borrows from a net.Socket. What is asked of the socket or its handle
// meanwhile comes here.

const { EventEmitter } = require('node:events');
const net = require('node:net');
const { annotate } = require('./annotate');
const { ROLE, TABLE } = require('./layout');
const { giveBack, isLendable, lend } = require('./handle');
const ring = require('./ring');

/** Set on a socket whose descriptor is lent. */
const kLocal = Symbol('ferrohttp.local');

/** Functions of a socket that bytes go through: who has put his own there is to see them. */
const MOVING = ['write', 'end', 'push', 'read', '_write', '_writev', '_read'];

/** Functions of a socket that add listeners. */
const LISTENING = ['on', 'addListener', 'prependListener'];

/** The Borrower of handle.js. */
class Local {
  /** @param {any} connection the Connection */
  constructor(connection) {
    this.connection = connection;
    this.isReferenced = false;
    /** What `shutdown` waits for the queue to do. @type {(() => void) | null} */
    this.delayedShutdown = null;
  }

  /**
   * Whether the socket's descriptor can be borrowed: nobody else reads it.
   * @param {any} socket
   */
  static isPossible(socket) {
    return Local.isPlain(socket) && isLendable(socket) && !hasReader(socket);
  }

  /**
   * Whether it is a net.Socket through which the bytes go as Node has it.
   * @param {any} socket
   */
  static isPlain(socket) {
    return socket instanceof net.Socket && MOVING.every(isNodes, socket);
  }

  start() {
    const { socket } = this.connection;
    lend(socket._handle, this);
    annotate(socket, kLocal, this);
    annotate(socket, 'push', pushToLent);
    // Node's server reads its sockets by a listener, and others count it. As an event's only: the stream must not begin to flow.
    if (this.connection.role === ROLE.SERVER) EventEmitter.prototype.on.call(socket, 'data', onOwnData);
    Object.defineProperty(socket, 'writableLength', { configurable: true, get: writableLength });
    // A server's connection has its own, and tells by readStart.
    if (!Object.hasOwn(socket, 'on')) {
      for (const name of LISTENING) {
        annotate(socket, name, LISTENERS[name]);
      }
    }
    if (socket._handle.hasRef()) this.onReference(true);
  }

  stop() {
    const { socket } = this.connection;
    this.onReference(false);
    EventEmitter.prototype.removeListener.call(socket, 'data', onOwnData);
    delete socket.push;
    delete socket.writableLength;
    for (const name of LISTENING) if (socket[name] === LISTENERS[name]) delete socket[name];
    socket[kLocal] = undefined;
    if (socket._handle) {
      giveBack(socket._handle);
      socket._handle.reading = false;
    }
  }

  settle() {
    const { connection } = this;
    const { marks } = connection;
    const reached = ring.figure(connection, TABLE.SENT);
    while (marks.tellNext(reached)) if (connection.transport !== this) return;
    if (ring.figure(connection, TABLE.QUEUED) === 0) {
      const shutdown = this.delayedShutdown;
      this.delayedShutdown = null;
      shutdown?.();
      connection.emitDrain();
    } else if ((connection.needDrain || this.delayedShutdown !== null) && marks.isEmpty) {
      connection.markHere();
    }
  }

  // --- asked of the handle -----------------------------------------------------------------------------------------------

  onReadStart() {
    // Somebody wants the bytes for himself: the socket reads them, and hands them on.
    if (hasReader(this.connection.socket)) this.connection.demote();
    else this.connection.resume();
  }

  onReadStop() {
    this.connection.pause();
  }

  beforeWrite() {
    const { connection } = this;
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
    ring.flush();
    if (ring.figure(this.connection, TABLE.QUEUED) === 0) return false;
    this.delayedShutdown = shutdown;
    this.connection.awaitOutput();
    return true;
  }

  onClose() {
    this.connection.letGo();
  }

  onTaken() {
    this.connection.taken();
  }

  onReference(referenced) {
    if (this.isReferenced === referenced) return;
    this.isReferenced = referenced;
    ring.engine.setReferenced(referenced);
  }

  bytesRead() {
    return ring.figure(this.connection, TABLE.BYTES_READ);
  }

  bytesWritten() {
    ring.flush();
    return ring.figure(this.connection, TABLE.BYTES_WRITTEN);
  }
}

// --- asked of the socket ---------------------------------------------------------------------------------------------------

/** @this {any} the socket: MSW's is another's go-between, and shows that one's handle as its own. @param {string} name */
function isNodes(name) {
  return this[name] === /** @type {any} */ (net.Socket.prototype)[name];
}

const hasReader = (socket) =>
  socket.listenerCount('data') > (socket[kLocal] ? socket.listenerCount('data', onOwnData) : 0) ||
  socket.listenerCount('readable') > 0;

/** Stands for the engine, which reads the descriptor itself. */
function onOwnData() {}

/** A listener for the bytes themselves: the stream believes that a read is under way, and would not ask the handle. */
const LISTENERS = Object.fromEntries(
  LISTENING.map((name) => [
    name,
    /** @this {any} */
    function (event, listener) {
      if (event === 'data' || event === 'readable') this[kLocal]?.connection.demote();
      return net.Socket.prototype[name].call(this, event, listener);
    },
  ]),
);

/**
 * Somebody other than the engine brings bytes: from here on the socket brings them all.
 * @this {any}
 */
function pushToLent(chunk, encoding) {
  if (chunk !== null) this[kLocal]?.connection.demote();
  return net.Socket.prototype.push.call(this, chunk, encoding);
}

/** The stream's own, and what waits in the engine. @this {any} */
function writableLength() {
  return this._writableState.length + (this[kLocal]?.connection.writableLength ?? 0);
}

module.exports = { Local };
