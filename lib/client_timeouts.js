'use strict';

/** A socket's 'timeout', told to the request that has it, and to its response. */

/** @typedef {import('node:net').Socket & Record<PropertyKey, any>} Socket */
/** @typedef {any} ClientRequest */

/**
 * Passes the socket's next 'timeout' on to the request.
 * @param {ClientRequest} req
 */
function listenForTimeout(req) {
  if (req.timeoutCb) return;
  req.timeoutCb = onRequestTimeout;
  if (req.socket) req.socket.on('timeout', onRequestTimeout);
  else req.on('socket', (/** @type {Socket} */ socket) => socket.on('timeout', onRequestTimeout));
}

/**
 * @param {ClientRequest} req
 * @param {Socket} socket
 */
function stopListeningForTimeout(req, socket) {
  if (req.timeoutCb) socket.removeListener('timeout', onRequestTimeout);
  socket.removeListener('timeout', onResponseTimeout);
}

/** @this {Socket} */
function onRequestTimeout() {
  this.removeListener('timeout', onRequestTimeout);
  this._httpMessage?.emit('timeout');
}

/** @this {Socket} */
function onResponseTimeout() {
  this._httpMessage?.res?.emit('timeout');
}

module.exports = { listenForTimeout, onResponseTimeout, stopListeningForTimeout };
