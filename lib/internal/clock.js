'use strict';

const { hrtime } = require('node:process');

/**
 * Milliseconds by a clock that only goes forward. Not `performance`, which says the same no faster: to have it, nine more of Node's modules are loaded.
 * Nor `hrtime.bigint`: to make a number of what that gives, V8 leaves its compiled code.
 * @returns {number}
 */
function now() {
  const [seconds, nanoseconds] = hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}

module.exports = { now };
