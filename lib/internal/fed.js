'use strict';

// The fed transport: a JavaScript stream moves the bytes. Its data goes to the engine's parser, what the engine has framed goes to its write.

const { AsyncResource } = require('node:async_hooks');
const { Readable } = require('node:stream');
const { ERR_STREAM_DESTROYED } = require('../errors').codes;
const { annotate } = require('./annotate');
const { now } = require('./clock');
const { watchOwner } = require('./handle');
const { Later } = require('./later');
const { ROLE, TABLE } = require('./layout');
const { WRITABLE_LENGTH } = require('./local');
const { MANUAL } = require('./marks');
const { parseError, tellDrain, tellParseError } = require('./events');
const ring = require('./ring');

/** Set on a socket that is fed. */
const kFed = Symbol('ferrohttp.fed');

/** How a stream's bytes come. */
const READS = Object.freeze({
  /** By a listener of ours, as others' do. */
  DATA: 0,
  /** Before the stream has them: as Node's server has its parser read a handle itself. */
  HANDLE: 1,
  /** The same, while nothing is awaited. */
  REST: 2,
});

/** What stands for a time where there is none, of the stream's last write of a message. */
const WRITTEN = Object.freeze({
  /** It was given nothing. */
  NEVER: Number.NEGATIVE_INFINITY,
  /** A message that went through it has not come to its end. */
  UNDER_WAY: Number.POSITIVE_INFINITY,
});

