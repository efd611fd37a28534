'use strict';

const { format, inspect } = require('node:util');

/**
 * Node's errors, as node:http throws them: the class is the base class's (`err.constructor === TypeError`), `code` is an own
 * enumerable property, and the code stands in brackets in `stack` and `toString()` but not in `name`.
 * Codes and texts are those of https://nodejs.org/api/errors.html; packages and tests compare them literally.
 */

/** @typedef {new (...args: any[]) => Error & { code: string }} CodedError */

/** Primitive type names, which ERR_INVALID_ARG_TYPE words as "of type x" and not as "an instance of X". */
const PRIMITIVES = new Set([
  'string',
  'function',
  'number',
  'object',
  'boolean',
  'bigint',
  'symbol',
  'Function',
  'Object',
]);

/** Longest string shown whole in a 'Received …' clause, and what is left of a longer one. */
const RECEIVED_MAX = 28;
const RECEIVED_CUT = 25;

/** Longest inspected value shown by ERR_INVALID_ARG_VALUE. */
const INSPECTED_MAX = 128;

/**
 * `a or b`, `a, b, or c`.
 * @param {string[]} words
 * @param {string} conjunction
 */
function enumerate(words, conjunction) {
  if (words.length < 3) return words.join(` ${conjunction} `);
  return `${words.slice(0, -1).join(', ')}, ${conjunction} ${words[words.length - 1]}`;
}

/**
 * What a 'Received …' clause says about a value of the wrong type.
 * @param {unknown} value
 * @returns {string}
 */
function describe(value) {
  if (value == null) return String(value);
  if (typeof value === 'function') return `function ${value.name}`;
  if (typeof value === 'object') {
    const maker = value.constructor;
    return maker && 'name' in maker ? `an instance of ${maker.name}` : inspect(value, { depth: -1 });
  }
  if (typeof value === 'string') {
    const shown = value.length > RECEIVED_MAX ? `${value.slice(0, RECEIVED_CUT)}...` : value;
    return `type string (${shown.includes("'") ? JSON.stringify(shown) : `'${shown}'`})`;
  }
  return `type ${typeof value} (${typeof value === 'symbol' ? String(value) : inspect(value)})`;
}

/**
 * `argument` or, for a dotted name, `property`.
 * @param {string} name
 */
function nounFor(name) {
  return name.includes('.') ? 'property' : 'argument';
}

/**
 * @param {string} name
 * @param {string | string[]} expected
 * @param {unknown} actual
 */
function invalidArgType(name, expected, actual) {
  const wanted = Array.isArray(expected) ? expected : [expected];
  const types = [];
  const instances = [];
  const others = [];
  for (const word of wanted) {
    if (PRIMITIVES.has(word)) types.push(word.toLowerCase());
    else if (/^[A-Z][a-zA-Z0-9]*$/.test(word)) instances.push(word);
    else others.push(word);
  }
  // 'object' beside classes is worded as one more class.
  const object = types.indexOf('object');
  if (instances.length > 0 && object >= 0) {
    types.splice(object, 1);
    instances.push('Object');
  }

  const parts = [];
  if (types.length > 0) parts.push(`${types.length > 1 ? 'one of type' : 'of type'} ${enumerate(types, 'or')}`);
  if (instances.length > 0) parts.push(`an instance of ${enumerate(instances, 'or')}`);
  if (others.length > 1) parts.push(`one of ${enumerate(others, 'or')}`);
  else if (others.length === 1) parts.push(others[0].toLowerCase() === others[0] ? others[0] : `an ${others[0]}`);

  const subject = name.endsWith(' argument') ? name : `"${name}" ${nounFor(name)}`;
  return `The ${subject} must be ${parts.join(' or ')}. Received ${describe(actual)}`;
}

/**
 * @param {string} name
 * @param {unknown} value
 * @param {string} [reason]
 */
