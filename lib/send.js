'use strict';

const process = require('node:process');
const { EXPECT, FRAMING, kConnection } = require('./internal/connection');
const { kSent } = require('./internal/marks');
const { CRLF, HOST_MAJOR } = require('./common');

/**
 * How the pieces of an outgoing message leave: to the engine's connection, which frames them; as text to a socket that the engine
 * does not drive; or into the message's outputData until it has a socket.
 */

const kSocket = Symbol('kSocket');
const kHighWaterMark = Symbol('kHighWaterMark');
/**
 * On a message that has no socket yet: the Connection to which it may send all the same, because the messages before it have
 * sent all they had; or null. What it sends is in its place on the wire, and goes out with theirs.
 */
const kTurn = Symbol('kTurn');

/** What a piece is. */
const KIND = Object.freeze({
  /** Text of a head. Only found in outputData: elsewhere the head goes along with what follows it. */
  HEAD: 1,
  /** Body. */
  BODY: 2,
  /** The rest of the body and, after it, the end of the message. */
  LAST: 3,
  /** Bytes as they stand, after the head. */
  RAW: 4,
  /** Bytes as they stand, which do not wait for the head. */
  ASIDE: 5,
});

/** @typedef {string | Uint8Array} Data */
/** @typedef {Function | { [kSent](err: Error | null): void } | null} Callback */

const CRLF_BYTES = Buffer.from(CRLF);

const nop = () => {};

/**
 * Sends one piece of a message, after its head if that is due.
 * @param {any} msg
 * @param {number} kind a KIND, but not HEAD
 * @param {Data} data
 * @param {any} encoding
 * @param {Callback} callback for LAST: the message, or a function that calls its kSent
 * @returns {boolean} false: wait for 'drain'
 */
function send(msg, kind, data, encoding, callback) {
  let head = '';
  if (!msg._headerSent && msg._header !== null && kind !== KIND.ASIDE) {
    head = msg._header;
    msg._headerSent = true;
  }
  const socket = msg[kSocket];
  // Its 'close' is still to come; until then nothing is an error.
  if (socket?.destroyed) return false;
  if (!socket && msg[kTurn]?.attached && !msg[kTurn].isWatched)
    return toConnection(msg, msg[kTurn], head, kind, data, encoding, callback);
  if (!socket || socket._httpMessage !== msg || !socket.writable)
    return queue(msg, head, kind, data, encoding, callback);
  const isBehind = msg.outputData.length > 0;
  if (isBehind) msg._flushOutput(socket);
  // Node corks the socket for an end with data before it writes what has waited.
  if (head === '' && kind === KIND.LAST && !(isBehind && data.length > 0)) socket[kConnection]?.beginUnit();
  return transmit(msg, socket, head, kind, data, encoding, callback);
}

/**
 * @param {any} msg
 * @param {string} head '' when it is not due
 * @param {number} kind
 * @param {Data} data
 * @param {any} encoding
 * @param {Callback} callback
 * @returns {boolean} as send
 */
function queue(msg, head, kind, data, encoding, callback) {
  if (head !== '') msg.outputData.push({ data: head, encoding: 'latin1', callback: null, kind: KIND.HEAD });
  // The entry of the message's end stands for the message itself.
  if (head !== '' || data.length > 0 || callback !== null) {
    msg.outputData.push({ data, encoding, callback: callback === msg ? null : callback, kind });
  }
  const size = head.length + data.length;
  msg.outputSize += size;
  msg._onPendingData(size);
  return msg.outputSize < msg[kHighWaterMark];
}

/**
 * Sends what queue has kept.
 * @param {any} msg
 * @param {any} socket
 * @param {Array<{ data: any, encoding: any, callback: any, kind?: number }>} pieces not empty
 * @returns {boolean} as send
 */
function replay(msg, socket, pieces) {
  const connection = socket[kConnection];
  const corks = !connection?.attached || connection.isWatched;
  if (corks) socket.cork();
  let accepted = true;
  let head = '';
  for (const { data, encoding, callback, kind = KIND.RAW } of pieces) {
    if (kind === KIND.HEAD) {
      head += data;
    } else {
      accepted = transmit(msg, socket, head, kind, data, encoding, kind === KIND.LAST ? (callback ?? msg) : callback);
      head = '';
    }
  }
  if (head !== '') accepted = transmit(msg, socket, head, KIND.RAW, '', undefined, null);
  if (corks) socket.uncork();
  // Node gives the stream all of it at once: what is too much for that is waited for, though the kernel has taken it piece by piece.
  else if (accepted && connection.attached && msg.outputSize >= socket.writableHighWaterMark)
    return connection.oweDrain();
  return accepted;
}

