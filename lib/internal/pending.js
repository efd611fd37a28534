'use strict';

// The pending transport: a socket is still connecting, and its output gathers in the engine until it has a descriptor, or turns out to have none.

const { kConnection } = require('./annotate');
const { Fed } = require('./fed');
const { Local, beginToFlow } = require('./local');
const ring = require('./ring');

class Pending {
  /** @param {any} connection the Connection */
  constructor(connection) {
    this.connection = connection;
  }

  start() {
    // What is encrypted will be fed, and flows by that.
    if (!this.connection.socket.encrypted) beginToFlow(this.connection.socket);
    this.connection.socket.once('connect', onConnect);
    this.connection.socket.on('close', this.connection.onSocketClose);
  }

  stop() {
    const { socket } = this.connection;
    socket.removeListener('ready', onReady);
    socket.removeListener('connect', onConnect);
    if (Object.getOwnPropertyDescriptor(socket, 'writableLength')?.get === writableLengthOfPending) {
      delete socket.writableLength;
    }
    socket.removeListener('close', this.connection.onSocketClose);
  }

  settle() {}

  /** Something is to be written to the socket itself: it gets what the engine holds, to go before that. */
  yieldToSocket() {
    const { connection } = this;
    ring.flush();
    this.stop();
    feed(connection);
  }
}

/** @this {any} the socket */
function onConnect() {
  if (this.listenerCount('connect') === 0) {
    onReady.call(this);
    return;
  }
  // Behind those who listen too: as in Node, one that destroys the request is in time. What they write is queued, and they may look.
  Object.defineProperty(this, 'writableLength', { configurable: true, get: writableLengthOfPending });
  this.once('ready', onReady);
  // A socket that somebody plays may not say it.
  process.nextTick(() => onReady.call(this));
}

/** @this {any} the socket */
function writableLengthOfPending() {
  return this._writableState.length + (this[kConnection]?.writableLength ?? 0);
}

/** @this {any} the socket */
function onReady() {
  const connection = this[kConnection];
  if (!(connection?.transport instanceof Pending)) return;
  ring.flush();
  connection.transport.stop();
  // What the user wrote to the connecting socket himself went out first; what he still has to write would cross ours.
  if (Local.isPossible(this, connection.role) && ring.bind(connection, this._handle.fd) === 0) {
    connection.startLent();
    connection.awaitOutput();
  } else {
    feed(connection);
  }
}

/** Has the socket move the bytes itself. @param {any} connection whose Pending has stopped */
function feed(connection) {
  const { socket } = connection;
  ring.engine.unbind(connection.slot);
  const fed = new Fed(connection);
  connection.start(fed);
  // Who has begun to listen while it was connecting has done so behind us; and one that was stopped takes in what it has room for.
  fed.lead();
  if (socket.readableFlowing === false && !socket._handle?.reading) socket.read(0);
  fed.settle();
}

module.exports = { Pending };
