'use strict';

const { validateInteger } = require('./validators');

/** The option of ferrohttp's own that Servers and Agents have: threads that do their connections' I/O. */

/** On a Server: its option. */
const kIoThreads = Symbol('http.server.ioThreads');

/** Each is a thread of the process: who asks for more has mistaken them for connections. */
const MOST = 128;

/**
 * @param {unknown} value what a user gave as `ioThreads`
 * @returns {number} over how many I/O threads connections are spread; 0: as FERROHTTP_DRIVER says
 * @throws {TypeError | RangeError} ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE
 */
function checkIoThreads(value) {
  if (value === undefined) return 0;
  validateInteger(value, 'options.ioThreads', 0, MOST);
  return /** @type {number} */ (value);
}

module.exports = { checkIoThreads, kIoThreads };
