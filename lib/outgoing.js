'use strict';

const EventEmitter = require('node:events');
const host = require('./internal/host');
const { Stream, getDefaultHighWaterMark } = require('node:stream');
const process = require('node:process');
const { isUint8Array } = require('node:util/types');

const { HOST_MAJOR, defineInOrder, kNeedDrain, kOutHeaders } = require('./common');
const { asEvents, defineView, hide } = require('./inspect');
const { kConnection } = require('./internal/connection');
const { kIsHeard, kSent } = require('./internal/marks');
const { codes } = require('./errors');
const { kUniqueHeaders, parseUniqueHeadersOption, writeHead } = require('./head');
const { validateHeaderName, validateHeaderValue } = require('./headers');
const headerMethods = require('./outgoing_headers');
const { KIND, kHighWaterMark, kSocket, kTurn, lengthOf, replay, send, sendHeld } = require('./send');

const {
  ERR_HTTP_BODY_NOT_ALLOWED,
  ERR_HTTP_CONTENT_LENGTH_MISMATCH,
  ERR_INVALID_ARG_TYPE,
  ERR_METHOD_NOT_IMPLEMENTED,
  ERR_STREAM_ALREADY_FINISHED,
  ERR_STREAM_CANNOT_PIPE,
  ERR_STREAM_DESTROYED,
  ERR_STREAM_NULL_VALUES,
  ERR_STREAM_WRITE_AFTER_END,
} = codes;

const kCorked = Symbol('corked');
/** Pieces of body held back while corked, to be sent as one chunk: null, or alternately data, encoding and callback. */
const kHeld = Symbol('kHeld');
const kHeldLength = Symbol('kHeldLength');
const kBytesWritten = Symbol('kBytesWritten');
const kErrored = Symbol('errored');
const kWritableFinished = Symbol('kWritableFinished');
const kEndCallbacks = Symbol('kEndCallbacks');
const kFlushError = Symbol('kFlushError');
const kRejectNonStandardBodyWrites = Symbol('kRejectNonStandardBodyWrites');
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
  this[kFlushError] = null;
  this[kHighWaterMark] = options?.highWaterMark ?? getDefaultHighWaterMark(false);
  this[kRejectNonStandardBodyWrites] = options?.rejectNonStandardBodyWrites ?? false;
}
Object.setPrototypeOf(OutgoingMessage.prototype, Stream.prototype);
Object.setPrototypeOf(OutgoingMessage, Stream);

/** What its prototype has; gathered here, to stand there in Node's order. @type {any} */
const members = {};

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
  const withSocket = connection?.attached ? connection.writableLength : (socket?.writableLength ?? 0);
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
  // One that has been sent has no socket any more: Node sends at once.
  if (this.finished) this[kSocket]?.[kConnection]?.settleNow();
  this.destroyed = true;
  this[kErrored] = error;
  if (this[kSocket]) this[kSocket].destroy(error);
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

// --- body -----------------------------------------------------------------------------------------------------------

/**
 * @this {any}
 * @param {string | Uint8Array} chunk
 * @param {BufferEncoding | Function | null} [encoding]
 * @param {Function} [callback]
 * @returns {boolean} false: wait for 'drain'
 */
members.write = function write(chunk, encoding, callback) {
  const accepted =
    typeof encoding === 'function'
      ? writeBody(this, chunk, null, encoding)
      : writeBody(this, chunk, encoding, typeof callback === 'function' ? callback : null);
  if (!accepted) this[kNeedDrain] = true;
  return accepted;
};

/**
 * @param {any} chunk
 * @throws {TypeError} ERR_STREAM_NULL_VALUES, ERR_INVALID_ARG_TYPE
 */
function validateChunk(chunk) {
  if (chunk === null) throw new ERR_STREAM_NULL_VALUES();
  if (typeof chunk !== 'string' && !isUint8Array(chunk)) {
    throw new ERR_INVALID_ARG_TYPE('chunk', ['string', 'Buffer', 'Uint8Array'], chunk);
  }
}

/**
 * @param {any} msg
 * @param {any} chunk
 * @param {any} encoding
 * @param {Function | null} callback
 * @returns {boolean} as write
 */