/**
 * @param {any} msg
 * @param {any} socket
 * @param {string} head
 * @param {number} kind
 * @param {Data} data
 * @param {any} encoding
 * @param {Callback} callback
 * @returns {boolean} as send
 */
function transmit(msg, socket, head, kind, data, encoding, callback) {
  const connection = socket[kConnection];
  if (!connection?.attached) return toSocket(msg, socket, head, kind, data, encoding, callback);
  if (connection.isWatched) return throughSocket(msg, connection, head, kind, data, encoding, callback);
  return toConnection(msg, connection, head, kind, data, encoding, callback);
}

// --- to the engine --------------------------------------------------------------------------------------------------

/**
 * @param {any} msg
 * @param {any} connection
 * @param {string} head
 * @param {number} kind
 * @param {Data} data
 * @param {any} encoding
 * @param {Callback} callback
 * @returns {boolean} as send
 */
function toConnection(msg, connection, head, kind, data, encoding, callback) {
  const empty = data.length === 0;
  if (kind === KIND.LAST && msg._header !== null) {
    const trailers = msg.chunkedEncoding && msg._hasBody ? msg._trailer : '';
    // sendMessage itself encodes the head as headAsSent does.
    if (head !== '' && trailers === '') {
      return connection.sendMessage(head, framingOf(msg), expectOf(msg), empty ? null : data, encoding, callback);
    }
    if (head !== '') connection.sendHead(headAsSent(msg, head, kind, data, encoding), framingOf(msg), expectOf(msg));
    if (!empty) connection.sendBody(data, encoding, null);
    connection.sendEnd(trailers, callback);
    return true;
  }
  if (head !== '') connection.sendHead(headAsSent(msg, head, kind, data, encoding), framingOf(msg), expectOf(msg));
  if (empty && callback === null) {
    if (head !== '' && kind === KIND.RAW) connection.letHeadGo();
    return connection.owedDrain === null;
  }
  if (kind === KIND.BODY && msg._header !== null) return connection.sendBody(data, encoding, callback);
  return connection.sendRaw(data, encoding, callback);
}

/** @param {any} msg */
function framingOf(msg) {
  if (!msg._hasBody) return FRAMING.NONE;
  return msg.chunkedEncoding ? FRAMING.CHUNKED : FRAMING.LENGTH;
}

/**
 * What kind of response the request wants; of a response, it is the same as of an ordinary request.
 * @param {any} msg
 */
function expectOf(msg) {
  if (msg.method === 'HEAD') return EXPECT.HEAD;
  return msg.method === 'CONNECT' ? EXPECT.CONNECT : EXPECT.MESSAGE;
}

/**
 * Node puts the head and the first string of an unchunked body into one string and writes it in the body's encoding, so that
 * what in the head is not ASCII goes out in UTF-8 with one body and in Latin-1 with another.
 * @param {any} msg
 * @param {string} head
 * @param {number} kind
 * @param {Data} data
 * @param {any} encoding
 * @returns {string} the head's bytes, one in a character
 */
function headAsSent(msg, head, kind, data, encoding) {
  if (typeof data !== 'string' || (encoding && encoding !== 'utf8')) return head;
  if (kind === KIND.LAST && data === '') return head;
  if (msg.chunkedEncoding && data !== '') return head;
  return Buffer.byteLength(head) === head.length ? head : Buffer.from(head).toString('latin1');
}

/**
 * To the socket's `write`, because its user has put one of his own there; the engine keeps account of the message.
 * @param {any} msg
 * @param {any} connection
 * @param {string} head
 * @param {number} kind
 * @param {Data} data
 * @param {any} encoding
 * @param {Callback} callback
 * @returns {boolean} as send
 */
function throughSocket(msg, connection, head, kind, data, encoding, callback) {
  const isOfMessage = msg._header !== null && kind !== KIND.ASIDE;
  if (isOfMessage) connection.yieldToSocket(head !== '', expectOf(msg));
  else connection.flush();
  const accepted = toSocket(msg, connection.socket, head, kind, data, encoding, callback);
  if (isOfMessage && kind === KIND.LAST) connection.endThroughSocket();
  return accepted;
}

// --- to a socket that the engine does not drive: the only place where JavaScript codes chunks ----------------------------

/**
 * @param {any} msg
 * @param {any} socket
 * @param {string} head
 * @param {number} kind
 * @param {Data} data
 * @param {any} encoding
 * @param {Callback} callback
 * @returns {boolean} as send
 */
