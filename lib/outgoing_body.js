'use strict';

const { executionAsyncId, triggerAsyncId } = require('node:async_hooks');
const process = require('node:process');
const { isUint8Array } = require('node:util').types;

const { HOST_MAJOR, kNeedDrain } = require('./common');
const { codes } = require('./errors');
const { kConnection } = require('./internal/connection');
const { kSent } = require('./internal/marks');
const { KIND, kHighWaterMark, kSocket, kTurn, lengthOf, send, sendHeld } = require('./send');

const {
  ERR_HTTP_BODY_NOT_ALLOWED,
  ERR_HTTP_CONTENT_LENGTH_MISMATCH,
  ERR_INVALID_ARG_TYPE,
  ERR_STREAM_ALREADY_FINISHED,
  ERR_STREAM_DESTROYED,
  ERR_STREAM_NULL_VALUES,
  ERR_STREAM_WRITE_AFTER_END,
} = codes;

/** OutgoingMessage's methods for its body and its end, and who waits for that. */

const kCorked = Symbol('corked');
/** Pieces of body held back while corked, to be sent as one chunk: null, or alternately data, encoding and callback. */
const kHeld = Symbol('kHeld');
const kHeldLength = Symbol('kHeldLength');
const kBytesWritten = Symbol('kBytesWritten');
const kWritableFinished = Symbol('kWritableFinished');
const kEndCallbacks = Symbol('kEndCallbacks');
/** In which callback a message was ended: its asynchronous id. */
const kEndedIn = Symbol('kEndedIn');
const kFlushError = Symbol('kFlushError');
const kRejectNonStandardBodyWrites = Symbol('kRejectNonStandardBodyWrites');

// --- body -----------------------------------------------------------------------------------------------------------

/**
 * @this {any}
 * @param {string | Uint8Array} chunk
 * @param {BufferEncoding | Function | null} [encoding]
 * @param {Function} [callback]
 * @returns {boolean} false: wait for 'drain'
 */
function write(chunk, encoding, callback) {
  const accepted =
    typeof encoding === 'function'
      ? writeBody(this, chunk, null, encoding)
      : writeBody(this, chunk, encoding, typeof callback === 'function' ? callback : null);
  if (!accepted) this[kNeedDrain] = true;
  return accepted;
}

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
  (msg[kSocket]?.[kConnection] ?? msg[kTurn])?.cork();
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
function cork() {
  this[kCorked]++;
  this[kSocket]?.cork();
}

/** @this {any} */
function uncork() {
  this[kCorked]--;
  this[kSocket]?.uncork();
  if (this[kCorked] || this[kHeld] === null) return;
  release(this);
  if (this[kNeedDrain] && this.writableLength === 0) {
    this[kNeedDrain] = false;
    this.emit('drain');
  }
}

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
function end(chunk, encoding, callback) {
  if (typeof chunk === 'function') return endBody(this, null, null, chunk);
  if (typeof encoding === 'function') return endBody(this, chunk, null, encoding);
  return endBody(this, chunk, encoding, typeof callback === 'function' ? callback : null);
}

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
  // With nothing left to send, what was sent before may have failed, which is to be told; and it does not wait for an empty part.
  const isSent = !chunk && msg._headerSent && !(msg._hasBody && msg.chunkedEncoding);
  const isDone = isSent && (msg[kSocket]?.destroyed ? msg.writableLength === 0 : holdsEmptyParts(msg));
  if (isDone) process.nextTick(() => msg[kSent](null));
  send(msg, KIND.LAST, last, encoding, isDone ? null : sent);
  if (msg[kCorked]) uncorkFully(msg);
  msg.finished = true;
  msg[kEndedIn] = executionAsyncId();

  const socket = msg[kSocket];
  if (msg.outputData.length === 0 && socket && socket._httpMessage === msg) msg._finish();
  return msg;
}

/** @param {any} msg @returns {boolean} whether somebody waits for parts without bytes, which are all that is to be sent */
function holdsEmptyParts(msg) {
  const connection = msg[kSocket]?.[kConnection];
  // A stream that is fed is not corked here.
  if (!connection?.attached || (connection.corked ? connection.corkedLength > 0 : connection.driver !== 'fed'))
    return false;
  return !connection.marks.isEmpty && msg.writableLength === 0;
}

/** @param {any} msg */
function uncorkFully(msg) {
  msg[kCorked] = 0;
  const socket = msg[kSocket];
  if (!socket) return;
  for (let n = socket.writableCorked; n > 0; n--) socket.uncork();
}

/**
 * Node sends a message when it ends, and tells of it in a tick. One that nobody listens to is sent and told with its batch: now, if somebody asks behind
 * that tick.
 * @param {any} msg
 * @returns {any} the socket of a response that Node would have given it by then, and that another has yet; or null
 */
function settleEnded(msg) {
  if (!msg.finished || msg[kWritableFinished]) return null;
  const socket = msg[kSocket];
  const connection = socket?.[kConnection] ?? msg[kTurn];
  // Where somebody listens it is told in that tick.
  if (!connection?.attached || connection.marks.isHeard) return null;
  const id = executionAsyncId();
  if (id === msg[kEndedIn]) return null;
  if (triggerAsyncId() === msg[kEndedIn]) {
    // In a tick of the callback that has ended it. They come in the order in which they were asked for, and so do their numbers.
    if (id < connection.marks.idOf(connection.socket._httpMessage)) return null;
    // Ended while requests were read, it has its socket when the one before it is told, and is told a tick later.
    if (!socket && msg[kEndedIn] === connection.resource.asyncId())
      return connection.handler.isNext(msg) ? connection.socket : null;
  }
  connection.settleNow();
  return null;
}

/** @param {any} msg @returns {boolean} whether it has been told that it was sent */
const isTold = (msg) => msg[kWritableFinished] ?? msg.writableFinished;

/**
 * @param {any} msg
 * @returns {boolean} whether all of an ended message is with the kernel; before Node 24, also without its having been told
 */
function hasFinished(msg) {
  settleEnded(msg);
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

module.exports = {
  bodyMethods: { write, cork, uncork, end },
  callEndCallbacks,
  hasFinished,
  isTold,
  kBytesWritten,
  kCorked,
  kEndCallbacks,
  kEndedIn,
  kFlushError,
  kHeld,
  kHeldLength,
  kRejectNonStandardBodyWrites,
  kWritableFinished,
  settleEnded,
};
