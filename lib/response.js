'use strict';

const { channel } = require('node:diagnostics_channel');
const host = require('./internal/host');

const { _checkInvalidHeaderChar: checkInvalidHeaderChar, chunkExpression, kOutHeaders } = require('./common');
const { codes } = require('./errors');
const { remembering } = require('./head');
const { hide } = require('./inspect');
const { annotate } = require('./internal/annotate');
const {
  hasOwnEmit,
  isTold,
  kFinished,
  OutgoingMessage,
  validateHeaderName,
  validateHeaderValue,
} = require('./outgoing');
const { validateInteger, validateLinkHeaderValue, validateObject } = require('./validators');

const { STATUS_CODES } = host;

/** http.ServerResponse: the status line and the informational responses before it. The rest is OutgoingMessage's. */

const responseCreated = channel('http.server.response.created');

/** On a response: the ServerConnection it answers on, or null. On a socket: the ServerConnection that has it. */
const kServerConnection = Symbol('kServerConnection');

/**
 * @param {any} req anything with a method and a version; light-my-request and nock pass objects of their own
 * @param {{ highWaterMark?: number, rejectNonStandardBodyWrites?: boolean }} [options]
 */
function ServerResponse(req, options) {
  OutgoingMessage.call(this, options);
  if (req.method === 'HEAD') this._hasBody = false;
  this.req = req;
  this.sendDate = true;
  this._sent100 = false;
  this._expect_continue = false;
  this[kServerConnection] = null;
  if (req.httpVersionMajor < 1 || req.httpVersionMinor < 1) {
    this.useChunkedEncodingByDefault = chunkExpression.test(req.headers.te);
    this.shouldKeepAlive = false;
  }
  if (responseCreated.hasSubscribers) responseCreated.publish({ request: req, response: this });
}
Object.setPrototypeOf(ServerResponse.prototype, OutgoingMessage.prototype);
Object.setPrototypeOf(ServerResponse, OutgoingMessage);

ServerResponse.prototype._finish = function _finish() {
  OutgoingMessage.prototype._finish.call(this);
};

/**
 * Whether somebody has thrown on the way to the 'finish' of the response that has the socket. So it has it for ever, and in Node those behind it are
 * never sent.
 * @param {any} res which is sent
 */
function isBehindOneThatStays(res) {
  const holder = res[kServerConnection]?.socket._httpMessage;
  return holder && holder !== res && isTold(holder);
}

/** The connection's own work comes before what 'finish' listeners do. Who has put an `emit` of his own there decides when that is. */
Object.defineProperty(ServerResponse.prototype, kFinished, {
  configurable: true,
  writable: true,
  /** @this {any} */
  value() {
    if (isBehindOneThatStays(this)) return;
    const connection = this[kServerConnection];
    if (connection && hasOwnEmit(this)) OutgoingMessage.prototype.prependListener.call(this, 'finish', onFinish);
    else connection?.responseSent(this);
    OutgoingMessage.prototype[kFinished].call(this);
  },
});

/** @this {any} a response whose connection's own work is done in turn with its listeners */
function onFinish() {
  if (!isBehindOneThatStays(this)) this[kServerConnection].responseSent(this);
}

// Listeners that are put before all others find the response on its socket yet; then the connection's is one of them, as it always is in Node.
for (const name of /** @type {const} */ (['prependListener', 'prependOnceListener'])) {
  Object.defineProperty(ServerResponse.prototype, name, {
    configurable: true,
    enumerable: true,
    writable: true,
    /** @this {any} @param {string | symbol} event @param {any} listener */
    value(event, listener) {
      if (event === 'finish' && this[kServerConnection] && !Object.hasOwn(this, kFinished)) {
        annotate(this, kFinished, OutgoingMessage.prototype[kFinished]);
        OutgoingMessage.prototype.prependListener.call(this, 'finish', onFinish);
      }
      return OutgoingMessage.prototype[name].call(this, event, listener);
    },
  });
}

ServerResponse.prototype.statusCode = 200;
ServerResponse.prototype.statusMessage = undefined;

hide(kServerConnection);

/** @param {any} res */
function emitClose(res) {
  if (res._closed) return;
  res.destroyed = true;
  res._closed = true;
  res.emit('close');
}

/** A socket's 'close': so is the response it carries. */
function onServerResponseClose() {
  // The listener may have been removed by one before it, and is called all the same: the socket may be detached by now.
  if (this._httpMessage) emitClose(this._httpMessage);
}

/** @param {any} socket any Duplex */
ServerResponse.prototype.assignSocket = function assignSocket(socket) {
  if (socket._httpMessage) throw new codes.ERR_HTTP_SOCKET_ASSIGNED();
  socket._httpMessage = this;
  // A connection of ours listens once for all its responses.
  if (socket[kServerConnection] === undefined) socket.on('close', onServerResponseClose);
  this.socket = socket;
  this.emit('socket', socket);
  this._flush();
};

/** @param {any} socket */
ServerResponse.prototype.detachSocket = function detachSocket(socket) {
  if (socket._httpMessage !== this) throw new codes.ERR_INTERNAL_ASSERTION();
  if (socket[kServerConnection] === undefined) socket.removeListener('close', onServerResponseClose);
  socket._httpMessage = null;
  this.socket = null;
};

