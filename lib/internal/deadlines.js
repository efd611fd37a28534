'use strict';

// A server's time-outs. The deadlines themselves are the engine's.

const { clearTimeout, setTimeout } = require('node:timers');
const { TIMEOUT } = require('./layout');
const { tellTimeout } = require('./events');
const ring = require('./ring');

/** @typedef {any} Connection the class of connection.js, which requires this file */

/**
 * Tells the handler when a deadline of one of these kinds has passed.
 * @param {Connection} connection
 * @param {number} kinds bits of TIMEOUT
 * @returns {number} milliseconds until it does; negative: there is none
 */
function checkOne(connection, kinds) {
  const [ms, kind] = ring.engine.checkTimeout(connection.slot, kinds);
  if (ms === 0) tellTimeout(connection, kind);
  return ms;
}

/**
 * Tells the handlers of those whose head or request is late.
 * @param {Connection[]} connections
 */
function checkTimeouts(connections) {
  ring.flush();
  for (const connection of connections) {
    if (connection.attached) checkOne(connection, TIMEOUT.HEADERS | TIMEOUT.REQUEST);
  }
}

/** The longest that a timer of Node's can wait, in milliseconds. */
const LONGEST = 2 ** 31 - 1;

/** Idle connections are looked through when the first of them may be due: one timer for all, none re-armed by a request. */
let keepAliveTimer = null;
/** How long it was to wait, in milliseconds: whoever waits longer is looked at in time. */
let waits = 0;

/** @param {number} ms at the latest */
function armKeepAlive(ms) {
  if (keepAliveTimer !== null && waits <= ms) return;
  clearTimeout(keepAliveTimer);
  waits = Math.min(Math.ceil(ms), LONGEST);
  keepAliveTimer = setTimeout(checkKeepAlive, waits);
  keepAliveTimer.unref();
}

function checkKeepAlive() {
  keepAliveTimer = null;
  ring.flush();
  let next = Number.POSITIVE_INFINITY;
  try {
    for (const connection of ring.connections) {
      if (connection === undefined || connection.keepAliveTimeout === 0) continue;
      // Told of, it may be busy now, and a listener may throw: it will be idle no sooner than its own time from now.
      next = Math.min(next, connection.keepAliveTimeout);
      const rest = connection.keepAliveTimeout - connection.sinceWritten;
      if (rest > 0) {
        next = Math.min(next, rest);
        continue;
      }
      const ms = checkOne(connection, TIMEOUT.KEEP_ALIVE);
      if (ms > 0) next = Math.min(next, ms);
    }
  } catch (error) {
    next = 1;
    throw error;
  } finally {
    if (next < Number.POSITIVE_INFINITY) armKeepAlive(next);
  }
}

module.exports = { armKeepAlive, checkTimeouts };
