'use strict';

// The memory that large parts of bodies are received into: JavaScript's own, lent to the engine, until a record gives it to its reader.

const { EVENT } = require('./layout');

/** Bytes received at a time. */
const SLAB_SIZE = 64 << 10;
/** As many parts of bodies can be received without a copy before their readers get them; one slab more is lent when one was wanting. */
const MAX_SLABS = 64;
/** Parts of a body of so many bytes are worth it. */
const VIEW_MIN = 32 << 10;

/** Flags of records whose payload lies elsewhere than in the ring. */
const AWAY = EVENT.OUT_OF_LINE | EVENT.IN_SLAB;

class Slabs {
  /** @param {any} engine */
  constructor(engine) {
    this.engine = engine;
    /** By number. @type {ArrayBuffer[]} */
    this.lent = [];
  }

  /**
   * @param {number} flags
   * @param {number} a
   * @param {number} b
   * @returns {Buffer | null} a record's payload that does not lie in the ring
   */
  payload(flags, a, b) {
    if ((flags & AWAY) === 0) return null;
    if ((flags & EVENT.OUT_OF_LINE) !== 0) return this.engine.takeLarge();
    const number = a >>> EVENT.SLAB_SHIFT;
    const part = Buffer.from(this.lent[number], a & ((1 << EVENT.SLAB_SHIFT) - 1), b);
    // One at a time: what is short may be so for this batch only.
    if (this.lend(number)) this.lendMore();
    return part;
  }

  /** Lends one more. */
  lendMore() {
    if (this.lent.length < MAX_SLABS) this.lend(this.lent.length);
  }

  /** Lends one in the place of that which a record has given to us: that one is its reader's. @returns {boolean} whether more are needed */
  lend(number) {
    this.lent[number] = Buffer.allocUnsafeSlow(SLAB_SIZE).buffer;
    return this.engine.lendSlab(number, this.lent[number]);
  }
}

module.exports = { AWAY, Slabs, VIEW_MIN };