class Fed {
  /**
   * @param {any} connection the Connection
   * @param {boolean} [mayConsume] nobody else is to see the bytes
   */
  constructor(connection, mayConsume = true) {
    this.connection = connection;
    /** A READS. @type {number} */
    this.reads = mayConsume && isConsumable(connection) ? READS.HANDLE : READS.DATA;
    /** The socket's own methods under those that were put over them. @type {Map<string, { own: boolean, over: Function, method: Function }>} */
    this.covered = new Map();
    this.unwatch = () => {};
    /** The context of the first write since the stream was written to. @type {AsyncResource | null} */
    this.writer = null;
    this.onData = (chunk) => this.feed(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
  }

  start() {
    const { socket } = this.connection;
    // Before all others who listen, as a lent handle tells of it before: what came over the connection may end with it.
    socket.prependListener('close', this.connection.onSocketClose);
    if (this.reads === READS.HANDLE) this.intercept();
    // Past a server's own: this one is not somebody else.
    (Object.getPrototypeOf(socket).on ?? socket.on).call(socket, 'data', this.onData);
    this.cover(socket, 'end');
    // A write that is not the stream's own gets the messages itself, as they are made: the engine holds nothing that it could overtake.
    if (socket.write === this.connection.socketWrite) this.connection.socketWrite = this.cover(socket, 'write');
    if ('bytesWritten' in socket)
      Object.defineProperty(socket, 'bytesWritten', { configurable: true, get: bytesWritten });
    const shown = Object.getOwnPropertyDescriptor(socket, 'writableLength');
    if ('writableLength' in socket && (shown === undefined || shown.get === WRITABLE_LENGTH.get))
      Object.defineProperty(socket, 'writableLength', { configurable: true, get: writableLength });
    annotate(socket, kFed, this);
    if (socket._handle) {
      this.unwatch = watchOwner(socket._handle, () => {
        // A socket that is destroyed takes its handle's reader away itself.
        if (!socket.destroyed) this.connection.taken();
      });
    }
  }

  /** Goes before all others who listen for the bytes. */
  lead() {
    const { socket } = this.connection;
    socket.removeListener('data', this.onData);
    socket.prependListener('data', this.onData);
  }

  /** Has what the engine holds go before what the socket's user writes. */
  cover(socket, name) {
    const { connection } = this;
    const method = socket[name];
    const before = Object.getOwnPropertyDescriptor(socket, name);
    const own = before !== undefined;
    const over = function (...args) {
      connection.flush();
      return method.apply(this, args);
    };
    this.covered.set(name, { own, over, method });
    Object.defineProperty(socket, name, {
      configurable: true,
      enumerable: before?.enumerable,
      writable: true,
      value: over,
    });
    return over;
  }

  stop() {
    const { socket } = this.connection;
    this.forgetWriter();
    this.unwatch();
    socket.removeListener('close', this.connection.onSocketClose);
    if (this.reads !== READS.DATA) delete socket.push;
    if (socket[kFed] === this) {
      if (Object.getOwnPropertyDescriptor(socket, 'bytesWritten')?.get === bytesWritten) delete socket.bytesWritten;
      if (this.showsLength) delete socket.writableLength;
    }
    socket.removeListener('data', this.onData);
    for (const [name, { own, over, method }] of this.covered) {
      // Somebody's method on top of ours stays.
      if (socket[name] !== over) continue;
      if (own) socket[name] = method;
      else delete socket[name];
    }
  }

  /** Nothing is under way: what comes all the same is seen without a listener, for which others look on pooled sockets. */
  rest() {
    this.connection.socket.removeListener('data', this.onData);
    this.reads = READS.REST;
    this.intercept();
  }

  /** Takes the bytes that a stream is given. */
  intercept() {
    const { socket } = this.connection;
    annotate(socket, 'push', (chunk, encoding) => {
      if (chunk === null) return Object.getPrototypeOf(socket).push.call(socket, null);
      this.onData(typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk);
      return true;
    });
  }

  /** It begins again. */
  rise() {
    const { socket } = this.connection;
    if (this.reads !== READS.REST) return;
    this.reads = READS.DATA;
    delete socket.push;
    socket.on('data', this.onData);
  }

  /** Somebody else wants the bytes too: they come by the stream. */
  share() {
    if (this.reads !== READS.HANDLE) return;
    this.reads = READS.DATA;
    delete this.connection.socket.push;
  }

  /** @param {Buffer} bytes */
  feed(bytes) {
    const { connection } = this;
    connection.later?.tell();
    if (connection.transport !== this) return;
    ring.beginReading();
    if (connection.failure !== null) {
      // What comes behind bytes that are not HTTP is none either, as llhttp has it.
      const { code, reason } = connection.failure;
      tellParseError(connection, parseError(`${code}\n${reason}`, 0, bytes));
      return;
    }
    // What was asked of the parser comes before what it is to parse.
    ring.flush();
    ring.engine.feed(connection.slot, bytes);
    ring.readEvents();
  }

  /** Behind a part of a body ticks are to run where Node's own parser would be reading: it reads a server's handles, unless others read too. */
  afterBody() {
    if (this.reads === READS.HANDLE) this.connection.later = new Later(this.connection);
  }

  /** The socket's `writableLength` is ours. */
  get showsLength() {
    return Object.getOwnPropertyDescriptor(this.connection.socket, 'writableLength')?.get === writableLength;
  }

  /** Bytes that the stream itself holds. @returns {number} */
  get streamLength() {
    const { socket } = this.connection;
    return this.showsLength ? streamLength(socket) : (socket.writableLength ?? 0);
  }

  /** What has been written goes to the stream later, in a tick or a batch that another connection may have asked for. */
  writeInThisContext() {
    this.writer ??= new AsyncResource('HTTPOUTGOINGMESSAGE', MANUAL);
  }

  forgetWriter() {
    this.writer?.emitDestroy();
    this.writer = null;
  }

  /** Writes to the stream in the context of whoever waited first to have it written: there Node corks it, and uncorks it in a tick. */
  settle() {
    const { connection } = this;
    const { socket } = connection;
    // A stream that is destroyed fails what it has corked first of all.
    if (socket.destroyed) connection.marks.take().callAll(socket.errored ?? new ERR_STREAM_DESTROYED('write'));
    if (this.writer === null) this.write();
    else this.writer.runInAsyncScope(this.write, this);
    // Here and not in `write`, which may be in the midst of a message's end: a stream tells of it in a tick.
    const owed = connection.owedDrain;
    if (owed === null || connection.transport !== this) return;
    connection.owedDrain = null;
    tellDrain(connection, owed);
  }

  /** Gives the stream what the engine has framed; who waits for it is called by the stream. */
  write() {
    const { connection } = this;
    this.forgetWriter();
    let isAccepted = connection.socket.writableNeedDrain !== true;
    if (ring.figure(connection, TABLE.QUEUED) > 0 || !connection.marks.isEmpty) {
      const output = ring.engine.takeOutput(connection.slot);
      const marks = connection.takeSent();
      isAccepted = this.give(connection.socket.write, output, marks) ?? isAccepted;
    }
    // Refused: the stream's own 'drain' comes, in the context of this write.
    if (!isAccepted) connection.owedDrain = null;
  }

  /**
   * Gives the stream something.
   * @param {Function} write the stream's
   * @param {Buffer} output
   * @param {any} marks who waits for it
   * @returns {boolean | undefined} whether more may follow; undefined: there was nothing to write
   */
  give(write, output, marks) {
    const { connection } = this;
    const { owedDrain, socket } = connection;
    // Behind what the stream has yet, also where there are no bytes.
    if (output.length === 0 && !(this.streamLength > 0)) {
      marks.tellAll(null);
      return undefined;
    }
    const tell = (/** @type {any} */ error) => {
      if (connection.writtenAt !== WRITTEN.UNDER_WAY) connection.writtenAt = now();
      marks.callAll(error ?? null);
    };
    return owedDrain === null
      ? write.call(socket, output, tell)
      : owedDrain.runInAsyncScope(/** @type {any} */ (write), socket, output, tell);
  }
}

/**
 * Whether Node's server would have its parser read the handle itself.
 * @param {any} connection the Connection
 */
function isConsumable({ role, socket }) {
  const handle = socket._handle;
  return (
    role === ROLE.SERVER &&
    handle?.isStreamBase === true &&
    !handle._consumed &&
    socket.push === Readable.prototype.push
  );
}

/** Counts what the engine holds for the stream: it is written first. @this {any} the socket */
function bytesWritten() {
  this[kFed].connection.flush();
  return Reflect.get(Object.getPrototypeOf(this), 'bytesWritten', this);
}

/** What a stream of the socket's kind says. @param {any} socket @returns {number} */
function streamLength(socket) {
  return Reflect.get(Object.getPrototypeOf(socket), 'writableLength', socket);
}

/** Counts what the engine holds for the stream: it would be corked there. @this {any} the socket */
function writableLength() {
  const { connection } = this[kFed];
  return connection.transport === this[kFed] ? connection.writableLength : streamLength(this);
}

module.exports = { Fed, WRITTEN };
