'use strict';

// A connection of the engine that only reads, driven message by message (lib/parser.js). Its events come back from the call that brought
// the bytes, in a ring of their own: whoever parses by hand wants them at once, also in the midst of a batch.

const { EVENT, RECORD, RING, ROLE } = require('./layout');
const { engine, releaseSlot, takeSlot } = require('./ring');

/** Room for one of the largest events and what the engine keeps free behind it. */
const EVENTS_SIZE = 256 << 10;
/** Bytes of a record's header. */
const HEADER = RECORD.WORDS * 4;

/** @type {Uint32Array} */
let words;
/** Buffer's own readers of text, which its types leave out. @type {any} */
let bytes;

/** Parsers that nobody has closed give their slots back when they are garbage. */
const abandoned = new FinalizationRegistry(releaseSlot);

/**
 * @typedef {object} ParsingEvent
 * @property {number} kind EVENT
 * @property {number} flags HEAD bits
 * @property {number} code a head's method or status
 * @property {number} startLength a head's: characters of text that are the request target or the reason phrase
 * @property {string} text a head's, or trailers: names and values joined by line feeds
 * @property {Buffer} data a body's
 * @property {string} errorCode
 * @property {string} reason an error's
 * @property {number} fromEnd an error's: bytes from there to the end of the input
 */

/**
 * @param {object} owner what is garbage when the parser is
 * @param {boolean} requests whether it reads requests, not responses
 * @param {number} maxHeaderSize bytes, 0: the default
 * @param {number} lenientFlags llhttp's
 * @returns {number} its slot
 */
function open(owner, requests, maxHeaderSize, lenientFlags) {
  if (words === undefined) {
    const memory = new ArrayBuffer(EVENTS_SIZE);
    words = new Uint32Array(memory);
    bytes = Buffer.from(memory);
    engine.setAside(memory);
  }
  const role = requests ? ROLE.SERVER : ROLE.CLIENT;
  const slot = takeSlot(() => engine.openParser(role, maxHeaderSize, lenientFlags));
  abandoned.register(owner, slot, owner);
  return slot;
}

/**
 * @param {object} owner
 * @param {number} slot
 */
function close(owner, slot) {
  abandoned.unregister(owner);
  releaseSlot(slot);
}

/**
 * Parses what was left over and `input`, up to the next halt: behind a head, behind a message's end.
 * @param {number} slot
 * @param {Buffer} input
 * @returns {{ events: ParsingEvent[], left: number }} left: bytes left over
 */
function parse(slot, input) {
  const left = engine.parse(slot, input);
  return { events: take(), left };
}

/**
 * There is no more input.
 * @param {number} slot
 */
function finish(slot) {
  engine.finishParser(slot);
  return take();
}

/** Everything that lies in the ring: nothing may be called before it is read. */
function take() {
  const events = [];
  while (words[RING.HEAD] < words[RING.TAIL]) {
    const at = words[RING.HEAD];
    const word = at >> 2;
    const length = words[word + RECORD.LENGTH];
    const kind = words[word + RECORD.KIND] & 0xff;
    const flags = words[word + RECORD.KIND] >>> 8;
    const isLarge = (flags & EVENT.OUT_OF_LINE) !== 0;
    const payload = isLarge ? engine.takeLargeAside() : bytes.subarray(at + HEADER, at + HEADER + length);
    events.push(decode(kind, flags & ~EVENT.OUT_OF_LINE, words[word + RECORD.A], words[word + RECORD.B], payload));
    words[RING.HEAD] = at + ((HEADER + length + RECORD.ALIGN - 1) & ~(RECORD.ALIGN - 1));
  }
  return events;
}

/** @returns {any} */
function decode(kind, flags, a, b, payload) {
  switch (kind) {
    case EVENT.HEAD:
      return { kind, flags, code: a, startLength: b, text: payload.latin1Slice() };
    case EVENT.BODY:
      return { kind, data: payload.buffer === bytes.buffer ? Buffer.from(payload) : payload };
    case EVENT.COMPLETE:
      return { kind, text: payload.latin1Slice() };
    case EVENT.PARSE_ERROR: {
      const [errorCode, reason] = payload.latin1Slice(0, b).split('\n');
      return { kind, errorCode, reason, fromEnd: payload.length - b - a };
    }
    default:
      throw new Error(`ferrohttp: a parser's event of unknown kind ${kind}`);
  }
}

module.exports = {
  EVENT,
  close,
  finish,
  /** Reads on behind a halt; `body`: behind a head, whether the body its fields tell follows. */
  goOn: (/** @type {number} */ slot, /** @type {boolean} */ body) => engine.goOn(slot, body),
  /** Whether no message has begun. */
  isIdle: (/** @type {number} */ slot) => engine.isIdle(slot),
  open,
  parse,
  /** Forgets what was left over. */
  takeUnread: (/** @type {number} */ slot) => engine.takeUnread(slot),
};
