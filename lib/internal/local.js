'use strict';

// The local transport: the engine moves the bytes on a descriptor that it borrows from a net.Socket. What is asked of the socket or its handle
// meanwhile comes here.

const { EventEmitter } = require('node:events');
const net = require('node:net');
const { kConnection } = require('./annotate');
const { ROLE, TABLE } = require('./layout');
const { giveBack, isLendable, lend } = require('./handle');
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
   */
  static isPossible(socket) {
    return socket instanceof net.Socket && isLendable(socket) && !hasReader(socket);
  }

  start() {
    const { socket } = this.connection;
    lend(socket._handle, this);
    Object.setPrototypeOf(socket, lentPrototype(Object.getPrototypeOf(socket)));
    // Node's server reads its sockets by a listener, and others count it. As an event's only: the stream must not begin to flow.
    if (this.connection.role === ROLE.SERVER) EventEmitter.prototype.on.call(socket, 'data', onOwnData);
    if (socket._handle.hasRef()) this.onReference(true);
  }

  stop() {
    const { socket } = this.connection;
    this.onReference(false);
    if (this.connection.role === ROLE.SERVER) EventEmitter.prototype.removeListener.call(socket, 'data', onOwnData);
    const base = bases.get(Object.getPrototypeOf(socket));
    // Where somebody has put another over it meanwhile, it stays: it asks whether the descriptor is lent.
    if (base !== undefined) Object.setPrototypeOf(socket, base);
    if (socket._handle) {
      if (this.isClosing) giveBack(socket._handle, 0, 0);
      else giveBack(socket._handle, this.bytesRead(), this.bytesWritten());
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
    this.isClosing = true;
    this.connection.letGo();
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
    ring.flush();
    return ring.figure(this.connection, TABLE.BYTES_WRITTEN);
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

/** Stands for the engine, which reads the descriptor itself. */
function onOwnData() {}

/**
 * The methods that add listeners, for sockets whose descriptor may be lent. A listener for the bytes themselves must get them from the socket,
 * and so must the engine: the stream believes that a read is under way, and would not ask the handle.
 * @param {any} base a prototype of sockets
 */
function listening(base) {
  const methods = {};
  for (const name of ['on', 'addListener', 'prependListener']) {
    methods[name] = function (/** @type {string} */ event, /** @type {any} */ listener) {
      // A server's sockets have it of their own; as in Node, until it is found that nobody needs it any more.
      if (this[kConnection] === undefined && Object.hasOwn(this, name)) this[name] = base[name];
      else if (event === 'data' || event === 'readable') borrower(this)?.connection.demote();
      return base[name].call(this, event, listener);
    };
  }
  return methods;
}

/** Those of ordinary sockets. @type {any} */
const LISTENING = listening(net.Socket.prototype);

/** The prototypes of sockets whose descriptor is lent, by their own, and the other way round. @type {WeakMap<object, object>} */
const lents = new WeakMap();
/** @type {WeakMap<object, object>} */
const bases = new WeakMap();

/**
 * The prototype a socket has while its descriptor is lent: one for all of a class.
 * @param {any} base the socket's own
 */
function lentPrototype(base) {
  let lent = lents.get(base);
  if (lent === undefined) {
    lent = Object.create(base, {
      writableLength: {
        configurable: true,
        /** The stream's own, and what waits in the engine. @this {any} */
        get() {
          return this._writableState.length + (borrower(this)?.connection.writableLength ?? 0);
        },
      },
    });
    Object.assign(/** @type {object} */ (lent), listening(base), {
      /**
       * Somebody other than the engine brings bytes: from here on the socket brings them all.
       * @this {any}
       */
      push(chunk, encoding) {
        if (chunk !== null) borrower(this)?.connection.demote();
        return base.push.call(this, chunk, encoding);
      },
    });
    lents.set(base, lent);
    bases.set(lent, base);
  }
  return lent;
}

module.exports = { LISTENING, Local };
