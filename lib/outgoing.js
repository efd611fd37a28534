'use strict';

const EventEmitter = require('node:events');
const host = require('./internal/host');
const { Stream, getDefaultHighWaterMark } = require('node:stream');
const process = require('node:process');

const { defineInOrder, kNeedDrain, kOutHeaders, eventNames } = require('./common');
const { asEvents, defineView, hide } = require('./inspect');
const { kConnection } = require('./internal/connection');
const { kIsHeard, kSent } = require('./internal/marks');
const { codes } = require('./errors');
const { kUniqueHeaders, parseUniqueHeadersOption, writeHead } = require('./head');
const { validateHeaderName, validateHeaderValue } = require('./headers');
const {
  bodyMethods,
  callEndCallbacks,
  hasFinished,
  kBytesWritten,
  kCorked,
  kEndCallbacks,
  kEndedIn,
  kFlushError,
  kHeld,
  kHeldLength,
  kRejectNonStandardBodyWrites,
  kWritableFinished,
  isTold,
  settleEnded,
} = require('./outgoing_body');
const headerMethods = require('./outgoing_headers');
const { KIND, kHighWaterMark, kSocket, kTurn, replay, send } = require('./send');

const { ERR_METHOD_NOT_IMPLEMENTED, ERR_STREAM_CANNOT_PIPE, ERR_STREAM_DESTROYED } = codes;

const kErrored = Symbol('errored');
/** Called once when all bytes of a message have been handed over without an error: emits 'finish'. */
const kFinished = Symbol('kFinished');

const nop = () => {};

/**
 * A message going out (https://nodejs.org/api/http.html#class-httpoutgoingmessage): what ServerResponse and ClientRequest share.
 * An ES5 function, because it is called without `new` and subclassed by hand. It looks like a Writable and is none, as in Node.
 * @constructor
 * @param {{ highWaterMark?: number, rejectNonStandardBodyWrites?: boolean }} [options]
 * @this {any}
 */
function OutgoingMessage(options) {
  this._events = undefined;
  this._eventsCount = 0;
  this._maxListeners = undefined;
  // The domain module marks emitters in their initializer.
  if (/** @type {any} */ (EventEmitter).usingDomains) /** @type {any} */ (EventEmitter).init.call(this);

  // Pieces waiting for the socket: { data, encoding, callback, kind }. Packages rewrite the first one's data, which is the head.
  this.outputData = [];
  this.outputSize = 0;

  this.writable = true;
  this.destroyed = false;

  this._last = false;
  this.chunkedEncoding = false;
  this.shouldKeepAlive = true;
  this.maxRequestsOnConnectionReached = false;
  this._defaultKeepAlive = true;
  this.useChunkedEncodingByDefault = true;
  this.sendDate = false;
  this._removedConnection = false;
  this._removedContLen = false;
  this._removedTE = false;

  this.strictContentLength = false;
  this[kBytesWritten] = 0;
  this._contentLength = null;
  this._hasBody = true;
  this._trailer = '';
  this[kNeedDrain] = false;

  this.finished = false;
  this._headerSent = false;
  this[kCorked] = 0;
  this[kHeld] = null;
  this[kHeldLength] = 0;
  this._closed = false;

  this[kSocket] = null;
  this[kTurn] = null;
  this._header = null;
  this[kOutHeaders] = null;
  this[kUniqueHeaders] = null;

  this._keepAliveTimeout = 0;
  this._onPendingData = nop;

  this[kErrored] = null;
  this[kWritableFinished] = false;
  this[kEndCallbacks] = null;
  this[kEndedIn] = 0;
  this[kFlushError] = null;
  this[kHighWaterMark] = options?.highWaterMark ?? getDefaultHighWaterMark(false);
  this[kRejectNonStandardBodyWrites] = options?.rejectNonStandardBodyWrites ?? false;
}
Object.setPrototypeOf(OutgoingMessage.prototype, Stream.prototype);
Object.setPrototypeOf(OutgoingMessage, Stream);

/**
 * What its prototype has; gathered here, to stand there in Node's order. Without a prototype of its own, as V8 would give it another shape for each.
 * @type {any}
 */
const members = Object.create(null);