function toSocket(msg, socket, head, kind, data, encoding, callback) {
  if (kind === KIND.LAST) return endSocket(msg, socket, head, data, encoding);
  if (kind !== KIND.BODY) return writeAfter(socket, head, data, encoding, callback);
  // What is written in one turn goes out together.
  if (!socket.writableCorked) {
    socket.cork();
    process.nextTick(uncork, socket);
  }
  if (msg._header === null || !msg.chunkedEncoding || data.length === 0) {
    return writeAfter(socket, head, data, encoding, callback ?? nop);
  }
  return writeChunk(socket, head, lengthOf(data, encoding), [data, encoding], callback ?? nop);
}

/**
 * @param {Data} data
 * @param {any} encoding
 * @returns {number} bytes
 */
function lengthOf(data, encoding) {
  return typeof data === 'string' ? Buffer.byteLength(data, encoding) : data.byteLength;
}

/**
 * Sends what a corked message has held back of its body, as one chunk.
 * @param {any} msg
 * @param {any[]} pieces data and encoding, in turn
 * @param {number} length bytes
 * @param {Function | null} callback
 */
function sendHeld(msg, pieces, length, callback) {
  const socket = msg[kSocket];
  const connection = socket?.[kConnection];
  const isToEngine = connection?.attached && !connection.isWatched;
  if (isToEngine || !socket || socket._httpMessage !== msg || !socket.writable) {
    const parts = [];
    for (let i = 0; i < pieces.length; i += 2)
      parts.push(typeof pieces[i] === 'string' ? Buffer.from(pieces[i], pieces[i + 1] ?? 'utf8') : pieces[i]);
    send(msg, KIND.BODY, Buffer.concat(parts, length), null, callback);
    return;
  }
  if (connection?.attached) connection.yieldToSocket(false, EXPECT.MESSAGE);
  writeChunk(socket, '', length, pieces, callback);
}

/** @param {any} socket */
function uncork(socket) {
  socket.uncork();
}

/**
 * @param {any} msg
 * @param {any} socket
 * @param {string} head
 * @param {Data} data
 * @param {any} encoding
 * @returns {boolean} as send
 */
function endSocket(msg, socket, head, data, encoding) {
  const sent = (/** @type {any} */ err) => msg[kSent](err);
  let accepted = true;
  let before = head;
  // One write needs no cork.
  if (data.length > 0) socket.cork();
  if (msg._hasBody && msg.chunkedEncoding) {
    if (data.length > 0) {
      writeChunk(socket, head, lengthOf(data, encoding), [data, encoding], nop);
      before = '';
    }
    accepted = socket.write(`${before}0${CRLF}${msg._trailer}${CRLF}`, 'latin1', sent);
  } else if (data.length > 0) {
    // A subclass without a head ends with a write of its own, and so does what must be as long as it said; before Node 24, whatever has data.
    const endsApart = msg._header === null || msg.strictContentLength || HOST_MAJOR < 24;
    accepted = writeAfter(socket, head, data, encoding, endsApart ? nop : sent);
    if (endsApart) accepted = socket.write('', 'latin1', sent);
  } else if (head !== '' || msg._header === null || msg.writableLength > 0 || typeof data !== 'string') {
    // An empty last chunk is one, of which is told behind what was written before; no chunk is ''.
    accepted = socket.write(head, 'latin1', sent);
  } else {
    process.nextTick(sent);
  }
  for (let n = socket.writableCorked ?? 1; n > 0; n--) socket.uncork();
  return accepted;
}

/**
 * @param {any} socket
 * @param {string} head
 * @param {Data} data
 * @param {any} encoding
 * @param {any} callback
 * @returns {boolean} as send
 */
function writeAfter(socket, head, data, encoding, callback) {
  if (head === '') return socket.write(data, encoding, callback);
  if (typeof data === 'string' && (!encoding || encoding === 'utf8' || encoding === 'latin1')) {
    return socket.write(head + data, encoding, callback);
  }
  socket.write(head, 'latin1', null);
  return socket.write(data, encoding, callback);
}

/**
 * @param {any} socket
 * @param {string} head
 * @param {number} size bytes
 * @param {any[]} pieces not empty: data and encoding, in turn
 * @param {any} callback
 * @returns {boolean} as send
 */
function writeChunk(socket, head, size, pieces, callback) {
  socket.write(head + size.toString(16), 'latin1', null);
  socket.write(CRLF_BYTES, null, null);
  for (let i = 0; i < pieces.length; i += 2) socket.write(pieces[i], pieces[i + 1], null);
  return socket.write(CRLF_BYTES, null, callback);
}

module.exports = { KIND, expectOf, kHighWaterMark, kSocket, kTurn, lengthOf, replay, send, sendHeld };
