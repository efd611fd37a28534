'use strict';

const EventEmitter = require('node:events');
const host = require('./internal/host');
const { setTimeout } = require('node:timers');

/**
 * What node's `_http_common` exports, and what the classes share: the grammar of tokens and field values, method tables, leniency.
 */

/**
 * Request methods by llhttp's number, which is what a request head's record carries. The RTSP ones are never accepted in HTTP.
 * @type {readonly string[]}
 */
const METHODS_BY_CODE = Object.freeze(
  (
    'DELETE GET HEAD POST PUT CONNECT OPTIONS TRACE COPY LOCK MKCOL MOVE PROPFIND PROPPATCH SEARCH UNLOCK BIND REBIND UNBIND ACL ' +
    'REPORT MKACTIVITY CHECKOUT MERGE M-SEARCH NOTIFY SUBSCRIBE UNSUBSCRIBE PATCH PURGE MKCALENDAR LINK UNLINK SOURCE ' +
    'PRI DESCRIBE ANNOUNCE SETUP PLAY PAUSE TEARDOWN GET_PARAMETER SET_PARAMETER REDIRECT RECORD FLUSH QUERY'
  ).split(' '),
);

/** The methods the host's node:http knows, in llhttp's order. */
const methods = METHODS_BY_CODE.filter((method) => host.METHODS.includes(method));

/** What differs between Node's releases and cannot be looked up in the host follows its major version. */
const HOST_MAJOR = Number.parseInt(process.versions.node, 10);

const CRLF = '\r\n';
const chunkExpression = /(?:^|\W)chunked(?:$|\W)/i;
const continueExpression = /(?:^|\W)100-continue(?:$|\W)/i;

/** Where a Server keeps the IncomingMessage class its connections make. */
const kIncomingMessage = Symbol('IncomingMessage');
/** Set on an IncomingMessage whose remaining body is dropped where it is parsed. */
const kSkipPendingData = Symbol('SkipPendingData');

/**
 * A symbol of the host's, by which programs that found it on one of the host's objects find the same on ours; a new one where it has none.
 * @param {object} object one of the host's that has it
 * @param {string} description
 * @returns {symbol}
 */
function hostSymbol(object, description) {
  const found = Object.getOwnPropertySymbols(object).find((symbol) => symbol.description === description);
  return found ?? Symbol(description);
}

/**
 * The same of what only an OutgoingMessage has, which takes the host ten times as long to make as one of its accessors to read the property.
 * @param {string} name of the method or accessor
 * @param {string} description
 * @returns {symbol}
 */
function messageSymbol(name, description) {
  /** @type {symbol | undefined} */
  let found;
  const message = new Proxy(Object.prototype, {
    get(_, key) {
      if (typeof key === 'symbol' && key.description === description) found = key;
      // No header fields, and no.
      return null;
    },
  });
  const { value, get = value } = /** @type {any} */ (
    Object.getOwnPropertyDescriptor(host.OutgoingMessage.prototype, name) ?? {}
  );
  try {
    get?.call(message);
  } catch {
    // It was no message of its own, after all.
  }
  return found ?? Symbol(description);
}

/**
 * Gives a prototype its properties, in the order that this Node's has them: it is seen by who lists them.
 * @param {object} prototype
 * @param {object} properties
 * @param {object} hostPrototype
 */
function defineInOrder(prototype, properties, hostPrototype) {
  for (const key of new Set([...Reflect.ownKeys(hostPrototype), ...Reflect.ownKeys(properties)])) {
    const descriptor = Object.getOwnPropertyDescriptor(properties, key);
    if (descriptor !== undefined) Object.defineProperty(prototype, key, descriptor);
  }
}

/** A message's own header table: null, or a Fields. */
const kOutHeaders = messageSymbol('getHeaderNames', 'kOutHeaders');
/** A parser's callback for time-outs: the last of HTTPParser's numbers. */
const kOnTimeout = 6;
/** A write has returned false and no 'drain' has been emitted since. */
const kNeedDrain = messageSymbol('writableNeedDrain', 'kNeedDrain');

/**
 * Header fields as they were set: lower-case name → [name, value]. Nothing is inherited that could pass for a field. Made by a function, as
 * such objects share their shapes: twice as fast to fill and to read as a Map, three times as what has no prototype at all (measured).
 * @constructor
 * @this {Record<string, [name: string, value: any]>}
 */
function Fields() {}
Fields.prototype = Object.freeze(Object.create(null));

// RFC 9110, section 5.6.2.
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/**
 * @param {string} text
 * @returns {boolean} whether text is an RFC 9110 token
 */
