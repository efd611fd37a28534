'use strict';

// Who waits for bytes to be with the kernel, in the order of the bytes.

const { AsyncResource } = require('node:async_hooks');
const EventEmitter = require('node:events');
const process = require('node:process');

/** Called when the bytes of a message are all with the kernel, or never will be. @type {unique symbol} */
const kSent = Symbol('kSent');
/** Whether somebody would notice when kSent is called. @type {unique symbol} */
const kIsHeard = Symbol('kIsHeard');

/** @typedef {((error: Error | null) => void) | { [kSent](error: Error | null): void, [kIsHeard](): boolean }} Sent */

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

/** Of a function, which its caller waits for, as of a message. @param {Sent} sent */
const isHeard = (sent) => typeof sent === 'function' || sent[kIsHeard]();

/** Somebody who waits, and the context to call him in. They are a list: an array that is pushed to and shifted from is made anew for each. */
class Mark extends AsyncResource {
  /** @param {Sent} sent */
  constructor(sent) {
    super('HTTPOUTGOINGMESSAGE', MANUAL);
    this.sent = sent;
    /** @type {Mark | null} */
    this.next = null;
  }
}

class Marks {
  constructor() {
    /** @type {Mark | null} */
    this.first = null;
    /** @type {Mark | null} */
    this.last = null;
    /** Among those who wait is one who listens. */
    this.isHeard = false;
    /** How many were called, to be compared with the engine's count. */
    this.told = 0;
    /** Calls that wait for their tick. */
    this.ticks = 0;
  }

  get isEmpty() {
    return this.first === null;
  }

  /**
   * @param {Sent} sent
   * @returns {boolean} whether somebody listens, he or one who waits already
   */
  add(sent) {
    // Called in the context of the write, as by a stream: also when nobody listens yet, as the tick in which it is told may be another message's.
    this.append(new Mark(sent));
    if (!this.isHeard) this.isHeard = isHeard(sent);
    return this.isHeard;
  }

  /** Whether nobody who waits is listened to, as of now: a listener may have been added since. */
  isUnheard() {
    for (let mark = this.first; mark !== null; mark = mark.next) if (isHeard(mark.sent)) return false;
    return true;
  }

  /** The asynchronous id of who waits, 0: he does not. @param {Sent} sent */
  idOf(sent) {
    for (let mark = this.first; mark !== null; mark = mark.next) if (mark.sent === sent) return mark.asyncId();
    return 0;
  }

  /** @param {Mark} mark */
  append(mark) {
    if (this.last === null) this.first = mark;
    else this.last.next = mark;
    this.last = mark;
  }

  /** @returns {Mark | null} the first one, which waits no more */
  shift() {
    const mark = this.first;
    if (mark !== null) {
      this.first = mark.next;
      mark.next = null;
      // A connection that idles must not keep its last message, and all that its user has put there.
      if (this.first === null) {
        this.last = null;
        this.isHeard = false;
      }
    }
    return mark;
  }

  /**
   * Tells the first of those that the engine counts as reached.
   * @param {number} reached
   * @returns {boolean} whether there was one
   */
  tellNext(reached) {
    if (this.told >= reached) return false;
    const mark = this.shift();
    if (mark === null) return false;
    this.told++;
    this.tell(mark, null);
    return true;
  }

  /** Those that the engine counts as reached, to be told by somebody else. @param {number} reached */
  takeReached(reached) {
    const taken = new Marks();
    while (this.told < reached) {
      const mark = this.shift();
      if (mark === null) break;
      this.told++;
      taken.append(mark);
    }
    return taken;
  }

  /** Those behind one of them, all when he waits no more, to be told by somebody else. @param {Mark | null} mark */
  takeBehind(mark) {
    const taken = new Marks();
    taken.ticks = this.ticks;
    let last = this.first;
    while (last !== null && last !== mark) last = last.next;
    if (last === null) return this.take();
    if (last.next === null) return taken;
    taken.first = last.next;
    taken.last = this.last;
    last.next = null;
    this.last = last;
    return taken;
  }

  /** All that wait, to be told by somebody else; none is left here. */
  take() {
    return this.takeReached(Number.POSITIVE_INFINITY);
  }

  /** Calls at once who has no listeners, unless others before him wait for their tick. @param {Mark} mark @param {Error | null} error */
  tell(mark, error) {
    const waits = this.ticks > 0;
    this.ticks++;
    if (!waits && (isTheirTick || !isHeard(mark.sent))) {
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
    const all = this.take();
    try {
      for (let mark = all.shift(); mark !== null; mark = all.shift()) {
        this.ticks++;
        mark.runInAsyncScope(call, null, this, mark, error);
      }
    } finally {
      // One that throws takes none of the others with it.
      for (let mark = all.shift(); mark !== null; mark = all.shift()) this.tell(mark, error);
    }
  }

  /** @param {Error | null} error why the bytes will never get there */
  tellAll(error) {
    const all = this.take();
    for (let mark = all.shift(); mark !== null; mark = all.shift()) this.tell(mark, error);
  }
}

/** @param {Marks} marks @param {Mark} mark @param {Error | null} error */
function call(marks, mark, error) {
  const { sent } = mark;
  marks.ticks--;
  mark.emitDestroy();
  if (typeof sent === 'function') sent(error);
  else sent[kSent](error);
}

module.exports = { MANUAL, Marks, endTheirTick, kIsHeard, kSent, tellInTick };