function writeBody(msg, chunk, encoding, callback) {
  validateChunk(chunk);
  if (msg.finished || msg.destroyed) {
    refuse(msg, msg.finished ? new ERR_STREAM_WRITE_AFTER_END() : new ERR_STREAM_DESTROYED('write'), callback);
    return false;
  }
  if (msg.strictContentLength) countStrictly(msg, lengthOf(chunk, encoding), (sum) => sum <= msg._contentLength);
  if (!msg._header) msg._implicitHeader();
  if (!msg._hasBody) {
    rejectBody(msg);
    if (callback) process.nextTick(callback);
    return true;
  }
  if (msg[kCorked] && msg._headerSent && msg.chunkedEncoding && chunk.length > 0)
    return hold(msg, chunk, encoding, callback);
  return send(msg, KIND.BODY, chunk, encoding, callback);
}

/**
 * A message that has no body by its kind: Node ignores what is written to it, unless told otherwise.
 * @param {any} msg
 */
function rejectBody(msg) {
  if (msg[kRejectNonStandardBodyWrites]) throw new ERR_HTTP_BODY_NOT_ALLOWED();
}

/**
 * @param {any} msg
 * @returns {boolean} whether the body's length is held against Content-Length
 */
function isStrict(msg) {
  if (!msg.strictContentLength || msg._contentLength == null || !msg._hasBody) return false;
  return !msg._removedContLen && !msg.chunkedEncoding && !msg.hasHeader('transfer-encoding');
}

/**
 * @param {any} msg
 * @param {number} length bytes about to be written
 * @param {(sum: number) => boolean} fits
 */
function countStrictly(msg, length, fits) {
  const sum = msg[kBytesWritten] + length;
  if (isStrict(msg) && !fits(sum)) throw new ERR_HTTP_CONTENT_LENGTH_MISMATCH(sum, msg._contentLength);
  msg[kBytesWritten] = sum;
}

/**
 * Reports a write that comes too late.
 * @param {any} msg
 * @param {Error} err
 * @param {Function | null} callback
 */
function refuse(msg, err, callback) {
  if (!msg.destroyed) process.nextTick(emitError, msg, err, callback);
  else if (callback) process.nextTick(callback, err);
}

/**
 * @param {any} msg
 * @param {Error} err
 * @param {Function | null} callback
 */
function emitError(msg, err, callback) {
  callback?.(err);
  if (!msg.destroyed) msg.emit('error', err);
}

/** @this {any} */
members.cork = function cork() {
  this[kCorked]++;
  this[kSocket]?.cork();
};

/** @this {any} */
members.uncork = function uncork() {
  this[kCorked]--;
  this[kSocket]?.uncork();
  if (this[kCorked] || this[kHeld] === null) return;
  release(this);
  if (this[kNeedDrain] && this.writableLength === 0) {
    this[kNeedDrain] = false;
    this.emit('drain');
  }
};

/**
 * Holds a piece of body back, to become one chunk with those around it.
 * @param {any} msg
 * @param {string | Uint8Array} chunk
 * @param {any} encoding
 * @param {Function | null} callback
 * @returns {boolean} as write
 */
function hold(msg, chunk, encoding, callback) {
  msg[kHeld] ??= [];
  msg[kHeld].push(chunk, encoding, callback);
  msg[kHeldLength] += lengthOf(chunk, encoding);
  return msg[kHeldLength] < msg[kHighWaterMark];
}

/**
 * Sends what was held back, as one chunk.
 * @param {any} msg
 */
function release(msg) {
  const held = msg[kHeld];
  /** @type {any[]} */
  const pieces = [];
  /** @type {Function[]} */
  const callbacks = [];
  for (let i = 0; i < held.length; i += 3) {
    pieces.push(held[i], held[i + 1]);
    if (held[i + 2]) callbacks.push(held[i + 2]);
  }
  const length = msg[kHeldLength];
  msg[kHeld] = null;
  msg[kHeldLength] = 0;
  const callback = (/** @type {any} */ err) => {
    for (const each of callbacks) each(err);
  };
  sendHeld(msg, pieces, length, callbacks.length > 0 ? callback : null);
}

// --- end ------------------------------------------------------------------------------------------------------------

/**
 * @this {any}
 * @param {any} [chunk]
 * @param {any} [encoding]
 * @param {any} [callback]
 */
members.end = function end(chunk, encoding, callback) {
  if (typeof chunk === 'function') return endBody(this, null, null, chunk);
  if (typeof encoding === 'function') return endBody(this, chunk, null, encoding);
  return endBody(this, chunk, encoding, typeof callback === 'function' ? callback : null);
};

