'use strict';

// The JavaScript side of the two rings: event records are read here, command records written.
// One engine for each environment (the main thread, each worker): this module is loaded once in each.

const process = require('node:process');
const { now } = require('./clock');
const { COMMAND, EVENT, RECORD, RING, ROLE, TABLE, TRANSPORT } = require('./layout');
const { endTheirTick, tellInTick } = require('./marks');
const { startEngine } = require('./native');
const { AWAY, Slabs, VIEW_MIN } = require('./slabs');
const { EAGER_TURNS, SLOW, isEager, isInTime, noticeSlow } = require('./slow');

const EVENTS_SIZE = 1 << 20;
const COMMANDS_SIZE = 256 << 10;
/** Bytes of a record's header. */
const HEADER = RECORD.WORDS * 4;

const events = new ArrayBuffer(EVENTS_SIZE);
const eventWords = new Uint32Array(events);
const eventBytes = Buffer.from(events);
/** Not zeroed, as nothing is read of it that was not written: this way only the pages of it that are used take memory, and time to load. */
const commands = Buffer.allocUnsafeSlow(COMMANDS_SIZE).buffer;
const commandWords = new Uint32Array(commands);
/** Buffer's own writers of text, which its types leave out. @type {any} */
const commandBytes = Buffer.from(commands);
let table = new Float64Array(256 * TABLE.STRIDE);

/** Every attached connection, by slot. @type {any[]} */
const connections = [];
/** Connections that want to hear what became of their output. */
let awaiting = [];

// Copied: V8 keeps an object that native code has filled as a dictionary, and would look each function up by name where it is called.
const engine = { ...startEngine(mayAbort() ? drainUncaught : drain, events, commands, table.buffer) };
const slabs = new Slabs(engine);

/** Bytes of commands written and not applied. */
let position = 0;
/** Counts the flushes: what a connection wrote since the last one is not in the table yet. */
let epoch = 0;
let inBatch = false;
/** A record is being handled. */
let isDispatching = false;
/** What a tick is asked for. */
const TICK = Object.freeze({
  NONE: 0,
  /** To flush, by the command written last. */
  NEW: 1,
  /** To flush; others may have asked for ticks since. */
  FLUSH: 2,
  /** To tell those who wait for it that what has been written is sent. */
  TELL: 3,
  /** Two of them: one to flush, and one behind it to tell. */
  FLUSH_AND_TELL: 4,
  /** None comes any more, as the process exits. */
  OVER: 5,
});
/** A TICK. @type {number} */
let asked = TICK.NONE;
let eagerTurns = 0;

/** All that was written since the last flush are whole messages behind which the connection goes on. */
let areWhole = true;

/** Drains ticks and microtasks, as Node does behind each of its callbacks. */
const runTicks = tickCallback();

/**
 * Under `--pending-deprecation` Node has put a function before it that warns, and whose prototype it is.
 * @returns {() => void}
 */
function tickCallback() {
  const { _tickCallback: run } = /** @type {any} */ (process);
  const beneath = Object.getPrototypeOf(run);
  return beneath === Function.prototype ? run : beneath;
}

// --- commands ------------------------------------------------------------------------------------------------------------

/** Bytes that a record with `length` bytes of payload takes. */
const recordSize = (length) => (HEADER + length + RECORD.ALIGN - 1) & ~(RECORD.ALIGN - 1);

/** Bytes that text takes at most, in any encoding written here. */
const mostBytes = (text) => text.length * 3;

/** A body of so many characters is written together with its head: that saves a call, and costs a copy. */
const JOINED_MOST = 1024;

/** Makes room for a record with `length` bytes of payload; false when no ring could hold it. */
function reserve(length) {
  const size = HEADER + length + RECORD.ALIGN;
  if (position + size > COMMANDS_SIZE) {
    if (size > COMMANDS_SIZE) return false;
    flush();
  }
  return true;
}

/** What tells a whole message behind which the connection goes on from all other commands. */
const KIND_AND_LAST = 0xff | (COMMAND.LAST << 8);

