'use strict';

// Who waits for bytes to be with the kernel, in the order of the bytes.

const { AsyncResource } = require('node:async_hooks');
const EventEmitter = require('node:events');

/** Called when the bytes of a message are all with the kernel, or never will be. @type {unique symbol} */
const kSent = Symbol('kSent');

/** @typedef {((error: Error | null) => void) | { [kSent](error: Error | null): void, _eventsCount?: number }} Sent */

/** A tick is running that has come for those who listen. */
let isTheirTick = false;

/**
 * Runs what tells those who wait, in a tick that was asked for when they began to wait: they need no other.
 * @param {() => void} run
 */
function tellInTick(run) {
  // What a domain's member throws must be thrown in a tick of its own: out of a scope, the domain has been left before it is caught.
  isTheirTick = !(/** @type {any} */ (EventEmitter).usingDomains);
  try {
    run();
  } finally {
    isTheirTick = false;
  }
}

/** What comes now is told in ticks of its own. */
function endTheirTick() {
  isTheirTick = false;
}

/** Of an AsyncResource that is called once. */
const MANUAL = { requireManualDestroy: true };

/** @param {Sent} sent */
const hasListeners = (sent) => typeof sent === 'function' || sent._eventsCount !== 0;

class Marks {
  constructor() {
    /** Callbacks, each followed by the AsyncResource to call it in. @type {any[]} */
    this.waiting = [];
    /** How many were called, to be compared with the engine's count. */
    this.told = 0;
    /** Calls that wait for their tick. */
    this.ticks = 0;
  }

  get isEmpty() {
    return this.waiting.length === 0;
  }

  /**
   * @param {Sent} sent
   * @returns {boolean} whether somebody listens
   */
  add(sent) {
    // Called in the context of the write, as by a stream: also when nobody listens yet, as the tick in which it is told may be another message's.
    this.waiting.push(sent, new AsyncResource('HTTPOUTGOINGMESSAGE', MANUAL));
    return hasListeners(sent);
  }

  /**
   * Tells the first of those that the engine counts as reached.
   * @param {number} reached
   * @returns {boolean} whether there was one
   */
  tellNext(reached) {
    if (this.told >= reached || this.waiting.length === 0) return false;
    this.told++;
    const sent = this.waiting.shift();
    this.tell(sent, this.waiting.shift(), null);
    return true;
  }

  /** Those that the engine counts as reached, to be told by somebody else. @param {number} reached */
  takeReached(reached) {
    const taken = new Marks();
    taken.waiting = this.waiting.splice(0, 2 * Math.max(0, reached - this.told));
    this.told += taken.waiting.length / 2;
    return taken;
  }

  /** All that wait, to be told by somebody else; none is left here. */
  take() {
    const taken = new Marks();
    taken.waiting = this.waiting;
    this.told += this.waiting.length / 2;
    this.waiting = [];
    return taken;
  }

  /** Calls at once who has no listeners, unless others before him wait for their tick. */
  tell(sent, resource, error) {
    const waits = this.ticks > 0;
    this.ticks++;
    if (!waits && (isTheirTick || !hasListeners(sent))) {
      resource.runInAsyncScope(call, null, this, sent, resource, error);
      return;
    }
    // A tick, as from a stream: also in that what a domain's member throws is that domain's.
    resource.runInAsyncScope(process.nextTick, process, call, this, sent, resource, error);
  }

  /**
   * Calls all at once: a stream's callback comes in its own time, and whoever stands in for the stream may go on right behind it.
   * @param {Error | null} error why the bytes will never get there
   */
  callAll(error) {
    if (/** @type {any} */ (EventEmitter).usingDomains) {
      this.tellAll(error);
      return;
    }
    const { waiting } = this;
    this.waiting = [];
    let next = 0;
    try {
      while (next < waiting.length) {
        const [sent, resource] = [waiting[next], waiting[next + 1]];
        next += 2;
        this.ticks++;
        resource.runInAsyncScope(call, null, this, sent, resource, error);
      }
    } finally {
      // One that throws takes none of the others with it.
      for (; next < waiting.length; next += 2) this.tell(waiting[next], waiting[next + 1], error);
    }
  }

  /** @param {Error | null} error why the bytes will never get there */
  tellAll(error) {
    const { waiting } = this;
    this.waiting = [];
    for (let i = 0; i < waiting.length; i += 2) this.tell(waiting[i], waiting[i + 1], error);
  }
}

function call(marks, sent, resource, error) {
  marks.ticks--;
  resource.emitDestroy();
  if (typeof sent === 'function') sent(error);
  else sent[kSent](error);
}

module.exports = { MANUAL, Marks, endTheirTick, kSent, tellInTick };
