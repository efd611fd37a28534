'use strict';

const { _checkInvalidHeaderChar: hasInvalidChar, CRLF, Fields, isLenient, kOutHeaders } = require('./common');
const { codes } = require('./errors');
const { isBadValue, kUniqueHeaders } = require('./head');
const { lowerCase, validateHeaderName } = require('./headers');
const { validateString } = require('./validators');

const { ERR_HTTP_HEADERS_SENT, ERR_HTTP_INVALID_HEADER_VALUE, ERR_INVALID_ARG_TYPE, ERR_INVALID_CHAR } = codes;

/**
 * OutgoingMessage's methods for its header and trailer fields, until its head is written. The fields are a Fields in kOutHeaders, which is
 * null while there are none.
 */

/**
 * @this {any}
 * @returns {boolean} whether values may hold all that the Fetch standard allows
 */
function _isLenientHeaderValidation() {
  if (this.httpValidation !== undefined) return this.httpValidation !== 'strict';
  const server = this.req?.socket?.server;
  if (server?.httpValidation !== undefined) return server.httpValidation !== 'strict';
  if (typeof this.insecureHTTPParser === 'boolean') return this.insecureHTTPParser;
  if (typeof server?.insecureHTTPParser === 'boolean') return server.insecureHTTPParser;
  return isLenient();
}

/**
 * @param {any} msg
 * @param {'set' | 'append'} action
 * @param {any} name
 * @param {any} value
 */
function validateField(msg, action, name, value) {
  if (msg._header) throw new ERR_HTTP_HEADERS_SENT(action);
  validateHeaderName(name);
  if (value === undefined) throw new ERR_HTTP_INVALID_HEADER_VALUE(value, name);
  if (isBadValue(msg, value)) throw new ERR_INVALID_CHAR('header content', name);
}

/**
 * @this {any}
 * @param {string} name
 * @param {any} value
 */
function setHeader(name, value) {
  validateField(this, 'set', name, value);
  this[kOutHeaders] ??= new /** @type {any} */ (Fields)();
  this[kOutHeaders][lowerCase(name)] = [name, value];
  return this;
}

/**
 * @this {any}
 * @param {any} headers a Headers or a Map
 */
function setHeaders(headers) {
  if (this._header) throw new ERR_HTTP_HEADERS_SENT('set');
  const listed = !headers || Array.isArray(headers);
  if (listed || typeof headers.keys !== 'function' || typeof headers.get !== 'function') {
    throw new ERR_INVALID_ARG_TYPE('headers', ['Headers', 'Map'], headers);
  }
  // A Headers object yields each cookie on its own, and the second must not replace the first.
  const cookies = [];
  for (const [name, value] of headers) {
    if (name !== 'set-cookie') this.setHeader(name, value);
    else if (Array.isArray(value)) cookies.push(...value);
    else cookies.push(value);
  }
  if (cookies.length > 0) this.setHeader('set-cookie', cookies);
  return this;
}

/**
 * @this {any}
 * @param {string} name
 * @param {any} value
 */
function appendHeader(name, value) {
  validateField(this, 'append', name, value);
  const entry = this[kOutHeaders]?.[lowerCase(name)];
  if (entry === undefined) return this.setHeader(name, value);
  if (!Array.isArray(entry[1])) entry[1] = [entry[1]];
  if (Array.isArray(value)) entry[1].push(...value);
  else entry[1].push(value);
  return this;
}

/**
 * @this {any}
 * @param {string} name
 */
function getHeader(name) {
  validateString(name, 'name');
  return this[kOutHeaders]?.[lowerCase(name)]?.[1];
}

/** @this {any} */
function getHeaderNames() {
  return this[kOutHeaders] === null ? [] : Object.keys(this[kOutHeaders]);
}

/** @this {any} */
function getRawHeaderNames() {
  return this[kOutHeaders] === null ? [] : Object.values(this[kOutHeaders]).map(([name]) => name);
}

/** @this {any} */
function getHeaders() {
  const headers = Object.create(null);
  const fields = this[kOutHeaders];
  if (fields) for (const lower of Object.keys(fields)) headers[lower] = fields[lower][1];
  return headers;
}

/**
 * @this {any}
 * @param {string} name
 */
function hasHeader(name) {
  validateString(name, 'name');
  return Boolean(this[kOutHeaders]?.[lowerCase(name)]);
}

/**
 * @this {any}
 * @param {string} name
 */
function removeHeader(name) {
  validateString(name, 'name');
  if (this._header) throw new ERR_HTTP_HEADERS_SENT('remove');
  const lower = lowerCase(name);
  // Removing what Node would add keeps it from being added.
  if (lower === 'connection') this._removedConnection = true;
  else if (lower === 'content-length') this._removedContLen = true;
  else if (lower === 'transfer-encoding') this._removedTE = true;
  else if (lower === 'date') this.sendDate = false;
  const fields = this[kOutHeaders];
  // An object from which something has been deleted is slower.
  if (fields !== null && lower in fields) delete fields[lower];
}

/**
 * The fields set so far, under the names as they were set.
 * @this {any}
 */
function _renderHeaders() {
  if (this._header) throw new ERR_HTTP_HEADERS_SENT('render');
  /** @type {Record<string, any>} */
  const headers = {};
  if (this[kOutHeaders] !== null) for (const [name, value] of Object.values(this[kOutHeaders])) headers[name] = value;
  return headers;
}

/**
 * @this {any}
 * @param {any} headers an object, or a list of pairs
 */
function addTrailers(headers) {
  // What has ended has them already, or has none: it may be sent only later, when its turn comes.
  const keeps = this.finished;
  if (!keeps) this._trailer = '';
  const pairs = Array.isArray(headers) ? headers : Object.entries(headers);
  for (const [name, given] of pairs) {
    validateHeaderName(name, 'Trailer name');
    const joined = !Array.isArray(given) || given.length < 2 || this[kUniqueHeaders]?.has(lowerCase(name));
    for (const value of joined ? [Array.isArray(given) ? given.join('; ') : given] : given) {
      if (hasInvalidChar(value) && hasInvalidChar(value, this._isLenientHeaderValidation())) {
        throw new ERR_INVALID_CHAR('trailer content', name);
      }
      if (!keeps) this._trailer += `${name}: ${value}${CRLF}`;
    }
  }
}

module.exports = {
  _isLenientHeaderValidation,
  setHeader,
  setHeaders,
  appendHeader,
  getHeader,
  getHeaderNames,
  getRawHeaderNames,
  getHeaders,
  hasHeader,
  removeHeader,
  _renderHeaders,
  addTrailers,
};
