'use strict';

// What an event record means: each calls the connection's handler, or tells its socket, in the connection's async scope.

const process = require('node:process');
const { getSystemErrorName } = require('node:util');
const { CALL, EVENT, HEAD, TIMEOUT } = require('./layout');
const ring = require('./ring');

/** @typedef {any} Connection the class of connection.js, which requires this file */

/** Names of the time-outs, by their bits. */
const TIMEOUT_NAMES = {
  [TIMEOUT.HEADERS]: 'headers',
  [TIMEOUT.REQUEST]: 'request',
  [TIMEOUT.KEEP_ALIVE]: 'keep-alive',
};

/**
 * Handles one record. What it holds is taken out of the ring before anybody is called: the ring may be written anew by then.
 * @param {Connection} connection
 * @param {number} kind EVENT
 * @param {number} flags
 * @param {number} a
 * @param {number} b
 * @param {any} bytes where the payload lies
 * @param {number} start
 * @param {number} end
 */
function onEvent(connection, kind, flags, a, b, bytes, start, end) {
  const { resource, socket } = connection;
  if (socket.timeout) socket._unrefTimer();
  const isEnd = kind === EVENT.END || (kind === EVENT.IO_ERROR && flags === 0);
  if (isEnd && connection.ioThreads > 0 && connection.readIn === ring.turn()) {
    // libuv meets the end of a stream in another turn than what stood before it: an answer that is given in between is sent. Elsewhere the engine sees to it.
    ring.engine.putOff(connection.slot, kind, a);
    return;
  }
  connection.readIn = ring.turn();
  switch (kind) {
    case EVENT.HEAD:
      resource.runInAsyncScope(callHead, null, connection, bytes.latin1Slice(start, end), flags, a, b);
      break;
    case EVENT.BODY:
      resource.runInAsyncScope(callBody, null, connection, copy(bytes, start, end));
      break;
    case EVENT.COMPLETE:
      resource.runInAsyncScope(callComplete, null, connection, bytes.latin1Slice(start, end));
      break;
    case EVENT.PARSE_ERROR:
      connection.fail(
        parseError(bytes.latin1Slice(start, start + b), a, start + b < end ? copy(bytes, start + b, end) : null),
      );
      break;
    case EVENT.END:
      resource.runInAsyncScope(endSocket, null, socket);
      break;
    case EVENT.IO_ERROR: {
      const error = systemError(a, flags === CALL.READ ? 'read' : 'write');
      // What was under way is cancelled where libuv reads too: it meets the read's failure first.
      if (flags === CALL.WRITE || (flags === CALL.WRITE_UNDER_WAY && connection.isPaused)) connection.failUnsent(error);
      resource.runInAsyncScope(destroySocket, null, socket, error);
      break;
    }
    case EVENT.MISUSE:
      resource.runInAsyncScope(destroySocket, null, socket, new Error(`ferrohttp: ${bytes.latin1Slice(start, end)}`));
      break;
    case EVENT.STIR:
      break;
    case EVENT.SENT:
      connection.awaitOutput();
      break;
    default:
      throw new Error(`ferrohttp: an event of unknown kind ${kind}`);
  }
}

/**
 * Up to so many bytes V8 keeps within the Buffer's own object, unless somebody asks for its ArrayBuffer, as Node's ways to copy do; and
 * an ArrayBuffer costs more than all the rest of a small part.
 */
const SMALL = 64;

/** Bytes out of the ring, of their own size: a small body must not pin a large buffer. */
function copy(bytes, start, end) {
  if (start === 0 && end === bytes.length) return bytes;
  const length = end - start;
  if (length <= SMALL) {
    const small = Buffer.alloc(length);
    for (let i = 0; i < length; i++) small[i] = bytes[start + i];
    return small;
  }
  const part = Buffer.allocUnsafeSlow(length);
  bytes.copy(part, 0, start, end);
  return part;
}

/** What llhttp says of a callback that has thrown. */
const THROWN = {
  HEAD: { code: 'HPE_CB_HEADERS_COMPLETE', reason: 'User callback error' },
  BODY: { code: 'HPE_JS_EXCEPTION', reason: 'JS Exception' },
  COMPLETE: { code: 'HPE_CB_MESSAGE_COMPLETE', reason: '`on_message_complete` callback error' },
};

function callHead(connection, text, flags, code, startLength) {
  try {
    connection.handler.onHead(connection, text, flags, code, startLength);
  } catch (error) {
    connection.breakOff(THROWN.HEAD);
    throw error;
  }
  if ((flags & (HEAD.BODY | HEAD.UPGRADE)) === 0) callComplete(connection, '');
}

function callBody(connection, chunk) {
  try {
    connection.handler.onBody(connection, chunk);
  } catch (error) {
    connection.breakOff(THROWN.BODY);
    throw error;
  }
}

function callComplete(connection, trailers) {
  try {
    connection.handler.onComplete(connection, trailers);
  } catch (error) {
    connection.breakOff(THROWN.COMPLETE);
    throw error;
  }
}

/** @param {Connection} connection @param {Error} error */
function tellParseError(connection, error) {
  connection.resource.runInAsyncScope(callParseError, null, connection, error);
}

function callParseError(connection, error) {
  connection.handler.onParseError(connection, error);
}

/** @param {Connection} connection @param {number} kind TIMEOUT */
function tellTimeout(connection, kind) {
  connection.resource.runInAsyncScope(callTimeout, null, connection, TIMEOUT_NAMES[kind]);
}

function callTimeout(connection, kind) {
  connection.handler.onTimeout?.(connection, kind);
}

/** @param {Connection} connection @param {import('node:async_hooks').AsyncResource} resource the context of the write that was told to wait */
function tellDrain(connection, resource) {
  resource.runInAsyncScope(emitDrain, null, connection.socket);
}

function emitDrain(socket) {
  socket.emit('drain');
}

/** What net does at the end of a stream. */
function endSocket(socket) {
  socket.push(null);
  socket.read(0);
}

function destroySocket(socket, error) {
  socket.destroy(error);
}

/**
 * Destroys the socket of a connection whose write has failed, in a tick, as Node does: it has been handed over meanwhile.
 * @param {Connection} connection
 * @param {Error} error
 */
function destroyInTick({ resource, socket }, error) {
  resource.runInAsyncScope(process.nextTick, process, destroySocket, socket, error);
}

/** Node's error for a failed system call. */
function systemError(errno, syscall) {
  const code = getSystemErrorName(-errno);
  return Object.assign(new Error(`${syscall} ${code}`), { errno: -errno, code, syscall });
}

/** Node's error for bytes that are not HTTP, or for their end. `text`: code and reason, a line each. `rawPacket`: the bytes, null: none came. */
function parseError(text, bytesParsed, rawPacket) {
  const [code, reason] = text.split('\n');
  // Node adds the reason together with the bytes.
  const message = rawPacket === null ? 'Parse Error' : `Parse Error: ${reason}`;
  const error = Object.assign(new Error(message), { bytesParsed, code, reason });
  return rawPacket === null ? error : Object.assign(error, { rawPacket });
}

module.exports = {
  THROWN,
  copy,
  destroyInTick,
  onEvent,
  parseError,
  systemError,
  tellDrain,
  tellParseError,
  tellTimeout,
};