/** Closes the record at `position`. */
function commit(connection, kindAndFlags, length, a) {
  const word = position >> 2;
  commandWords[word + RECORD.KIND] = kindAndFlags;
  commandWords[word + RECORD.SLOT] = connection.slot;
  commandWords[word + RECORD.GENERATION] = connection.generation;
  commandWords[word + RECORD.LENGTH] = length;
  commandWords[word + RECORD.A] = a;
  commandWords[word + RECORD.B] = 0;
  position += recordSize(length);
  if ((kindAndFlags & KIND_AND_LAST) !== COMMAND.MESSAGE) areWhole = false;
  askToFlush();
}

/** Writes text at a byte offset of the ring; the bytes written, or -1 for an encoding that only Buffer knows. */
function writeText(text, encoding, at) {
  switch (encoding) {
    case undefined:
    case null:
    case '':
    case 'utf8':
    case 'utf-8':
      return commandBytes.utf8Write(text, at);
    case 'latin1':
    case 'binary':
      return commandBytes.latin1Write(text, at);
    default:
      return -1;
  }
}

/** A command without payload. */
function command(connection, kindAndFlags, a) {
  reserve(0);
  commit(connection, kindAndFlags, 0, a);
}

/**
 * A command with text or bytes; false when it does not fit into a ring or the encoding is not written here.
 * @param {string | Uint8Array} data
 */
function commandWith(connection, kindAndFlags, data, encoding) {
  if (typeof data === 'string') {
    if (!reserve(mostBytes(data))) return false;
    const length = writeText(data, encoding, position + HEADER);
    if (length < 0) return false;
    commit(connection, kindAndFlags, length, 0);
    return true;
  }
  if (!reserve(data.byteLength)) return false;
  commandBytes.set(data, position + HEADER);
  commit(connection, kindAndFlags, data.byteLength, 0);
  return true;
}

/**
 * A whole message: its head, written in the body's encoding when `headEncoding` says so, and its body. False as `commandWith`.
 * @param {string} head
 * @param {string | Uint8Array | null} body
 */
function commandMessage(connection, kindAndFlags, head, headEncoding, body, encoding) {
  const bodyRoom = body === null ? 0 : typeof body === 'string' ? mostBytes(body) : body.byteLength;
  if (!reserve(mostBytes(head) + bodyRoom)) return false;
  const start = position + HEADER;
  if (typeof body === 'string' && body.length <= JOINED_MOST && (!encoding || encoding === 'utf8')) {
    const length = commandBytes.utf8Write(head + body, start);
    // All ASCII, in which the encodings agree.
    if (length === head.length + body.length) {
      commit(connection, kindAndFlags, length, head.length);
      return true;
    }
  }
  const headLength = writeText(head, headEncoding, start);
  let bodyLength = 0;
  if (typeof body === 'string') {
    bodyLength = writeText(body, encoding, start + headLength);
    if (bodyLength < 0) return false;
  } else if (body !== null) {
    commandBytes.set(body, start + headLength);
    bodyLength = body.byteLength;
  }
  commit(connection, kindAndFlags, headLength + bodyLength, headLength);
  return true;
}

/** What was written is about to be applied: the ring is written anew. */
function beginAnew() {
  position = 0;
  epoch++;
  areWhole = true;
  eventWords[RING.GATHERED] = 0;
}

/**
 * Applies what was written, and sends it.
 * @param {boolean} [isTold] those who wait for it are told at once
 */
function flush(isTold = false) {
  const length = position;
  if (length === 0) return;
  beginAnew();
  engine.flush(length, isTold);
}

/** The same, then one command with a payload from where it lies. */
function flushWith(connection, kindAndFlags, payload) {
  const length = position;
  beginAnew();
  engine.flushWith(length, kindAndFlags, connection.slot, connection.generation, payload);
  askToFlush();
}

/** A command was written: it is sent with its batch, or when the current callback and its earlier ticks are over. */
function askToFlush() {
  if (asked === TICK.NEW) asked = TICK.FLUSH;
  else if (asked === TICK.OVER) sendAtExit();
  else if (asked === TICK.NONE && !inBatch) ask(TICK.NEW);
}

/** @param {number} what TICK */
function ask(what) {
  asked = what;
  process.nextTick(onTick);
}

function onTick() {
  const forWhat = asked;
  if (forWhat === TICK.FLUSH_AND_TELL) {
    asked = TICK.TELL;
    flush();
    return;
  }
  asked = TICK.NONE;
  if (forWhat === TICK.TELL) tellInTick(inBatch ? sendInBatch : batchOfTick);
  else if (inBatch) sendInBatch();
  else if (!gather()) batchOfTick();
}