/**
 * Calls back with each field of any form of headers that writeInformation takes.
 * @param {any} headers an object, a list of pairs, or a flat list of names and values
 * @param {(name: any, value: any) => void} visit
 */
function eachField(headers, visit) {
  if (!Array.isArray(headers)) {
    validateObject(headers, 'headers');
    for (const name of Object.keys(headers)) visit(name, headers[name]);
  } else if (Array.isArray(headers[0])) {
    for (const [name, value] of headers) visit(name, value);
  } else {
    if (headers.length % 2 !== 0) throw new codes.ERR_INVALID_ARG_VALUE('headers', headers);
    for (let i = 0; i < headers.length; i += 2) visit(headers[i], headers[i + 1]);
  }
}

/**
 * Sends an informational response; the final one is still to come.
 * @param {number} statusCode 100 to 199, but not 101, which is final
 * @param {any} [headers]
 * @param {Function} [callback]
 * @returns {boolean} as write
 */
ServerResponse.prototype.writeInformation = function writeInformation(statusCode, headers, callback) {
  if (this._header) throw new codes.ERR_HTTP_HEADERS_SENT('write');
  validateInteger(statusCode, 'statusCode', 100, 199);
  if (statusCode === 101) throw new codes.ERR_HTTP_INVALID_STATUS_CODE(statusCode);

  let head = `HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode] || 'unknown'}\r\n`;
  if (headers !== undefined && headers !== null) {
    const lenient = this._isLenientHeaderValidation();
    eachField(headers, (name, value) => {
      validateHeaderName(name);
      validateHeaderValue(name, value, lenient);
      head += `${name}: ${value}\r\n`;
    });
  }
  return this._writeRaw(`${head}\r\n`, 'ascii', callback);
};

/** @param {Function} [callback] */
ServerResponse.prototype.writeContinue = function writeContinue(callback) {
  this.writeInformation(100, null, callback);
  this._sent100 = true;
};

/** @param {Function} [callback] */
ServerResponse.prototype.writeProcessing = function writeProcessing(callback) {
  this.writeInformation(102, null, callback);
};

/**
 * @param {any} hints fields of the 103; without a link nothing is sent
 * @param {Function} [callback]
 */
ServerResponse.prototype.writeEarlyHints = function writeEarlyHints(hints, callback) {
  validateObject(hints, 'hints');
  const { link, ...others } = hints;
  if (link === null || link === undefined) return;
  const Link = validateLinkHeaderValue(link);
  if (Link.length === 0) return;
  if (checkInvalidHeaderChar(Link)) throw new codes.ERR_INVALID_CHAR('header content', 'Link');
  this.writeInformation(103, { Link, ...others }, callback);
};

ServerResponse.prototype._implicitHeader = function _implicitHeader() {
  this.writeHead(this.statusCode);
};

/**
 * Lets the fields given to writeHead replace those set before; a flat list may repeat a name.
 * @param {any} res
 * @param {any} fields
 */
function mergeHeaders(res, fields) {
  if (Array.isArray(fields)) {
    if (fields.length % 2 !== 0) throw new codes.ERR_INVALID_ARG_VALUE('headers', fields);
    for (let i = 0; i < fields.length; i += 2) res.removeHeader(fields[i]);
    for (let i = 0; i < fields.length; i += 2) {
      if (fields[i]) res.appendHeader(fields[i], fields[i + 1]);
    }
  } else if (fields) {
    for (const name of Object.keys(fields)) {
      if (name) res.setHeader(name, fields[name]);
    }
  }
}

/** @throws {TypeError} ERR_INVALID_CHAR */
const statusLine = remembering((status, message) => {
  if (checkInvalidHeaderChar(message)) throw new codes.ERR_INVALID_CHAR('statusMessage');
  return `HTTP/1.1 ${status} ${message}\r\n`;
});

/**
 * @param {any} statusCode
 * @param {any} [reason] the reason phrase, or the headers
 * @param {any} [headers] an object, a flat list of names and values, or a list of pairs
 */
ServerResponse.prototype.writeHead = function writeHead(statusCode, reason, headers) {
  if (this._header) throw new codes.ERR_HTTP_HEADERS_SENT('write');
  const status = statusCode | 0;
  if (status < 100 || status > 999) throw new codes.ERR_HTTP_INVALID_STATUS_CODE(statusCode);

  let fields = headers;
  if (typeof reason === 'string') {
    this.statusMessage = reason;
  } else {
    this.statusMessage ||= STATUS_CODES[status] || 'unknown';
    fields ??= reason;
  }
  this.statusCode = status;

  if (this[kOutHeaders]) {
    mergeHeaders(this, fields);
    fields = this[kOutHeaders];
  }
  const startLine = statusLine(status, `${this.statusMessage}`);

  // RFC 9110, sections 15.2, 15.3.5 and 15.4.5: these end with their head.
  if (status < 200 || status === 204 || status === 304) this._hasBody = false;
  // The client may send its body without having been asked for it: what follows on the wire is anybody's guess.
  if (this._expect_continue && !this._sent100) this.shouldKeepAlive = false;

  this._storeHeader(startLine, fields);
  return this;
};

// Gone from Node 26.
if (Object.hasOwn(host.ServerResponse.prototype, 'writeHeader')) {
  ServerResponse.prototype.writeHeader = ServerResponse.prototype.writeHead;
}

module.exports = { ServerResponse, emitClose, kServerConnection, onServerResponseClose };
