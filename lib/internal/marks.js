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

/** Who waits, and the context to call him in. */
class Mark extends AsyncResource {
  /** @param {Sent} sent */
  constructor(sent) {
    super('HTTPOUTGOINGMESSAGE', MANUAL);
    this.sent = sent;
  }
}

class Marks {
  constructor() {
    /** @type {Mark[]} */
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
    this.waiting.push(new Mark(sent));
    return hasListeners(sent);
  }

  /**
   * Tells the first of those that the engine counts as reached.
   * @param {number} reached
   * @returns {boolean} whether there was one
   */
  tellNext(reached) {
    if (this.told >= reached) return false;
    const mark = this.waiting.shift();
    if (mark === undefined) return false;
    this.told++;
    this.tell(mark, null);
    return true;
  }

  /** Those that the engine counts as reached, to be told by somebody else. @param {number} reached */
  takeReached(reached) {
    const taken = new Marks();
    taken.waiting = this.waiting.splice(0, Math.max(0, reached - this.told));
    this.told += taken.waiting.length;
    return taken;
  }

  /** All that wait, to be told by somebody else; none is left here. */
  take() {
    const taken = new Marks();
    taken.waiting = this.waiting;
    this.told += this.waiting.length;
    this.waiting = [];
    return taken;
  }

  /** Calls at once who has no listeners, unless others before him wait for their tick. */
  tell(mark, error) {
    const waits = this.ticks > 0;
    this.ticks++;
    if (!waits && (isTheirTick || !hasListeners(mark.sent))) {
      mark.runInAsyncScope(call, null, this, mark, error);
      return;
    }
    // A tick, as from a stream: also in that what a domain's member throws is that domain's.
    mark.runInAsyncScope(process.nextTick, process, call, this, mark, error);
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
        const mark = waiting[next++];
        this.ticks++;
        mark.runInAsyncScope(call, null, this, mark, error);
      }
    } finally {
      // One that throws takes none of the others with it.
      for (; next < waiting.length; next++) this.tell(waiting[next], error);
    }
  }

  /** @param {Error | null} error why the bytes will never get there */
  tellAll(error) {
    const { waiting } = this;
    this.waiting = [];
    for (const mark of waiting) this.tell(mark, error);
  }
}

function call(marks, mark, error) {
  marks.ticks--;
  mark.emitDestroy();
  const { sent } = mark;
  if (typeof sent === 'function') sent(error);
  else sent[kSent](error);
}

module.exports = { Marks, endTheirTick, kSent, tellInTick };