/**
 * Writes the head, if end's chunk is what decides it.
 * @param {any} msg
 * @param {any} chunk
 * @param {any} encoding
 * @returns {any} what of the chunk goes out
 */
function admitLast(msg, chunk, encoding) {
  validateChunk(chunk);
  if (msg.destroyed) return '';
  const length = msg.strictContentLength || !msg._header ? lengthOf(chunk, encoding) : 0;
  if (msg.strictContentLength) countStrictly(msg, length, (sum) => sum === msg._contentLength);
  if (!msg._header) {
    msg._contentLength = length;
    msg._implicitHeader();
  }
  if (msg._hasBody) return chunk;
  rejectBody(msg);
  return '';
}

/**
 * @param {any} msg
 * @param {any} chunk nothing when falsy
 * @param {any} encoding
 * @param {Function | null} callback
 */
function endBody(msg, chunk, encoding, callback) {
  if (msg.finished) {
    if (chunk && !msg.destroyed) refuse(msg, new ERR_STREAM_WRITE_AFTER_END(), callback);
    else if (!chunk && callback) queueEndCallback(msg, callback);
    return msg;
  }

  let last = '';
  if (chunk) {
    last = admitLast(msg, chunk, encoding);
  } else if (!msg._header) {
    msg._contentLength = 0;
    msg._implicitHeader();
  }

  if (callback) queueEndCallback(msg, callback);
  if (isStrict(msg) && msg[kBytesWritten] !== msg._contentLength) {
    throw new ERR_HTTP_CONTENT_LENGTH_MISMATCH(msg[kBytesWritten], msg._contentLength);
  }

  if (msg[kHeld] !== null) release(msg);
  // A callback wants to be called in the context it was given in; a message nobody listens to has none.
  const sent = callback ? (/** @type {any} */ err) => msg[kSent](err) : msg;
  // What was sent before may have failed: that is to be told, though there is nothing to send now.
  const isSent = !chunk && msg._headerSent && !(msg._hasBody && msg.chunkedEncoding);
  if (isSent && msg[kSocket]?.destroyed) process.nextTick(() => msg[kSent](null));
  else send(msg, KIND.LAST, last, encoding, sent);
  if (msg[kCorked]) uncorkFully(msg);
  msg.finished = true;

  const socket = msg[kSocket];
  if (msg.outputData.length === 0 && socket && socket._httpMessage === msg) msg._finish();
  return msg;
}

/** @param {any} msg */
function uncorkFully(msg) {
  msg[kCorked] = 0;
  const socket = msg[kSocket];
  if (!socket) return;
  for (let n = socket.writableCorked; n > 0; n--) socket.uncork();
}

/**
 * @param {any} msg
 * @returns {boolean} whether all of an ended message is with the kernel; before Node 24, also without its having been told
 */
function hasFinished(msg) {
  if (msg[kWritableFinished] || HOST_MAJOR >= 24) return msg[kWritableFinished];
  const socket = msg[kSocket];
  if (!msg.finished || msg.outputSize > 0) return false;
  // Node sends at once.
  socket?.[kConnection]?.flush();
  return !socket || socket.writableLength === 0;
}

/**
 * @param {any} msg
 * @param {Function} callback
 */
function queueEndCallback(msg, callback) {
  if (hasFinished(msg)) {
    callback(new ERR_STREAM_ALREADY_FINISHED('end'));
  } else if (HOST_MAJOR < 24) {
    // 'finish' alone tells of it: an error does not.
    msg.once('finish', callback);
  } else if (msg[kFlushError] !== null) {
    process.nextTick(callback, msg[kFlushError]);
  } else {
    msg[kEndCallbacks] ??= [];
    msg[kEndCallbacks].push(callback);
  }
}

/**
 * @param {any} msg
 * @param {Error | null} err
 */
function callEndCallbacks(msg, err) {
  const callbacks = msg[kEndCallbacks];
  if (callbacks === null) return;
  msg[kEndCallbacks] = null;
  for (const callback of callbacks) callback(err);
}

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
      const socket = this[kSocket];
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
      return this._eventsCount !== 0;
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

const asDictionary = (/** @type {any} */ fields) => fields && Object.assign(Object.create(null), fields);

hide(kHeld, kHeldLength, kTurn);
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
  kFinished,
  kHighWaterMark,
  kUniqueHeaders,
  parseUniqueHeadersOption,
  validateHeaderName,
  validateHeaderValue,
  OutgoingMessage,
};
