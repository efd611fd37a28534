'use strict';

// A server's time-outs. The deadlines themselves are the engine's.

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

/** Tells the handlers of all connections whose head or request is late. */
function checkTimeouts() {
  ring.flush();
  for (const connection of ring.connections) {
    if (connection !== undefined) checkOne(connection, TIMEOUT.HEADERS | TIMEOUT.REQUEST);
  }
}

/** Idle connections are looked through when the first of them may be due: one timer for all, none re-armed by a request. */
let keepAliveTimer = null;

/** @param {number} ms at the latest */
function armKeepAlive(ms) {
  if (keepAliveTimer !== null) return;
  keepAliveTimer = setTimeout(checkKeepAlive, ms);
  keepAliveTimer.unref();
}

function checkKeepAlive() {
  keepAliveTimer = null;
  ring.flush();
  let next = Number.POSITIVE_INFINITY;
  for (const connection of ring.connections) {
    if (connection === undefined || connection.keepAliveTimeout === 0) continue;
    const ms = checkOne(connection, TIMEOUT.KEEP_ALIVE);
    // Busy now: it will be idle no sooner than its own time from now.
    next = Math.min(next, ms > 0 ? ms : connection.keepAliveTimeout);
  }
  if (next < Number.POSITIVE_INFINITY) armKeepAlive(Math.ceil(next));
}

module.exports = { armKeepAlive, checkTimeouts };