/**
 * Leaves what was written in the ring, to be sent with further answers of this turn when the loop is about to poll. Not the first one's: whoever has
 * one request at a time is answered as soon as ever, and that flush is what has libuv call (`RING.ARMED`). Only answers for which nobody waits, on
 * connections that have nothing else to send: all that can be seen of them is as if they had been sent. Whatever else is to be done with a
 * connection flushes first, as within a callback.
 * @returns {boolean} whether that may be
 */
function gather() {
  if (!areWhole || position === 0 || eventWords[RING.ARMED] === 0 || hasEvents()) return false;
  // Nothing keeps the loop: it may leave without polling.
  if (references === 0 || isEager()) return false;
  for (let i = 0; i < awaiting.length; i++) if (!awaiting[i].maySendLater()) return false;
  if (!isInTime(eventWords[RING.GATHERED] === 0)) return false;
  eventWords[RING.GATHERED] = 1;
  try {
    tellAwaiting(true);
  } finally {
    if (awaiting.length > 0 && asked === TICK.NONE) ask(TICK.FLUSH);
  }
  return true;
}

/** Sends what was gathered: the loop is about to poll, or has brought a batch first. */
function sendGathered() {
  if (eventWords[RING.GATHERED] === 0) return;
  noticeSlow(now());
  flush();
}

function batchOfTick() {
  // What was read before is not being told of any more, unless an exception or a full ring has left some of it.
  if (!hasEvents()) beginReading();
  batch(false);
}

/** What was written so far in a batch goes out before its end: somebody waits to hear that it has, and it would be told in a tick by Node. */
function sendInBatch() {
  try {
    flush(true);
    settle();
  } finally {
    if (awaiting.length > 0 && asked === TICK.NONE) ask(TICK.FLUSH);
  }
}

/**
 * Flushes, also in the midst of a batch: somebody waits to hear that what was written last has been sent. He hears it in a tick that is asked for
 * now, as Node asks for it when it sends: behind the ticks of others who have asked before.
 */
function hurry() {
  if (asked === TICK.NONE) {
    ask(TICK.TELL);
  } else if (asked === TICK.NEW) {
    asked = TICK.TELL;
  } else if (asked === TICK.FLUSH) {
    ask(TICK.FLUSH_AND_TELL);
  }
}

/** Has `connection.settle()` called after the next flush. */
function awaitOutput(connection) {
  awaiting.push(connection);
  if (!inBatch && asked === TICK.NONE) ask(TICK.FLUSH);
}

/** Tells those who wait. Who begins to wait by that has his turn later: ticks come in between, as behind each write of a stream. */
function settle() {
  if (awaiting.length === 0) return;
  tellAwaiting(false);
  endTheirTick();
  flush();
}

/** @param {boolean} isAhead what they have written is sent later in this turn */
function tellAwaiting(isAhead) {
  const settled = awaiting;
  awaiting = [];
  for (let i = 0; i < settled.length; i++) {
    try {
      if (isAhead) settled[i].settleAhead();
      else settled[i].settle();
    } catch (error) {
      // A callback that throws loses none of the others.
      awaiting = settled.slice(i).concat(awaiting);
      throw error;
    }
  }
}

// --- events --------------------------------------------------------------------------------------------------------------

/**
 * Rust's call: there are events. What fails is told within the call; failing once more, with nothing, is for Node, which runs no ticks at once behind a
 * callback that has failed.
 */
function drain() {
  try {
    batchOfLoop();
  } catch (error) {
    engine.uncaught(error);
    throw undefined;
  }
}

/** The same where V8 aborts for what nobody catches: with a `catch` here it would take all of it for caught. It costs a call more. */
function drainUncaught() {
  engine.attempt(batchOfLoop);
}

/** Whether V8 was asked to abort for what nobody catches. */
function mayAbort() {
  return /--abort[-_]on[-_]uncaught[-_]exception/.test(`${process.execArgv.join(' ')} ${process.env.NODE_OPTIONS}`);
}

function batchOfLoop() {
  beginReading();
  batch(true);
}

