'use strict';

const { _checkInvalidHeaderChar: hasInvalidChar, chunkExpression, CRLF, kOutHeaders, utcDate } = require('./common');
const { codes } = require('./errors');
const { lowerCase, validateHeaderName } = require('./headers');

const { ERR_HTTP_INVALID_HEADER_VALUE, ERR_HTTP_TRAILER_INVALID, ERR_INVALID_ARG_VALUE, ERR_INVALID_CHAR } = codes;

/**
 * The text of a message's head: its fields as they were set, then those that Node adds, and what follows from both for the
 * message's framing and its connection's persistence (RFC 9112, sections 6 and 9).
 */

/** On a message: the lower-case names whose values are joined into one line, or null. */
const kUniqueHeaders = Symbol('kUniqueHeaders');

const CONNECTION_CLOSE = /(?:^|\W)close(?:$|\W)/i;

/** Fields the head has, as bits: those that decide what Node adds to it. */
const HAS = Object.freeze({
  CONNECTION: 1,
  CONTENT_LENGTH: 2,
  TRANSFER_ENCODING: 4,
  DATE: 8,
  EXPECT: 16,
  TRAILER: 32,
});

/** Whether a field's value has been checked when it was set. */
const CHECKED = true;
const UNCHECKED = false;

/**
 * The value of an outgoing field may hold what the message's leniency allows, which is looked up only when it matters.
 * @param {any} msg an OutgoingMessage
 * @param {unknown} value
 * @returns {boolean}
 */
function isBadValue(msg, value) {
  return typeof value !== 'number' && hasInvalidChar(value) && hasInvalidChar(value, msg._isLenientHeaderValidation());
}

/** A head being written. */
class Head {
  /**
   * @param {any} msg
   * @param {string} startLine with its line end
   */
  constructor(msg, startLine) {
    this.msg = msg;
    this.text = startLine;
    this.has = 0;
  }

  /**
   * Adds what the user handed over just now.
   * @param {any} headers an object, a flat list of names and values, or a list of pairs
   * @throws {TypeError} as validateHeaderName and validateHeaderValue, and ERR_INVALID_ARG_VALUE for half a pair
   */
  addUserFields(headers) {
    if (!Array.isArray(headers)) {
      for (const name in headers) {
        if (Object.hasOwn(headers, name)) this.addUserField(name, headers[name]);
      }
    } else if (Array.isArray(headers[0])) {
      for (let i = 0; i < headers.length; i++) this.addUserField(headers[i][0], headers[i][1]);
    } else {
      if (headers.length % 2 !== 0) throw new ERR_INVALID_ARG_VALUE('headers', headers);
      for (let i = 0; i < headers.length; i += 2) this.addUserField(headers[i], headers[i + 1]);
    }
  }

  /**
   * @param {string} name
   * @param {any} value
   */
  addUserField(name, value) {
    validateHeaderName(name);
    this.add(name, lowerCase(name), value, UNCHECKED);
  }

  /**
   * @param {string} lower
   * @param {any[]} values
   * @returns {boolean} whether the values stand in one line
   */
  joins(lower, values) {
    if (lower === 'cookie' && values.length > 1) return true;
    const unique = this.msg[kUniqueHeaders];
    return unique ? unique.has(lower) : false;
  }

  /**
   * @param {string} name
   * @param {string} lower the name in lower case
   * @param {any} value
   * @param {boolean} checked
   */
  add(name, lower, value, checked) {
    let values = value;
    if (lower === 'content-disposition' && this.msg._contentLength) values = recode(value);
    if (!Array.isArray(values)) {
      this.addLine(name, lower, values, checked);
    } else if (this.joins(lower, values)) {
      this.addLine(name, lower, values.join('; '), checked);
    } else {
      for (let i = 0; i < values.length; i++) this.addLine(name, lower, values[i], checked);
    }
  }

  /**
   * @param {string} name
   * @param {string} lower
   * @param {any} value
   * @param {boolean} checked
   */
  addLine(name, lower, value, checked) {
    if (checked === UNCHECKED) {
      if (value === undefined) throw new ERR_HTTP_INVALID_HEADER_VALUE(value, name);
      if (isBadValue(this.msg, value)) throw new ERR_INVALID_CHAR('header content', name);
    }
    this.text += `${name}: ${value}\r\n`;
    const { msg } = this;
    switch (lower) {
      case 'connection':
        this.has |= HAS.CONNECTION;
        msg._removedConnection = false;
        if (CONNECTION_CLOSE.test(value)) msg._last = true;
        else msg.shouldKeepAlive = true;
        break;
      case 'transfer-encoding':
        this.has |= HAS.TRANSFER_ENCODING;
        msg._removedTE = false;
        if (chunkExpression.test(value)) msg.chunkedEncoding = true;
        break;
      case 'content-length':
        this.has |= HAS.CONTENT_LENGTH;
        msg._contentLength = +value;
        msg._removedContLen = false;
        break;
      case 'date':
        this.has |= HAS.DATE;
        break;
      case 'expect':
        this.has |= HAS.EXPECT;
        break;
      case 'trailer':
        this.has |= HAS.TRAILER;
        break;
      case 'keep-alive':
        msg._defaultKeepAlive = false;
        break;
    }
  }

