'use strict';

// Who waits for bytes to be with the kernel, in the order of the bytes.

const { AsyncResource } = require('node:async_hooks');

/** Called when the bytes of a message are all with the kernel, or never will be. @type {unique symbol} */
const kSent = Symbol('kSent');

/** @typedef {((error: Error | null) => void) | { [kSent](error: Error | null): void, _eventsCount?: number }} Sent */

class Marks {
  constructor() {
    /** Callbacks, each followed by the AsyncResource to call it in, or null. @type {any[]} */
    this.waiting = [];
    /** How many were called, to be compared with the engine's count. */
    this.told = 0;
    /** Calls that wait for their tick. */
    this.ticks = 0;
  }

  get isEmpty() {
    return this.waiting.length === 0;
  }

  /** @param {Sent} sent */
  add(sent) {
    // Who listens hears it in the context of the write, as from a stream.
    const hasListeners = typeof sent === 'function' || sent._eventsCount !== 0;
    this.waiting.push(sent, hasListeners ? new AsyncResource('HTTPOUTGOINGMESSAGE') : null);
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
    if (resource === null && this.ticks === 0) return sent[kSent](error);
    this.ticks++;
    // A tick, as from a stream: also in that what a domain's member throws is that domain's.
    if (resource === null) process.nextTick(call, this, sent, error);
    else resource.runInAsyncScope(process.nextTick, process, call, this, sent, error);
  }

  /**
   * Calls all at once: a stream's callback comes in its own time, and whoever stands in for the stream may go on right behind it.
   * @param {Error | null} error why the bytes will never get there
   */
  callAll(error) {
    const { waiting } = this;
    this.waiting = [];
    let next = 0;
    try {
      while (next < waiting.length) {
        const [sent, resource] = [waiting[next], waiting[next + 1]];
        next += 2;
        this.ticks++;
        if (resource === null) call(this, sent, error);
        else resource.runInAsyncScope(call, null, this, sent, error);
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

function call(marks, sent, error) {
  marks.ticks--;
  if (typeof sent === 'function') sent(error);
  else sent[kSent](error);
}

module.exports = { Marks, kSent };