function invalidArgValue(name, value, reason = 'is invalid') {
  const shown = inspect(value);
  const cut = shown.length > INSPECTED_MAX ? `${shown.slice(0, INSPECTED_MAX)}...` : shown;
  return `The ${nounFor(name)} '${name}' ${reason}. Received ${cut}`;
}

/** @param {string} digits a whole number, perhaps with a sign */
function separateThousands(digits) {
  return digits.replace(/\B(?=(\d{3})+$)/g, '_');
}

/**
 * @param {string} name
 * @param {string} range
 * @param {unknown} actual
 */
function outOfRange(name, range, actual) {
  const huge =
    (typeof actual === 'bigint' && (actual > 2n ** 32n || actual < -(2n ** 32n))) ||
    (typeof actual === 'number' && Number.isInteger(actual) && Math.abs(actual) > 2 ** 32);
  const unit = typeof actual === 'bigint' ? 'n' : '';
  const received = huge ? separateThousands(String(actual)) + unit : inspect(actual);
  return `The value of "${name}" is out of range. It must be ${range}. Received ${received}`;
}

/**
 * @param {string} where
 * @param {string} [field]
 */
function invalidChar(where, field) {
  return field === undefined ? `Invalid character in ${where}` : `Invalid character in ${where} ["${field}"]`;
}

/** @param {...string} names */
function missingArgs(...names) {
  const quoted = names.map((name) => `"${name}"`);
  return `The ${enumerate(quoted, 'and')} argument${names.length > 1 ? 's' : ''} must be specified`;
}

/**
 * @param {string} name
 * @param {unknown} port
 * @param {boolean} [allowZero]
 */
function badPort(name, port, allowZero = true) {
  return `${name} should be ${allowZero ? '>=' : '>'} 0 and < 65536. Received ${describe(port)}.`;
}

/**
 * Makes what the errors of one code inherit.
 * @param {string} code
 * @param {ErrorConstructor} Base
 */
function errorPrototype(code, Base) {
  class NodeError extends Base {
    // Node's errors say that their constructor is the built-in one.
    get ['constructor']() {
      return Base;
    }

    toString() {
      return `${this.name} [${code}]: ${this.message}`;
    }
  }
  return NodeError.prototype;
}

/**
 * Makes one error class; its prototype with its first error, as to make those of all takes as long as one of the larger modules.
 * @param {string} code
 * @param {ErrorConstructor} Base
 * @param {string | ((...args: any[]) => string)} text a printf-like format, or a function of the constructor's arguments
 * @returns {CodedError}
 */
function errorClass(code, Base, text) {
  let isMade = false;
  /** @param {...any} args */
  function NodeError(...args) {
    if (!isMade) {
      NodeError.prototype = errorPrototype(code, Base);
      isMade = true;
    }
    const message = typeof text === 'function' ? text(...args) : format(text, ...args);
    const error = Reflect.construct(Base, [message], NodeError);
    // The stack's first line is written when it is first read, from `name`: read it while the name carries the code.
    Object.defineProperty(error, 'name', { value: `${Base.name} [${code}]`, configurable: true });
    error.stack;
    delete error.name;
    error.code = code;
    return error;
  }
  return /** @type {any} */ (NodeError);
}