/** What was read together has one number in `reading`. */
let reading = 0;

/** Other bytes than those before are to be read. */
function beginReading() {
  reading++;
}

/**
 * Reads what lies in the ring, now; what the handlers write stays with the batch that is going on. While a record is being handled the rest
 * waits for that: the next may be of the same connection.
 */
function readEvents() {
  if (isDispatching) return;
  if (inBatch) read(false);
  else batch(false);
}

/** Reads what lies in the ring even while a record is being handled: somebody waits for what is told by it. */
function readEventsNow() {
  isDispatching = false;
  readEvents();
}

const hasEvents = () => eventWords[RING.HEAD] < eventWords[RING.TAIL];

function batch(fromLoop) {
  inBatch = true;
  eventWords[RING.BATCHES]++;
  try {
    if (fromLoop) sendGathered();
    for (;;) {
      read(fromLoop);
      flush(true);
      settle();
      if (fromLoop) {
        runTicks();
        flush();
      }
      if (hasEvents() || position > 0 || (fromLoop && awaiting.length > 0)) continue;
      // Rust's own loop goes on by itself; a batch that JavaScript began has to see to the connections the full ring kept waiting.
      if (fromLoop || eventWords[RING.BACKLOG] === 0) break;
      engine.run();
      if (!hasEvents()) break;
    }
  } finally {
    inBatch = false;
    isDispatching = false;
    // An exception ended it early: the rest comes with the next tick, behind 'uncaughtException'.
    if (asked === TICK.NONE && (position > 0 || awaiting.length > 0 || hasEvents())) ask(TICK.FLUSH);
  }
}

function read(fromLoop) {
  let last;
  let began = 0;
  while (hasEvents()) {
    const at = eventWords[RING.HEAD];
    const word = at >> 2;
    const connection = lingering(last, word) ?? connections[eventWords[word + RECORD.SLOT]];
    if (connection !== last) {
      const previous = last;
      last = connection;
      if (previous !== undefined) {
        // A tick may throw, and may read on itself: nothing of this record has been taken yet.
        began = between(fromLoop, began);
        continue;
      }
      if (fromLoop) began = now();
    }
    const kindAndFlags = eventWords[word + RECORD.KIND];
    const length = eventWords[word + RECORD.LENGTH];
    const a = eventWords[word + RECORD.A];
    const b = eventWords[word + RECORD.B];
    const isCurrent = connection !== undefined && connection.generation === eventWords[word + RECORD.GENERATION];
    // The cursor moves before the call: a listener that throws loses no other event.
    eventWords[RING.HEAD] = at + recordSize(length);
    const flags = kindAndFlags >>> 8;
    const large = length === 0 ? slabs.payload(flags, a, b) : null;
    if (length >= VIEW_MIN) slabs.lendMore();
    if (!isCurrent) continue;
    isDispatching = true;
    if (large === null)
      connection.onEvent(kindAndFlags & 0xff, flags, a, b, eventBytes, at + HEADER, at + HEADER + length);
    else connection.onEvent(kindAndFlags & 0xff, flags & ~AWAY, a, b, large, 0, large.length);
    isDispatching = false;
    // Node runs ticks behind each part of a request's body, as its server's parser reads the socket by itself; not behind heads, and not
    // behind parts of a response, which come by a 'data' event.
    if (fromLoop && (kindAndFlags & 0xff) === EVENT.BODY && connection.role === ROLE.SERVER) runTicksBehind(connection);
  }
  if (last !== undefined) between(fromLoop, began);
}

/**
 * A client's socket that one of its own listeners destroyed: Node's parser goes on to the end of what was read, so that a response which had
 * come whole is complete.
 * @param {any} last whose record was the one before
 * @param {number} word where the next one lies
 * @returns {any} `last`, when that is its connection
 */
function lingering(last, word) {
  if (last === undefined || !last.lingers || last.slot !== eventWords[word + RECORD.SLOT]) return undefined;
  const kind = eventWords[word + RECORD.KIND] & 0xff;
  const isParsers = kind === EVENT.HEAD || kind === EVENT.BODY || kind === EVENT.COMPLETE || kind === EVENT.PARSE_ERROR;
  return isParsers && last.generation === eventWords[word + RECORD.GENERATION] ? last : undefined;
}

