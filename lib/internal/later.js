'use strict';

const { setImmediate } = require('node:timers');
const { copy, onEvent } = require('./events');
const { EVENT } = require('./layout');

/** @typedef {any} Connection the class of connection.js, which requires this file */

/**
 * Takes a connection's events in its handler's place.
 * @typedef {object} Instead
 * @property {(kind: number, flags: number, a: number, b: number, bytes: any, start: number, end: number) => void} keep as Connection's onEvent
 * @property {() => void} tell the events are due
 */

/**
 * Events of a connection that came with a part of a request's body, behind which ticks are to run first: where Node's parser reads the handle
 * itself, they run in between. Here the bytes come by a 'data' event, in the midst of which ticks cannot be run safely: the events wait for
 * the callback's end, and for all that its ticks begin.
 * @implements {Instead}
 */
class Later {
  /** @param {Connection} connection which hands its events over until these have been told */
  constructor(connection) {
    this.connection = connection;
    /** Arguments of the connection's onEvent. @type {any[][]} */
    this.events = [];
  }

  /** As Connection's onEvent. The ring may be written anew before it is told. */
  keep(kind, flags, a, b, bytes, start, end) {
    const payload = copy(bytes, start, end);
    if (this.events.push([kind, flags, a, b, payload, 0, payload.length]) === 1) setImmediate(() => this.tell());
  }

  /** Tells of all that came before the next part of a body; that begins another wait. */
  tell() {
    const { connection, events } = this;
    if (connection.later !== this) return;
    connection.later = null;
    this.events = [];
    let told = 0;
    try {
      for (const event of events) {
        told++;
        connection.onEvent(...event);
      }
    } finally {
      // A listener that throws loses none of the others.
      for (const event of events.slice(told)) {
        connection.later ??= this;
        connection.later.keep(...event);
      }
    }
  }
}

/** What a connection's peer has sent is not read any more: only that it has ended, or that the transport has failed, is told. @implements {Instead} */
class Never {
  /** @param {Connection} connection */
  constructor(connection) {
    this.connection = connection;
  }

  keep(kind, flags, a, b, bytes, start, end) {
    if (kind < EVENT.END) return;
    onEvent(this.connection, kind, flags, a, b, bytes, start, end);
  }

  tell() {}
}

module.exports = { Later, Never };
