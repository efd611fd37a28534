'use strict';

// The pending transport: a socket is still connecting, and its output gathers in the engine until it has a descriptor, or turns out to have none.

const net = require('node:net');
const { Duplex } = require('node:stream');
const process = require('node:process');
const { annotate, kConnection } = require('./annotate');
const { Fed } = require('./fed');
const { TABLE } = require('./layout');
const { Local, WRITABLE_LENGTH, beginToFlow } = require('./local');
const ring = require('./ring');

/** A stream's own `write`. */
const { write: STREAM_WRITE } = Duplex.prototype;

const plain = net.Socket.prototype;

class Pending {
  /** @param {any} connection the Connection */
  constructor(connection) {
    this.connection = connection;
    /** What a stream would have under way: the bytes, and who waits for the last of them. Null: that is all there is. */
    this.underWay = /** @type {{ size: number, mark: any } | null} */ (null);
    this.gathered = new Gathered(this);
  }

  start() {
    const { socket } = this.connection;
    // What is encrypted will be fed, and flows by that.
    if (!socket.encrypted) beginToFlow(socket);
    // One that is not the stream's own, for all sockets, gets the messages itself as they are made: the engine holds nothing that it could overtake.
    if (socket.write === STREAM_WRITE) {
      for (const name of GIVING) annotate(socket, name, GIVERS[name]);
      this.connection.socketWrite = GIVERS.write;
    }
    Object.defineProperty(socket, 'writableLength', WRITABLE_LENGTH);
    // There a socket has what it is to write when it is connected, and counts it as written.
    socket._pendingData ??= this.gathered;
    socket.once('connect', onConnect);
    socket.on('close', this.connection.onSocketClose);
  }

  stop() {
    const { connection, gathered } = this;
    const { socket } = connection;
    socket.removeListener('ready', onReady);
    socket.removeListener('connect', onConnect);
    socket.removeListener('close', connection.onSocketClose);
    if (socket._pendingData === gathered) socket._pendingData = null;
    // A deleted one would turn the socket into a dictionary. Somebody's method on top of ours stays.
    for (const name of GIVING) if (socket[name] === GIVERS[name]) socket[name] = own(socket, name);
    connection.socketWrite = STREAM_WRITE;
    if (!connection.attached && !socket.destroyed) delete socket.writableLength;
  }

  settle() {}

  /** What is written next would wait in a stream, behind what there is. */
  endUnit() {
    if (this.underWay !== null) return;
    const { connection } = this;
    ring.flush();
    const size = ring.figure(connection, TABLE.QUEUED);
    if (size > 0) this.underWay = { size, mark: connection.marks.last };
  }

  /** Those of them who wait behind what is under way. @param {any} marks @returns {{ size: number, marks: any } | null} null: nothing does */
  takeWaiting(marks) {
    const { underWay } = this;
    return underWay && { size: underWay.size, marks: marks.takeBehind(underWay.mark) };
  }

  /** Bytes that wait for the connection, in the engine and in the stream. */
  get unsentLength() {
    return this.connection.unsentLength;
  }

  /**
   * Something is to be written to the socket itself: it gets what the engine holds, to go before that, and from here on everything. It gets it in
   * as many writes as from Node, by which those who wait for it hear in time, and why, that it has failed.
   */
  yieldToSocket() {
    const { connection } = this;
    const { socket } = connection;
    ring.flush();
    const held = take(connection);
    connection.uncork();
    ring.flush();
    const corked = take(connection);
    this.stop();
    feed(connection, (fed) => {
      if (!isNothing(held)) giveHeld(fed, held, this.takeWaiting(held.marks));
      if (isNothing(corked)) return;
      // Until the tick that uncorks it.
      socket.cork();
      process.nextTick(uncork, socket);
      fed.give(STREAM_WRITE, corked.output, corked.marks);
    });
  }
}

/** Stands for what gathers in the engine where the socket has what it is to write. It shows nothing of it but how much it is. */
class Gathered {
  #pending;

  /** @param {Pending} pending */
  constructor(pending) {
    this.#pending = pending;
  }