/** Ticks that Node runs in the midst of a connection's reading: one that throws ends it. */
function runTicksBehind(connection) {
  try {
    runTicks();
  } catch (error) {
    connection.breakOff();
    throw error;
  }
}

/** What Node does between two connections' reads: ticks and microtasks; and sending early when somebody is slow. */
function between(fromLoop, began) {
  if (!fromLoop) return 0;
  runTicks();
  const ended = now();
  if (ended - began > SLOW) eagerTurns = EAGER_TURNS;
  if (eagerTurns > 0) {
    eagerTurns--;
    flush();
  }
  return ended;
}

// --- connections ---------------------------------------------------------------------------------------------------------

/** Slots in use: the engine takes free ones first, so there never are more of them than there were at a time. */
let used = 0;

/** There is room in the table for one slot more. */
function makeRoom() {
  const rows = table.length / TABLE.STRIDE;
  if (used < rows) return;
  table = new Float64Array(rows * 2 * TABLE.STRIDE);
  engine.growTable(table.buffer);
}

/**
 * Takes a slot, for which there is room in the table then.
 * @param {() => number} open the slot, or minus an errno
 */
function takeSlot(open) {
  makeRoom();
  const slot = open();
  if (slot >= 0) used++;
  return slot;
}

/** Gives a slot back. @param {number} slot */
function releaseSlot(slot) {
  engine.release(slot);
  used--;
}

/** Attaches; a slot, or minus an errno. `timeouts`: the three deadlines in milliseconds, 0 for none. */
function attach(connection, role, transport, fd, maxHead, leniency, [headers, request, keepAlive]) {
  makeRoom();
  const slot =
    transport === TRANSPORT.THREADS
      ? engine.attachToThread(role, fd, maxHead, leniency, headers, request, keepAlive, connection.ioThreads)
      : engine.attach(role, transport, fd, maxHead, leniency, headers, request, keepAlive);
  if (slot >= 0) {
    used++;
    connections[slot] = connection;
    connection.slot = slot;
    connection.generation = table[slot * TABLE.STRIDE + TABLE.GENERATION];
  }
  return slot;
}

/** Binds a pending connection to its connected socket; 0, or minus an errno. */
function bind(connection, fd) {
  const { ioThreads, slot } = connection;
  return ioThreads > 0 ? engine.bindToThread(slot, fd, ioThreads) : engine.bind(slot, fd);
}

/** Forgets a connection; what it wrote is applied first. */
function release(connection) {
  flush();
  releaseSlot(connection.slot);
  connections[connection.slot] = undefined;
}

/** Attached connections whose sockets keep the process alive. */
let references = 0;

/** @param {boolean} isReferenced a connection keeps the process alive, or no longer does */
function reference(isReferenced) {
  references += isReferenced ? 1 : -1;
  if (references !== (isReferenced ? 1 : 0)) return;
  engine.setReferenced(isReferenced);
  // The loop may leave without polling, as it has nothing to wait for.
  if (eventWords[RING.GATHERED] !== 0) flush();
}

/** A figure of a connection, as of the last flush. */
const figure = (connection, field) => table[connection.slot * TABLE.STRIDE + field];

// What was answered before an exit goes out before it, as from Node, which sends at once; and at once what is answered by those who hear of it later.
process.on('exit', () => {
  // Some have it told where nothing exits.
  if (/** @type {any} */ (process)._exiting) asked = TICK.OVER;
  sendAtExit();
});

function sendAtExit() {
  flush();
  engine.sendAllNow();
}

// No accessors: with one among them V8 would keep this object as a dictionary, and look each of these functions up by name where it is called.
module.exports = {
  COMMAND,
  attach,
  awaitOutput,
  hurry,
  beginReading,
  bind,
  command,
  commandMessage,
  commandWith,
  connections,
  engine,
  epoch: () => epoch,
  figure,
  flush,
  flushWith,
  /** Whether what is numbered `reading` is being told of right now. */
  isReading: () => inBatch,
  readEvents,
  readEventsNow,
  reading: () => reading,
  reference,
  release,
  releaseSlot,
  takeSlot,
  /** Numbers the turns of the event loop, as far as the engine takes part in them. */
  turn: () => eventWords[RING.TURN],
};
