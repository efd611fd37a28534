'use strict';

const { URL, urlToHttpOptions } = require('node:url');
const { codes } = require('./errors');
const { validateBoolean, validateInteger, validateNumber, validateOneOf, validateString } = require('./validators');
const { _checkIsHttpToken: checkIsHttpToken } = require('./common');

const {
  ERR_INVALID_ARG_TYPE,
  ERR_INVALID_ARG_VALUE,
  ERR_INVALID_HTTP_TOKEN,
  ERR_INVALID_PROTOCOL,
  ERR_OUT_OF_RANGE,
  ERR_UNESCAPED_CHARACTERS,
} = codes;

/** What may stand in a request target: RFC 9112's characters, and obs-text, which servers have long seen unescaped. */
const NOT_TARGET = /[^\u0021-\u00ff]/;

/** The longest a timer can wait, in ms. */
const TIMER_MAX = 2 ** 31 - 1;

const VALIDATIONS = Object.freeze(['strict', 'relaxed', 'insecure']);

/** Methods whose requests have no body unless the user says so. */
const BODILESS = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT']);

/** @typedef {import('node:http').RequestOptions & Record<string, any>} RequestOptions */

/**
 * What options are merged into. Nothing is inherited: a polluted Object.prototype must not choose where a request goes.
 * An object made by Object.create(null) would do too, but is a hash table: copying four options takes it 0.6 µs, this 0.07.
 * @constructor
 */
function Options() {}
Options.prototype = Object.create(null);

/**
 * @param {object | null | undefined} first
 * @param {object | null | undefined} second goes before the first
 * @returns {RequestOptions}
 */
function mergeOptions(first, second) {
  return Object.assign(new /** @type {any} */ (Options)(), first, second);
}

/**
 * A WHATWG URL, of this realm or another, and not the result of url.parse().
 * @param {any} value
 * @returns {value is URL}
 */
function isURL(value) {
  return Boolean(value?.href && value.protocol && value.auth === undefined && value.path === undefined);
}

/**
 * Sorts out request(url[, options][, callback]) and request(options[, callback]).
 * @param {any} input
 * @param {any} options
 * @param {any} callback
 * @returns {{ options: RequestOptions, callback: ((res: any) => void) | undefined }} options is the caller's to change
 */
function mergeArguments(input, options, callback) {
  let base = null;
  if (typeof input === 'string') {
    base = urlToHttpOptions(new URL(input));
  } else if (isURL(input)) {
    base = urlToHttpOptions(input);
  } else {
    callback = options;
    options = input;
  }
  if (typeof options === 'function') {
    callback = options;
    options = null;
  }
  return { options: mergeOptions(base, options), callback };
}

/**
 * @param {any} host
 * @param {'host' | 'hostname'} name
 * @returns {string | null | undefined}
 */
function checkHost(host, name) {
  if (host == null || typeof host === 'string') return host;
  throw new ERR_INVALID_ARG_TYPE(`options.${name}`, ['string', 'undefined', 'null'], host);
}

/**
 * @param {unknown} path
 * @returns {string} what was checked, and no later answer of the same object
 */
function checkPath(path) {
  const target = String(path);
  if (NOT_TARGET.test(target)) throw new ERR_UNESCAPED_CHARACTERS('Request path');
  return target;
}

/**
 * @param {any} method
 * @returns {string} in upper case, 'GET' when none is given
 */
function checkMethod(method) {
  if (method === undefined || method === null) return 'GET';
  validateString(method, 'options.method');
  if (method === '') return 'GET';
  if (!checkIsHttpToken(method)) throw new ERR_INVALID_HTTP_TOKEN('Method', method);
  return method.toUpperCase();
}

/**
 * @param {string} given
 * @param {string} expected
 */
function checkProtocol(given, expected) {
  if (given !== expected) throw new ERR_INVALID_PROTOCOL(given, expected);
}

/**
 * The options that say how the response is parsed.
 * @param {RequestOptions} options
 */
function checkParserOptions(options) {
  const { maxHeaderSize, insecureHTTPParser, httpValidation, joinDuplicateHeaders } = options;
  if (maxHeaderSize !== undefined) validateInteger(maxHeaderSize, 'maxHeaderSize', 0);
  if (insecureHTTPParser !== undefined) validateBoolean(insecureHTTPParser, 'options.insecureHTTPParser');
  if (httpValidation !== undefined) {
    validateOneOf(httpValidation, 'options.httpValidation', VALIDATIONS);
    if (insecureHTTPParser !== undefined) {
      const reason = 'cannot be used together with options.insecureHTTPParser';
      throw new ERR_INVALID_ARG_VALUE('options.httpValidation', httpValidation, reason);
    }
  }
  if (joinDuplicateHeaders !== undefined) validateBoolean(joinDuplicateHeaders, 'options.joinDuplicateHeaders');
}

/**
 * @param {any} msecs
 * @param {string} name
 * @returns {number} a duration a timer can take, in ms; one too long is cut, with a warning
 */
function timerDuration(msecs, name) {
  validateNumber(msecs, name);
  if (msecs < 0 || !Number.isFinite(msecs)) throw new ERR_OUT_OF_RANGE(name, 'a non-negative finite number', msecs);
  if (msecs <= TIMER_MAX) return msecs;
  process.emitWarning(
    `${msecs} does not fit into a 32-bit signed integer.\nTimer duration was truncated to ${TIMER_MAX}.`,
    'TimeoutOverflowWarning',
  );
  return TIMER_MAX;
}

/**
 * The value of the Host field, and of the authority in a URL.
 * @param {string} host
 * @returns {string} with an IPv6 address in brackets (RFC 3986, section 3.2.2)
 */
function uriHost(host) {
  const colon = host.indexOf(':');
  return colon >= 0 && host.includes(':', colon + 1) && host[0] !== '[' ? `[${host}]` : host;
}

module.exports = {
  BODILESS,
  checkHost,
  checkMethod,
  checkParserOptions,
  checkPath,
  checkProtocol,
  mergeArguments,
  mergeOptions,
  timerDuration,
  uriHost,
};