  get length() {
    const { connection } = this.#pending;
    return connection.unsentLength - connection.socket._writableState.length;
  }
}

/** Methods by which a socket's user gives it something to write. */
const GIVING = ['write', 'end'];

/**
 * The same for a socket that is connecting: what its user gives it comes behind what the engine holds. They may be called yet when it is connected, by who has
 * taken them before. @type {any}
 */
const GIVERS = Object.fromEntries(
  GIVING.map((name) => [
    name,
    /** @this {any} */
    function (...args) {
      const transport = this[kConnection]?.transport;
      // One that is destroyed writes nothing any more.
      if (transport instanceof Pending && !this.destroyed) transport.yieldToSocket();
      else if (transport instanceof Fed) transport.connection.flush();
      return own(this, name).apply(this, args);
    },
  ]),
);

/**
 * A connecting socket's own method: a `write` of its class net.Socket has put its own over, when it began to connect.
 * @param {any} socket
 * @param {string} name one of GIVING
 */
function own(socket, name) {
  return name === 'write' ? plain.write : Object.getPrototypeOf(socket)[name];
}

/** What the engine holds, and who waits for it. @param {any} connection */
function take(connection) {
  const output = ring.engine.takeOutput(connection.slot);
  return { output, marks: connection.marks.takeReached(ring.figure(connection, TABLE.SENT)) };
}

/** @param {ReturnType<typeof take>} taken */
const isNothing = ({ output, marks }) => output.length === 0 && marks.isEmpty;

/**
 * Gives a stream what the engine has held for it while it was connecting: what is under way then, and what waits behind it.
 * @param {InstanceType<typeof Fed>} fed
 * @param {ReturnType<typeof take>} held
 * @param {ReturnType<Pending['takeWaiting']>} waiting null: all is under way
 */
function giveHeld(fed, held, waiting) {
  const { socket } = fed.connection;
  // Its user has corked it later.
  const corks = socket.writableCorked;
  for (let n = corks; n > 0; n--) socket.uncork();
  const size = waiting?.size ?? held.output.length;
  fed.give(STREAM_WRITE, held.output.subarray(0, size), held.marks);
  const rest = { output: held.output.subarray(size), marks: waiting?.marks };
  if (waiting !== null && !isNothing(rest)) fed.give(STREAM_WRITE, rest.output, rest.marks);
  for (let n = corks; n > 0; n--) socket.cork();
}

/** @param {any} socket */
function uncork(socket) {
  socket.uncork();
}

/** @this {any} the socket */
function onConnect() {
  if (this.listenerCount('connect') === 0) {
    onReady.call(this);
    return;
  }
  // Behind those who listen too: as in Node, one that destroys the request is in time.
  this.once('ready', onReady);
  // A socket that somebody plays may not say it.
  process.nextTick(() => onReady.call(this));
}

/** @this {any} the socket */
function onReady() {
  const connection = this[kConnection];
  if (!(connection?.transport instanceof Pending)) return;
  ring.flush();
  connection.transport.stop();
  // What the user wrote to the connecting socket before it was ours went out first; what he still has to write would cross ours.
  if (Local.isPossible(this, connection.role) && ring.bind(connection, this._handle.fd) === 0) {
    // It is the engine that tells when what it holds has been sent.
    if (connection.owedDrain !== null) this._writableState.needDrain = false;
    connection.startLent();
    connection.awaitOutput();
  } else {
    feed(connection);
  }
}

/**
 * Has the socket move the bytes itself.
 * @param {any} connection whose Pending has stopped
 * @param {(fed: InstanceType<typeof Fed>) => void} [give] gives it what was taken out of the engine
 */
function feed(connection, give) {
  const { socket } = connection;
  ring.engine.unbind(connection.slot);
  const fed = new Fed(connection);
  connection.start(fed);
  // Who has begun to listen while it was connecting has done so behind us; and one that was stopped takes in what it has room for.
  fed.lead();
  give?.(fed);
  if (socket.readableFlowing === false && !socket._handle?.reading) socket.read(0);
  fed.settle();
}

module.exports = { Pending };
