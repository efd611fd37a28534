'use strict';

const { codes } = require('./errors');

const { ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE, ERR_SOCKET_BAD_PORT } = codes;

/** Argument checks as node's public functions make them: same codes, same texts. Each returns nothing unless it says so. */

/**
 * @param {unknown} value
 * @param {string} name
 */
function validateString(value, name) {
  if (typeof value !== 'string') throw new ERR_INVALID_ARG_TYPE(name, 'string', value);
}

/**
 * @param {unknown} value
 * @param {string} name
 */
function validateBoolean(value, name) {
  if (typeof value !== 'boolean') throw new ERR_INVALID_ARG_TYPE(name, 'boolean', value);
}

/**
 * @param {unknown} value
 * @param {string} name
 */
function validateFunction(value, name) {
  if (typeof value !== 'function') throw new ERR_INVALID_ARG_TYPE(name, 'Function', value);
}

/**
 * Neither null nor an array nor a function.
 * @param {unknown} value
 * @param {string} name
 */
function validateObject(value, name) {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new ERR_INVALID_ARG_TYPE(name, 'Object', value);
  }
}

/**
 * A whole number within [min, max].
 * @param {unknown} value
 * @param {string} name
 * @param {number} [min]
 * @param {number} [max]
 */
function validateInteger(value, name, min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER) {
  if (typeof value !== 'number') throw new ERR_INVALID_ARG_TYPE(name, 'number', value);
  if (!Number.isInteger(value)) throw new ERR_OUT_OF_RANGE(name, 'an integer', value);
  if (value < min || value > max) throw new ERR_OUT_OF_RANGE(name, `>= ${min} && <= ${max}`, value);
}

/**
 * A number within those bounds that are given; NaN is within none.
 * @param {unknown} value
 * @param {string} name
 * @param {number} [min]
 * @param {number} [max]
 */
function validateNumber(value, name, min, max) {
  if (typeof value !== 'number') throw new ERR_INVALID_ARG_TYPE(name, 'number', value);
  const bounds = [];
  if (min != null) bounds.push(`>= ${min}`);
  if (max != null) bounds.push(`<= ${max}`);
  if (bounds.length === 0) return;
  if (Number.isNaN(value) || value < (min ?? -Infinity) || value > (max ?? Infinity)) {
    throw new ERR_OUT_OF_RANGE(name, bounds.join(' && '), value);
  }
}

/**
 * @param {unknown} value
 * @param {string} name
 * @param {readonly unknown[]} allowed
 */
function validateOneOf(value, name, allowed) {
  if (allowed.includes(value)) return;
  const list = allowed.map((each) => (typeof each === 'string' ? `'${each}'` : String(each)));
  throw new ERR_INVALID_ARG_VALUE(name, value, `must be one of: ${list.join(', ')}`);
}

/**
 * @param {unknown} port a number, or a string of one
 * @param {string} [name]
 * @param {boolean} [allowZero]
 * @returns {number} the port
 */
function validatePort(port, name = 'Port', allowZero = true) {
  const blank = typeof port === 'string' && port.trim() === '';
  const number = (typeof port === 'number' || typeof port === 'string') && !blank ? Number(port) : Number.NaN;
  if (!Number.isInteger(number) || number < 0 || number > 0xffff || (number === 0 && !allowZero)) {
    throw new ERR_SOCKET_BAD_PORT(name, port, allowZero);
  }
  return number;
}

// RFC 8288, section 3, as loosely as Node reads it: <anything> then ;name, ;name=value or ;name="value".
const LINK_VALUE = /[^;"\s]*/.source;
const LINK_PARAM = `\\s*;\\s*[^;"\\s]+(?:=(?:"${LINK_VALUE}"|${LINK_VALUE}))?`;
const LINK = new RegExp(`^<[^>\\r\\n]*>(?:${LINK_PARAM})*$`);

/**
 * The value of a Link header field, from one link or a list of them.
 * @param {unknown} hints
 * @returns {string} '' for an empty list
 */
function validateLinkHeaderValue(hints) {
  const links = Array.isArray(hints) ? hints : [hints];
  if (Array.isArray(hints) || typeof hints === 'string') {
    const wrong = links.findIndex((link) => typeof link === 'undefined' || !LINK.test(link));
    if (wrong < 0) return links.join(', ');
    throw badLink(links[wrong]);
  }
  throw badLink(hints);
}

/** @param {unknown} value */
function badLink(value) {
  const reason = 'must be an array or string of format "</styles.css>; rel=preload; as=style"';
  return new ERR_INVALID_ARG_VALUE('hints', value, reason);
}

module.exports = {
  validateBoolean,
  validateFunction,
  validateInteger,
  validateLinkHeaderValue,
  validateNumber,
  validateObject,
  validateOneOf,
  validatePort,
  validateString,
};