  /** Adds Connection and Keep-Alive unless they are there, or were removed. */
  addPersistence() {
    const { msg } = this;
    if (msg._removedConnection) {
      msg._last = !msg.shouldKeepAlive;
      return;
    }
    if ((this.has & HAS.CONNECTION) !== 0) return;
    const delimited = (this.has & HAS.CONTENT_LENGTH) !== 0 || msg.useChunkedEncodingByDefault || msg.agent;
    if (!msg.shouldKeepAlive || !delimited) {
      msg._last = true;
      this.text += 'Connection: close\r\n';
    } else if (msg.maxRequestsOnConnectionReached) {
      this.text += 'Connection: close\r\n';
    } else {
      this.text +=
        msg._keepAliveTimeout && msg._defaultKeepAlive
          ? keepAliveLines(msg._keepAliveTimeout, msg._maxRequestsPerSocket)
          : KEEP_ALIVE;
    }
  }

  /** Adds Content-Length or Transfer-Encoding unless they are there, or were removed. */
  addFraming() {
    const { msg } = this;
    if ((this.has & (HAS.CONTENT_LENGTH | HAS.TRANSFER_ENCODING)) !== 0) return;
    if (!msg._hasBody) {
      msg.chunkedEncoding = false;
    } else if (!msg.useChunkedEncodingByDefault) {
      msg._last = true;
    } else if ((this.has & HAS.TRAILER) === 0 && !msg._removedContLen && typeof msg._contentLength === 'number') {
      this.text += contentLengthLine(msg._contentLength);
    } else if (!msg._removedTE) {
      this.text += 'Transfer-Encoding: chunked\r\n';
      msg.chunkedEncoding = true;
    } else {
      // Nothing delimits the body but the end of the connection.
      msg._last = true;
    }
  }
}

/**
 * A file name in Content-Disposition is taken to be UTF-8 read as Latin-1, where the body's length is known:
 * Node writes such a head in UTF-8 together with the body (RFC 6266, section 4.3).
 * @param {any} value
 * @returns {any}
 */
function recode(value) {
  return Array.isArray(value) ? value.map(recode) : Buffer.from(value, 'latin1').toString();
}

const KEEP_ALIVE = `Connection: keep-alive${CRLF}`;

/**
 * A composer of lines that most messages have alike: one that is like the one before is not composed again, which costs as much as all the rest
 * of a head.
 * @param {(first: any, second: any) => string} compose
 * @returns {(first: any, second?: any) => string}
 */
function remembering(compose) {
  // At first like nothing, itself included.
  /** @type {any} */
  let lastFirst = Number.NaN;
  /** @type {any} */
  let lastSecond;
  let line = '';
  return (first, second) => {
    if (first !== lastFirst || second !== lastSecond) {
      line = compose(first, second);
      lastFirst = first;
      lastSecond = second;
    }
    return line;
  };
}

const keepAliveLines = remembering((timeout, most) => {
  const max = ~~most > 0 ? `, max=${most}` : '';
  return `${KEEP_ALIVE}Keep-Alive: timeout=${Math.floor(timeout / 1000)}${max}${CRLF}`;
});

const dateLine = remembering((date) => `Date: ${date}${CRLF}`);

const contentLengthLine = remembering((length) => `Content-Length: ${length}${CRLF}`);

/**
 * Writes a message's head into `_header`, and sets what follows from it: `_last`, `chunkedEncoding`, `shouldKeepAlive`.
 * @param {any} msg
 * @param {string} startLine with its line end
 * @param {any} headers the message's own table, or what writeHead and ClientRequest take
 * @returns {boolean} whether the head shall be sent without waiting for the body (Expect)
 * @throws {Error} ERR_HTTP_TRAILER_INVALID, and as Head.addUserFields
 */
function writeHead(msg, startLine, headers) {
  const head = new Head(msg, startLine);
  if (headers) {
    if (headers === msg[kOutHeaders])
      for (const lower in headers) head.add(headers[lower][0], lower, headers[lower][1], CHECKED);
    else head.addUserFields(headers);
  }
  if (msg.sendDate && (head.has & HAS.DATE) === 0) head.text += dateLine(utcDate());

  // These have no body: peers would take a last chunk for the next message.
  if (msg.chunkedEncoding && (msg.statusCode === 204 || msg.statusCode === 304)) {
    msg.chunkedEncoding = false;
    msg.shouldKeepAlive = false;
  }
  head.addPersistence();
  head.addFraming();
  if ((head.has & HAS.TRAILER) !== 0 && msg.chunkedEncoding !== true) throw new ERR_HTTP_TRAILER_INVALID();

  msg._header = head.text + CRLF;
  msg._headerSent = false;
  return (head.has & HAS.EXPECT) !== 0;
}

/**
 * The names of an option `uniqueHeaders`, to be kept in kUniqueHeaders.
 * @param {unknown} names
 * @returns {Set<string> | null}
 */
function parseUniqueHeadersOption(names) {
  return Array.isArray(names) ? new Set(names.map((name) => name.toLowerCase())) : null;
}

module.exports = { isBadValue, kUniqueHeaders, parseUniqueHeadersOption, remembering, writeHead };
