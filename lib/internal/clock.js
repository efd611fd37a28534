'use strict';

const { hrtime } = require('node:process');

/**
 * Milliseconds by a clock that only goes forward. Not `performance`, which says the same no faster: to have it, nine more of Node's modules are loaded.
 * @returns {number}
 */
const now = () => Number(hrtime.bigint()) / 1e6;

module.exports = { now };
