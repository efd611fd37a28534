'use strict';

const { _checkIsHttpToken: isToken, _checkInvalidHeaderChar: hasInvalidChar } = require('./common');
const { codes } = require('./errors');

const { ERR_HTTP_INVALID_HEADER_VALUE, ERR_INVALID_CHAR, ERR_INVALID_HTTP_TOKEN } = codes;

/** Header fields both ways: how received ones are merged into `headers`, and what a name and a value sent may hold. */

/** What becomes of a field that comes more than once (https://nodejs.org/api/http.html#messageheaders). */
/** @type {Readonly<Record<string, number>>} */
const MERGE = Object.freeze({ FIRST: 0, COMMA: 1, SEMICOLON: 2, LIST: 3 });

const FIRST_ONLY = [
  ...['Age', 'Authorization', 'Content-Length', 'Content-Type', 'ETag', 'Expires', 'From', 'Host', 'If-Modified-Since'],
  ...[
    'If-Unmodified-Since',
    'Last-Modified',
    'Location',
    'Max-Forwards',
    'Proxy-Authorization',
    'Referer',
    'Retry-After',
  ],
  ...['Server', 'User-Agent'],
];
// These are joined by commas like every unknown name; being listed spares them the conversion to lower case.
const FREQUENT = [
  ...[
    'Accept',
    'Accept-Encoding',
    'Accept-Language',
    'Cache-Control',
    'Connection',
    'Content-Encoding',
    'Date',
    'Expect',
  ],
  ...['If-Match', 'If-None-Match', 'Origin', 'Sec-Fetch-Dest', 'Sec-Fetch-Mode', 'Sec-Fetch-Site', 'Transfer-Encoding'],
  ...['Upgrade', 'Vary', 'X-Forwarded-For', 'X-Forwarded-Host', 'X-Forwarded-Proto', 'X-Powered-By'],
];

/** Known names, as they are usually written and in lower case. @type {Map<string, { name: string, merge: number }>} */
const KNOWN = new Map();

/**
 * @param {string[]} names
 * @param {number} merge
 */
function know(names, merge) {
  for (const written of names) {
    const field = { name: written.toLowerCase(), merge };
    KNOWN.set(written, field);
    KNOWN.set(field.name, field);
  }
}
know(FIRST_ONLY, MERGE.FIRST);
know(FREQUENT, MERGE.COMMA);
know(['Cookie'], MERGE.SEMICOLON);
know(['Set-Cookie'], MERGE.LIST);

/**
 * Merges one received field into a `headers` object.
 * @param {Record<string, any>} dest
 * @param {string} written the name as it came
 * @param {string} value
 * @param {boolean} joinDuplicates whether fields of which the first counts are joined by commas too
 */
function mergeField(dest, written, value, joinDuplicates) {
  let name = written;
  let field = KNOWN.get(written);
  if (field === undefined) {
    name = written.toLowerCase();
    field = KNOWN.get(name);
  }
  let merge = MERGE.COMMA;
  if (field !== undefined) ({ name, merge } = field);
  const present = dest[name];
  if (merge === MERGE.LIST) {
    if (present === undefined) dest['set-cookie'] = [value];
    else present.push(value);
  } else if (merge === MERGE.FIRST) {
    if (present === undefined) dest[name] = value;
    else if (joinDuplicates) dest[name] = `${present}, ${value}`;
  } else {
    // Anything but a string is not ours: the object has a prototype, and names like 'constructor' are on it.
    const separator = merge === MERGE.COMMA ? ', ' : '; ';
    dest[name] = typeof present === 'string' ? present + separator + value : value;
  }
}

/**
 * @param {string} written a field name
 * @returns {string} the name in lower case
 */
function lowerCase(written) {
  return KNOWN.get(written)?.name ?? written.toLowerCase();
}

/**
 * Adds one received field to a `headersDistinct` object.
 * @param {Record<string, string[]>} dest without a prototype
 * @param {string} written
 * @param {string} value
 */
function addDistinctField(dest, written, value) {
  const name = lowerCase(written);
  const present = dest[name];
  if (present === undefined) dest[name] = [value];
  else present.push(value);
}

/**
 * @param {unknown} name
 * @param {string} [label] what the error calls it
 * @throws {TypeError} ERR_INVALID_HTTP_TOKEN
 */
function validateHeaderName(name, label) {
  if (typeof name !== 'string' || !(KNOWN.has(name) || isToken(name)))
    throw new ERR_INVALID_HTTP_TOKEN(label || 'Header name', name);
}

/**
 * @param {string} name
 * @param {unknown} value
 * @param {boolean} [lenient] the Fetch standard's rule instead of RFC 9110's
 * @throws {TypeError} ERR_HTTP_INVALID_HEADER_VALUE, ERR_INVALID_CHAR
 */
function validateHeaderValue(name, value, lenient) {
  if (value === undefined) throw new ERR_HTTP_INVALID_HEADER_VALUE(value, name);
  if (hasInvalidChar(value, lenient)) throw new ERR_INVALID_CHAR('header content', name);
}

module.exports = { addDistinctField, lowerCase, mergeField, validateHeaderName, validateHeaderValue };