// --- what a Writable shows -----------------------------------------------------------------------------------------

/**
 * @param {string} name
 * @param {(this: any) => any} get
 */
function defineGetter(name, get) {
  Object.defineProperty(members, name, { get });
}

defineGetter('errored', function errored() {
  return this[kErrored];
});
defineGetter('closed', function closed() {
  return this._closed;
});
defineGetter('writableFinished', function writableFinished() {
  return hasFinished(this);
});
defineGetter('writableObjectMode', function writableObjectMode() {
  return false;
});
defineGetter('writableLength', function writableLength() {
  const socket = this[kSocket];
  const connection = socket?.[kConnection];
  const withSocket = connection?.attached ? connection.unsentLength : (socket?.writableLength ?? 0);
  return this.outputSize + this[kHeldLength] + withSocket;
});
defineGetter('writableHighWaterMark', function writableHighWaterMark() {
  return this[kSocket] ? this[kSocket].writableHighWaterMark : this[kHighWaterMark];
});
defineGetter('writableCorked', function writableCorked() {
  return this[kCorked];
});
defineGetter('writableEnded', function writableEnded() {
  return this.finished;
});
defineGetter('writableNeedDrain', function writableNeedDrain() {
  return !this.destroyed && !this.finished && this[kNeedDrain];
});

Object.defineProperty(members, 'headersSent', {
  configurable: true,
  enumerable: true,
  get() {
    return !!this._header;
  },
});

Object.defineProperty(members, 'connection', {
  get() {
    return this[kSocket];
  },
  set(socket) {
    this.socket = socket;
  },
});

Object.defineProperty(members, 'socket', {
  get() {
    return this[kSocket];
  },
  set(socket) {
    for (let n = 0; n < this[kCorked]; n++) {
      socket?.cork();
      this[kSocket]?.uncork();
    }
    this[kSocket] = socket;
  },
});

/**
 * @this {any}
 * @param {number} msecs
 * @param {() => void} [callback]
 */
members.setTimeout = function setTimeout(msecs, callback) {
  if (callback) this.on('timeout', callback);
  if (this[kSocket]) this[kSocket].setTimeout(msecs);
  else this.once('socket', (/** @type {any} */ socket) => socket.setTimeout(msecs));
  return this;
};

/**
 * @this {any}
 * @param {Error} [error]
 */
members.destroy = function destroy(error) {
  if (this.destroyed) return this;
  // One that has been told of has no socket any more.
  const next = settleEnded(this);
  this.destroyed = true;
  this[kErrored] = error;
  const socket = this[kSocket] ?? next;
  if (socket) socket.destroy(error);
  else process.nextTick(emitClose, this);
  return this;
};

/** @param {any} msg */
function emitClose(msg) {
  if (msg._closed) return;
  msg._closed = true;
  msg.emit('close');
}

/** @this {any} */
members.pipe = function pipe() {
  this.emit('error', new ERR_STREAM_CANNOT_PIPE());
};

/**
 * @this {any}
 * @param {Error} err what a listener's promise was rejected with
 */
members[EventEmitter.captureRejectionSymbol] = function rejected(err, _event) {
  this.destroy(err);
};

// --- header --------------------------------------------------------------------------------------------------------

Object.assign(members, headerMethods);
if (Object.hasOwn(host.OutgoingMessage.prototype, '_headers')) {
  Object.defineProperties(members, require('./outgoing_deprecated'));
}

/**
 * @this {any}
 * @param {string} startLine with its line end
 * @param {any} headers
 */
members._storeHeader = function _storeHeader(startLine, headers) {
  if (writeHead(this, startLine, headers)) this._send('');
};

/** @this {any} */
members._implicitHeader = function _implicitHeader() {
  throw new ERR_METHOD_NOT_IMPLEMENTED('_implicitHeader()');
};

/** @this {any} */
members.flushHeaders = function flushHeaders() {
  if (!this._header) this._implicitHeader();
  this._send('');
};

Object.assign(members, bodyMethods);

members.eventNames = eventNames;

