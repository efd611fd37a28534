'use strict';

const diagnostics = require('node:diagnostics_channel');
const { kNeedDrain } = require('./common');
const { ConnResetException } = require('./errors');
const { complete } = require('./incoming');
const { hide } = require('./inspect');
const { annotate } = require('./internal/annotate');
const { kConnection } = require('./internal/connection');

/**
 * What a client's connection hears from its socket, whoever moves the bytes, and what its request hears of that. The listeners are shared by all
 * sockets: `this` is the socket, `socket._httpMessage` its current request.
 */

/** Where a request stands with its socket. */
const STAGE = Object.freeze({
  /** None yet, or given and not yet taken up. */
  WAITING: 0,
  /** The socket's bytes are this request's. */
  ATTACHED: 1,
  /** The response has ended and the socket is on its way back to the Agent. */
  RELEASED: 2,
  /** The socket is the user's ('upgrade', 'connect'). */
  SURRENDERED: 3,
});

/** Which of our listeners a socket has. */
const WIRING = Object.freeze({ NONE: 0, ERROR: 1, ALL: 2 });

/** A request's STAGE. */
const kStage = Symbol('stage');
/** A request's AsyncResource: its events run in the context that it was made in, whoever used the socket before. */
const kResource = Symbol('resource');
/** On a response: its socket has closed, by which the peer has ended the body. */
const kEndsWithConnection = Symbol('endsWithConnection');
/** A socket's WIRING. */
const kWiring = Symbol('wiring');

hide(kStage, kResource, kEndsWithConnection);

const requestError = diagnostics.channel('http.client.request.error');

/** @typedef {import('node:net').Socket & Record<PropertyKey, any>} Socket */
/** @typedef {any} ClientRequest */

/**
 * @param {ClientRequest} request
 * @param {Error} error
 */
function emitError(request, error) {
  if (requestError.hasSubscribers) requestError.publish({ request, error });
  request.emit('error', error);
}

/**
 * The error of a connection that ended too soon; told once per socket.
 * @param {ClientRequest} req
 * @param {Socket} socket
 */
function emitHangUp(req, socket) {
  if (socket._hadError) return;
  socket._hadError = true;
  emitError(req, new ConnResetException('socket hang up'));
}

/**
 * The request's last event.
 * @param {ClientRequest} req
 */
function close(req) {
  req._closed = true;
  req.emit('close');
  req[kResource].emitDestroy();
}

/**
 * The response has been read, or never will be.
 * @param {ClientRequest} req
 * @param {Socket} socket
 */
function dropParser(req, socket) {
  req.parser = null;
  socket.parser = null;
}

/** A socket is on its way to a request: it may fail before that has it. @param {Socket} socket */
function hearErrors(socket) {
  if (socket[kWiring]) return;
  annotate(socket, kWiring, WIRING.ERROR);
  socket.on('error', onSocketError);
}

/** @param {Socket} socket which hearErrors was called with */
function listen(socket) {
  if (socket[kWiring] === WIRING.ALL) return;
  socket[kWiring] = WIRING.ALL;
  socket.on('end', onSocketEnd);
  socket.on('close', onSocketClose);
  socket.on('drain', onSocketDrain);
}

/** @param {Socket} socket @returns {boolean} whether it has any of our listeners */
const isHeard = (socket) => socket[kWiring] !== WIRING.NONE;

/** @param {Socket} socket */
function unlisten(socket) {
  socket.removeListener('error', onSocketError);
  if (socket[kWiring] === WIRING.ALL) {
    socket.removeListener('end', onSocketEnd);
    socket.removeListener('close', onSocketClose);
    socket.removeListener('drain', onSocketDrain);
  }
  socket[kWiring] = WIRING.NONE;
}

/**
 * @this {Socket}
 * @param {Error} err
 */
function onSocketError(err) {
  const req = this._httpMessage;
  if (req && req[kStage] !== STAGE.RELEASED) {
    this._hadError = true;
    emitError(req, err);
    endWithConnection(req, this);
  }
  this.removeListener('end', onSocketEnd);
  this.destroy();
}

/**
 * A body that ends with its connection is complete by now, however that has ended.
 * @param {ClientRequest} req
 * @param {Socket} socket
 */
function endWithConnection(req, socket) {
  socket[kConnection]?.finish();
  const { res } = req;
  if (!res?.[kEndsWithConnection] || res.complete) return;
  complete(res, '');
  dropParser(req, socket);
}

/** @this {Socket} */
function onSocketEnd() {
  const req = this._httpMessage;
  if (req?.[kStage] === STAGE.ATTACHED) {
    if (!req.res) emitHangUp(req, this);
    // What it cuts off is told when the socket closes.
    this[kConnection]?.finish();
  }
  this.destroy();
}

/** @this {Socket} */
function onSocketClose() {
  const req = this._httpMessage;
  if (req?.[kStage] !== STAGE.ATTACHED) return;
  const { res } = req;
  req[kStage] = STAGE.RELEASED;
  req.destroyed = true;
  dropParser(req, this);
  if (res) {
    if (!res.complete) res.destroy(new ConnResetException('aborted'));
    close(req);
    if (!res.aborted && res.readable) res.push(null);
    endWithConnection(req, this);
  } else {
    emitHangUp(req, this);
    close(req);
  }
  req.outputData.length = 0;
}

/** @this {Socket} */
function onSocketDrain() {
  const req = this._httpMessage;
  if (req && !req.finished && req[kNeedDrain]) {
    req[kNeedDrain] = false;
    req.emit('drain');
  }
}

module.exports = {
  STAGE,
  close,
  dropParser,
  emitError,
  hearErrors,
  isHeard,
  kEndsWithConnection,
  kResource,
  kStage,
  listen,
  onSocketClose,
  onSocketEnd,
  unlisten,
};
