'use strict';

const { STATUS_CODES } = require('./internal/host');

const { codes } = require('./errors');
const { LISTENERS } = require('./internal/local');
const { kServerConnection, onServerResponseClose } = require('./response');

/**
 * What a server's connection hears from its socket, whoever moves the bytes. The listeners are shared by all sockets:
 * `this` is the socket, `socket[kServerConnection]` what it belongs to.
 */

/** @param {number} status */
function refusal(status) {
  return Buffer.from(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n\r\n`, 'latin1');
}

/** The status of what is answered to a request that could not be read, by its error's code; else it is 400. @type {Record<string, number>} */
const REFUSALS = {
  // What an error's code may be named by chance is not inherited.
  __proto__: null,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  HPE_HEADER_OVERFLOW: 431,
};

function noop() {}

/**
 * @this {any}
 * @param {Error & { code?: string }} err of the transport, of the parser, or for a request that takes too long
 */
function socketOnError(err) {
  // Further errors say nothing new.
  this.removeListener('error', socketOnError);
  if (this.listenerCount('error', noop) === 0) this.on('error', noop);
  if (this.server.emit('clientError', err, this)) return;

  // In the middle of a response anything written would pass for a part of it.
  if (this.writable && !this._httpMessage?._headerSent) {
    this.write(refusal(REFUSALS[err.code ?? ''] ?? 400));
    this[kServerConnection]?.conn.flush();
  }
  this.destroy(err);
}

/** @this {any} */
function socketOnTimeout() {
  const req = this.parser?.incoming;
  const heard = [
    req && !req.complete && req.emit('timeout', this),
    this._httpMessage?.emit('timeout', this),
    this.server.emit('timeout', this),
  ];
  if (!heard.some(Boolean)) this.destroy();
}

/** @this {any} */
function socketOnEnd() {
  const { conn, server, waiting } = this[kServerConnection];
  const err = conn.finish();
  const last = waiting.length > 0 ? waiting[waiting.length - 1] : this._httpMessage;
  if (err instanceof Error) socketOnError.call(this, err);
  else if (server.httpAllowHalfOpen && last) last._last = true;
  else this.end();
}

/** @this {any} */
function socketOnClose() {
  const connection = this[kServerConnection];
  // Some call a socket's listeners themselves, on other objects.
  if (connection === undefined) return;
  connection.abort();
}

/** @this {any} */
function socketOnDrain() {
  this[kServerConnection].drained();
}

// As in Node the requests are read from the handle, whatever the stream above it does: its events stop and start the handle, whoever has that.

/** @this {any} */
function socketOnResume() {
  // It comes late: flood control may have stopped the socket since.
  if (this._paused) {
    this.pause();
    return;
  }
  const handle = this._handle;
  if (!handle || handle.reading) return;
  handle.reading = true;
  handle.readStart();
}

/** @this {any} */
function socketOnPause() {
  const handle = this._handle;
  if (!handle?.reading) return;
  handle.reading = false;
  handle.readStop();
}

function socketSetEncoding() {
  throw new codes.ERR_HTTP_SOCKET_ENCODING();
}

/** @param {any} socket taken over by a connection that has it in kServerConnection */
function listen(socket) {
  socket.on('timeout', socketOnTimeout);
  socket.on('error', socketOnError);
  socket.on('end', socketOnEnd);
  socket.on('close', socketOnClose);
  socket.on('drain', socketOnDrain);
  socket.on('resume', socketOnResume);
  socket.on('pause', socketOnPause);
  // Seen by who lists the socket's properties, as in Node. One by one, for which V8 has a faster way than for Object.assign.
  socket.on = LISTENERS.on;
  socket.addListener = LISTENERS.addListener;
  socket.prependListener = LISTENERS.prependListener;
  socket.setEncoding = socketSetEncoding;
}

/** @param {any} socket handed over to its user */
function unlisten(socket) {
  socket.removeListener('timeout', socketOnTimeout);
  socket.removeListener('error', socketOnError);
  socket.removeListener('end', socketOnEnd);
  socket.removeListener('close', socketOnClose);
  // A response that is under way yet hears of the close.
  if (!socket._httpMessage) socket.removeListener('close', onServerResponseClose);
  socket.removeListener('drain', socketOnDrain);
  unlistenFlow(socket);
}

/** @param {any} socket whose bytes are no longer read from its handle */
function unlistenFlow(socket) {
  socket.removeListener('resume', socketOnResume);
  socket.removeListener('pause', socketOnPause);
}

module.exports = { listen, socketOnError, unlisten, unlistenFlow };