/** @type {Array<[code: string, Base: ErrorConstructor, text: string | ((...args: any[]) => string)]>} */
const TABLE = [
  ['ERR_HTTP_BODY_NOT_ALLOWED', Error, 'Adding content for this request method or response status is not allowed.'],
  [
    'ERR_HTTP_CONTENT_LENGTH_MISMATCH',
    Error,
    "Response body's content-length of %s byte(s) does not match the content-length of %s byte(s) set in header",
  ],
  ['ERR_HTTP_HEADERS_SENT', Error, 'Cannot %s headers after they are sent to the client'],
  ['ERR_HTTP_INVALID_HEADER_VALUE', TypeError, 'Invalid value "%s" for header "%s"'],
  ['ERR_HTTP_INVALID_STATUS_CODE', RangeError, 'Invalid status code: %s'],
  ['ERR_HTTP_REQUEST_TIMEOUT', Error, 'Request timeout'],
  ['ERR_HTTP_SOCKET_ASSIGNED', Error, 'ServerResponse has an already assigned socket'],
  ['ERR_HTTP_SOCKET_ENCODING', Error, 'Changing the socket encoding is not allowed per RFC7230 Section 3.'],
  ['ERR_HTTP_TRAILER_INVALID', Error, 'Trailers are invalid with this transfer encoding'],
  [
    'ERR_INTERNAL_ASSERTION',
    Error,
    'This is caused by either a bug in Node.js or incorrect usage of Node.js internals.\n' +
      'Please open an issue with this stack trace at https://github.com/nodejs/node/issues\n',
  ],
  ['ERR_INVALID_ARG_TYPE', TypeError, invalidArgType],
  ['ERR_INVALID_ARG_VALUE', TypeError, invalidArgValue],
  ['ERR_INVALID_CHAR', TypeError, invalidChar],
  ['ERR_INVALID_HTTP_TOKEN', TypeError, '%s must be a valid HTTP token ["%s"]'],
  ['ERR_INVALID_PROTOCOL', TypeError, 'Protocol "%s" not supported. Expected "%s"'],
  ['ERR_METHOD_NOT_IMPLEMENTED', Error, 'The %s method is not implemented'],
  ['ERR_MISSING_ARGS', TypeError, missingArgs],
  ['ERR_OUT_OF_RANGE', RangeError, outOfRange],
  ['ERR_PROXY_INVALID_CONFIG', Error, '%s'],
  ['ERR_PROXY_TUNNEL', Error, '%s'],
  ['ERR_SERVER_NOT_RUNNING', Error, 'Server is not running.'],
  ['ERR_SOCKET_BAD_PORT', RangeError, badPort],
  ['ERR_SOCKET_CLOSED', Error, 'Socket is closed'],
  ['ERR_SOCKET_CLOSED_BEFORE_CONNECTION', Error, 'Socket closed before the connection was established'],
  ['ERR_SOCKET_CONNECTION_TIMEOUT', Error, 'Socket connection timeout'],
  ['ERR_STREAM_ALREADY_FINISHED', Error, 'Cannot call %s after a stream was finished'],
  ['ERR_STREAM_CANNOT_PIPE', Error, 'Cannot pipe, not readable'],
  ['ERR_STREAM_DESTROYED', Error, 'Cannot call %s after a stream was destroyed'],
  ['ERR_STREAM_NULL_VALUES', TypeError, 'May not write null values to stream'],
  ['ERR_STREAM_PREMATURE_CLOSE', Error, 'Premature close'],
  ['ERR_STREAM_WRITE_AFTER_END', Error, 'write after end'],
  ['ERR_UNESCAPED_CHARACTERS', TypeError, '%s contains unescaped characters'],
];

/** Error classes by code: `new codes.ERR_HTTP_HEADERS_SENT('set')`. @type {Record<string, CodedError>} */
const codes = Object.fromEntries(TABLE.map(([code, Base, text]) => [code, errorClass(code, Base, text)]));

/** `ECONNRESET` as node:http makes it: 'socket hang up', 'aborted'. */
class ConnResetException extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.code = 'ECONNRESET';
  }

  get ['constructor']() {
    return Error;
  }
}

/** The error of an aborted operation (`ABORT_ERR`), as node:stream and node:http make it. */
class AbortError extends Error {
  /**
   * @param {string} [message]
   * @param {ErrorOptions} [options]
   */
  constructor(message = 'The operation was aborted', options = undefined) {
    super(message, options);
    this.code = 'ABORT_ERR';
    this.name = 'AbortError';
  }
}

module.exports = { AbortError, ConnResetException, codes, describe };