function checkIsHttpToken(text) {
  return TOKEN.test(text);
}

// RFC 9110, section 5.5: field-vchar, SP and HTAB.
const NOT_FIELD_VALUE = /[^\t\x20-\x7e\x80-\xff]/;
// What the Fetch standard forbids in a field value: NUL, LF, CR, and what is no byte at all.
const NOT_FETCH_VALUE = /[\0\n\r]|[^\0-\xff]/;

/**
 * @param {unknown} value tested as the string it converts to
 * @param {boolean} [lenient] the Fetch standard's rule instead of RFC 9110's
 * @returns {boolean} whether value contains what a field value must not
 */
function checkInvalidHeaderChar(value, lenient = false) {
  return (lenient ? NOT_FETCH_VALUE : NOT_FIELD_VALUE).test(/** @type {string} */ (value));
}

const INSECURE_FLAG = '--insecure-http-parser';
/** @type {boolean | undefined} */
let insecure;

/** @returns {boolean} whether the process was started with --insecure-http-parser; warns once if it was */
function isLenient() {
  if (insecure === undefined) {
    const given = [...process.execArgv, ...(process.env.NODE_OPTIONS ?? '').split(/\s+/)];
    insecure = given.includes(INSECURE_FLAG);
    if (insecure) process.emitWarning('Using insecure HTTP parsing');
  }
  return insecure;
}

/** Connection.attach's `lenient`. */
const LENIENCY = Object.freeze({ STRICT: 0, INSECURE: 1, RELAXED: 2 });

/**
 * How far a peer may stray, from the two options of Server and ClientRequest that say so.
 * @param {'strict' | 'relaxed' | 'insecure' | undefined} httpValidation
 * @param {boolean | undefined} insecureHTTPParser
 * @returns {number} one of LENIENCY
 */
function leniency(httpValidation, insecureHTTPParser) {
  if (httpValidation === 'relaxed') return LENIENCY.RELAXED;
  const insecurely = httpValidation === undefined ? (insecureHTTPParser ?? isLenient()) : httpValidation === 'insecure';
  return insecurely ? LENIENCY.INSECURE : LENIENCY.STRICT;
}

/** llhttp's lenient flags, by LENIENCY. */
const LLHTTP_FLAGS = Object.freeze([0, 0b11_1111_1111, 0b100_0000_0000]);

/**
 * The same as node's `_http_common` answers it: llhttp's lenient flags.
 * @param {'strict' | 'relaxed' | 'insecure' | undefined} httpValidation
 * @param {boolean | undefined} insecureHTTPParser
 */
function calculateLenientFlags(httpValidation, insecureHTTPParser) {
  return LLHTTP_FLAGS[leniency(httpValidation, insecureHTTPParser)];
}

/**
 * Completes a parser's error as 'clientError' and 'error' listeners see it.
 * @param {Error & { reason?: string, rawPacket?: Buffer }} err
 * @param {{ getCurrentBuffer?: () => Buffer } | null} parser
 * @param {Buffer} [rawPacket]
 */
function prepareError(err, parser, rawPacket) {
  err.rawPacket = rawPacket ?? parser?.getCurrentBuffer?.();
  if (typeof err.reason === 'string') err.message = `Parse Error: ${err.reason}`;
}

let dateText = '';

/** @returns {string} now as an RFC 9110 IMF-fixdate */
function utcDate() {
  if (dateText === '') {
    const now = new Date();
    dateText = now.toUTCString();
    // Forgotten when the second is over: asking the clock for every message costs more.
    setTimeout(forgetDate, 1000 - now.getMilliseconds()).unref();
  }
  return dateText;
}

function forgetDate() {
  dateText = '';
}

/**
 * A message's `eventNames`: EventEmitter's asks for the listeners' table, which there is from the first listener on.
 * @this {any}
 */
function eventNames() {
  return this._events === undefined ? [] : EventEmitter.prototype.eventNames.call(this);
}

module.exports = {
  eventNames,
  // node's `_http_common`
  _checkInvalidHeaderChar: checkInvalidHeaderChar,
  _checkIsHttpToken: checkIsHttpToken,
  chunkExpression,
  continueExpression,
  CRLF,
  methods,
  kIncomingMessage,
  isLenient,
  calculateLenientFlags,
  prepareError,
  kSkipPendingData,
  // ferrohttp's own
  HOST_MAJOR,
  METHODS_BY_CODE,
  leniency,
  Fields,
  defineInOrder,
  hostSymbol,
  kOutHeaders,
  kOnTimeout,
  kNeedDrain,
  utcDate,
};