// Not enumerable: whoever copies a message's methods over shall not meet them.
Object.defineProperties(members, {
  [kSent]: {
    configurable: true,
    writable: true,
    /**
     * All bytes of the message have been handed over, or cannot be. Called once, by what sends them.
     * @this {any}
     * @param {Error | null} [err]
     */
    value: function sent(err) {
      // One that waits behind others has been sent in its turn, if the socket has not failed.
      const socket = this[kSocket] ?? this[kTurn]?.socket;
      if (err || this[kErrored] || socket?.errored || socket?._hadError) {
        this[kFlushError] = err ?? this[kErrored] ?? socket?.errored ?? new ERR_STREAM_DESTROYED('end');
        callEndCallbacks(this, this[kFlushError]);
        return;
      }
      this[kWritableFinished] = true;
      callEndCallbacks(this, null);
      this[kFinished]();
    },
  },
  [kIsHeard]: {
    configurable: true,
    writable: true,
    /** @this {any} */
    value: function isHeard() {
      return this._eventsCount !== 0 || hasOwnEmit(this);
    },
  },
  [kFinished]: {
    configurable: true,
    writable: true,
    /** @this {any} */
    value: function finished() {
      this.emit('finish');
    },
  },
});

/** @param {any} msg @returns {boolean} whether its user has put a function of his own where EventEmitter's `emit` was */
const hasOwnEmit = (msg) => msg.emit !== EventEmitter.prototype.emit;

const asDictionary = (/** @type {any} */ fields) => fields && Object.assign(Object.create(null), fields);

hide(kEndedIn, kHeld, kHeldLength, kTurn);
defineView(members, {
  mark: kHeldLength,
  as: new Map(
    /** @type {[PropertyKey, (value: any) => unknown][]} */ ([
      ['_events', asEvents],
      [kOutHeaders, asDictionary],
    ]),
  ),
});

/**
 * Called when all of an ended message has been given to its socket.
 * @this {any}
 */
members._finish = function _finish() {
  this.emit('prefinish');
};

// --- to the socket --------------------------------------------------------------------------------------------------

/**
 * Sends the head, if it has not been sent, and data as it stands.
 * @this {any}
 * @param {string | Uint8Array} data
 * @param {any} [encoding]
 * @param {Function | null} [callback]
 * @param {number} [_byteLength] the connection counts for itself
 * @returns {boolean} as write
 */
members._send = function _send(data, encoding, callback, _byteLength) {
  return send(this, KIND.RAW, data, encoding, callback ?? null);
};

/**
 * Sends data as it stands, before the head if that has not been sent.
 * @this {any}
 * @param {string | Uint8Array} data
 * @param {any} [encoding]
 * @param {Function | null} [callback]
 * @param {number} [_byteLength] the connection counts for itself
 * @returns {boolean} as write
 */
members._writeRaw = function _writeRaw(data, encoding, callback, _byteLength) {
  if (typeof encoding === 'function') return send(this, KIND.ASIDE, data, null, encoding);
  return send(this, KIND.ASIDE, data, encoding, callback ?? null);
};

/**
 * Called when the message has been given its socket: sends what was waiting for it.
 * @this {any}
 */
members._flush = function _flush() {
  const socket = this[kSocket];
  if (!socket?.writable) return;
  const accepted = this._flushOutput(socket);
  if (this.finished) {
    this._finish();
  } else if (this[kNeedDrain] && accepted !== false) {
    // The socket has no reason to emit 'drain'.
    this[kNeedDrain] = false;
    this.emit('drain');
  }
};

/**
 * @this {any}
 * @param {any} socket
 * @returns {boolean | undefined} as write; undefined: nothing was waiting
 */
members._flushOutput = function _flushOutput(socket) {
  const waiting = this.outputData;
  if (waiting.length === 0) return undefined;
  this.outputData = [];
  const accepted = replay(this, socket, waiting);
  const size = this.outputSize;
  this.outputSize = 0;
  this._onPendingData(-size);
  return accepted;
};

defineInOrder(OutgoingMessage.prototype, members, host.OutgoingMessage.prototype);

module.exports = {
  hasOwnEmit,
  isTold,
  kFinished,
  kHighWaterMark,
  kUniqueHeaders,
  parseUniqueHeadersOption,
  validateHeaderName,
  validateHeaderValue,
  OutgoingMessage,
};
