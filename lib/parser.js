'use strict';

const { AsyncResource } = require('node:async_hooks');
const host = require('./internal/host');
const { HEAD } = require('./internal/layout');
const parsing = require('./internal/parsing');
const { HOST_MAJOR, kOnTimeout, METHODS_BY_CODE } = require('./common');
const { codes } = require('./errors');

/**
 * node's parser object, for those who drive one by hand: bytes go in by execute(), each message comes out by the callbacks under the
 * numbers below. ferrohttp's own messages never pass through one; both are read by the same engine.
 */

const REQUEST = 1;
const RESPONSE = 2;

const kOnMessageBegin = 0;
const kOnHeaders = 1;
const kOnHeadersComplete = 2;
const kOnBody = 3;
const kOnMessageComplete = 4;
const kOnExecute = 5;

/** What kOnHeadersComplete answers. */
const VERDICT = Object.freeze({ MESSAGE: 0, NO_BODY: 1, UPGRADE: 2 });

/** @type {number[]} */
const VERDICTS = Object.values(VERDICT);

/** Fields that come with one call; where there are more, each such many come by kOnHeaders. */
const FIELDS_AT_ONCE = 31;

const CONNECT = METHODS_BY_CODE.indexOf('CONNECT');
const SWITCHING_PROTOCOLS = 101;
const LF = 10;
const NOTHING = Buffer.alloc(0);

/** Whether execute() may go on. */
const STAGE = Object.freeze({
  /** Not initialized. */
  NEW: 0,
  READY: 1,
  /** In execute(). */
  EXECUTING: 2,
  /** In execute(), and paused behind it. */
  PAUSING: 3,
  PAUSED: 4,
  CLOSED: 5,
});

/** Where a message stands. */
const MESSAGE = Object.freeze({ NONE: 0, BEGUN: 1, HEADED: 2 });

/** @typedef {{ code: string, reason: string }} Failure */

/** What ends a parser whose callback has thrown or answered nonsense; by callback. @type {Record<number, Failure>} */
const CALLBACK_FAILURES = {
  [kOnMessageBegin]: { code: 'HPE_JS_EXCEPTION', reason: 'JS Exception' },
  [kOnHeaders]: { code: 'HPE_JS_EXCEPTION', reason: 'JS Exception' },
  [kOnHeadersComplete]: { code: 'HPE_CB_HEADERS_COMPLETE', reason: 'User callback error' },
  [kOnBody]: { code: 'HPE_JS_EXCEPTION', reason: 'JS Exception' },
  [kOnExecute]: { code: 'HPE_JS_EXCEPTION', reason: 'JS Exception' },
  [kOnMessageComplete]: { code: 'HPE_CB_MESSAGE_COMPLETE', reason: '`on_message_complete` callback error' },
};
const OVERFLOW = { code: 'HPE_HEADER_OVERFLOW', reason: 'Header overflow' };
const PAUSED = { code: 'HPE_PAUSED', reason: 'Paused' };

/** A message has more fields than the parser's owner allows: the first that is too many. */
class TooManyFields extends Error {
  /** @param {number} index from 0 */
  constructor(index) {
    super('too many header fields');
    this.index = index;
  }
}

class HTTPParser {
  /** @type {number} */
  #stage = STAGE.NEW;
  #slot = -1;
  #requests = false;
  #maxHeaderSize = 0;
  #lenientFlags = 0;
  /** Each message's callbacks are called in it. @type {AsyncResource | null} */
  #resource = null;
  /** Why no more is parsed. @type {Failure | null} */
  #failure = null;
  /** remove() was called: nobody hears any more. */
  #isMuted = false;
  /** What execute() was given. @type {Buffer | null} */
  #current = null;

  /** @type {number} */
  #message = MESSAGE.NONE;
  #url = '';
  /** kOnHeaders has been called; from there on a head's fields come by it alone. */
  #haveFlushed = false;
  /** The message last begun leaves HTTP, or may: nothing behind it is wrong. */
  #isUpgrade = false;
  /** What follows the message is left to the caller. */
  #isLast = false;

  /** @type {any} */
  #consumed = null;

  /**
   * Makes it a parser of requests or responses at the start of a connection.
   * @param {number} type HTTPParser.REQUEST or RESPONSE
   * @param {object} resource stands for the connection in async hooks
   * @param {number} [maxHeaderSize] bytes, 0: the default
   * @param {number} [lenientFlags] HTTPParser.kLenient…
   * @param {object | null} [_connectionsList] node's list of a Server's connections; ferrohttp's Servers keep their own
   */
  initialize(type, resource, maxHeaderSize = 0, lenientFlags = 0, _connectionsList = undefined) {
    if (this.#stage === STAGE.CLOSED) return;
    if (type !== REQUEST && type !== RESPONSE) throw new codes.ERR_INVALID_ARG_VALUE('type', type);
    if (resource === null || typeof resource !== 'object') {
      throw new codes.ERR_INVALID_ARG_TYPE('resource', 'Object', resource);
    }
    this.#giveSlotBack();
    this.#resource?.emitDestroy();
    this.#resource = new AsyncResource(type === REQUEST ? 'HTTPINCOMINGMESSAGE' : 'HTTPCLIENTREQUEST');
    this.#requests = type === REQUEST;
    this.#maxHeaderSize = maxHeaderSize || host.whole().maxHeaderSize;
    this.#lenientFlags = lenientFlags;
    this.#stage = STAGE.READY;
    this.#failure = null;
    this.#isMuted = false;
    this.#message = MESSAGE.NONE;
    this.#url = '';
    this.#haveFlushed = false;
    this.#isUpgrade = false;
  }

  /**
   * Parses.
   * @param {NodeJS.ArrayBufferView} buffer all of it, as in node
   * @returns {number | (Error & { bytesParsed: number, code: string, reason: string }) | undefined} bytes taken: all, unless what follows is
   *   no HTTP; or what is wrong with them
   */
  execute(buffer) {
    if (this.#stage === STAGE.CLOSED) return undefined;
    if (!ArrayBuffer.isView(buffer)) throw new codes.ERR_INVALID_ARG_TYPE('buffer', 'ArrayBufferView', buffer);
    if (this.#stage === STAGE.NEW) throw new Error('ferrohttp: HTTPParser.execute() before initialize()');
    if (this.#stage === STAGE.EXECUTING || this.#stage === STAGE.PAUSING) {
      // Node's goes on in the state of the outer call, and mixes both messages up: see ARCHITECTURE.md.
      throw new Error('ferrohttp: HTTPParser.execute() in a callback of the same parser');
    }
    if (this.#stage === STAGE.PAUSED) return parseError(PAUSED, 0);
    if (this.#failure !== null) return parseError(this.#failure, 0);

    const input = Buffer.from(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    if (this.#slot < 0) this.#slot = parsing.open(this, this.#requests, this.#maxHeaderSize, this.#lenientFlags);
    this.#stage = STAGE.EXECUTING;
    this.#current = input;
    try {
      return this.#run(input, this.#slot);
    } catch (error) {
      this.#failure ??= CALLBACK_FAILURES[kOnHeadersComplete];
      throw error;
    } finally {
      this.#current = null;
      this.#settle();
    }
  }

  /**
   * There is no more input.
   * @returns {number | (Error & { bytesParsed: number, code: string, reason: string }) | undefined} what was cut off
   */
  finish() {
    if (this.#slot < 0 || this.#failure !== null || this.#stage !== STAGE.READY) return undefined;
    const slot = this.#slot;
    this.#stage = STAGE.EXECUTING;
    try {
      for (const event of parsing.finish(slot)) {
        if (event.kind === parsing.EVENT.PARSE_ERROR) return this.#fail(event.errorCode, event.reason, 0);
        this.#endMessage(event.text, NOTHING, 0);
      }
      return undefined;
    } finally {
      this.#settle();
    }
  }

  /** Execution stops behind the bytes at hand, until resume(). */
  pause() {
    if (this.#stage === STAGE.READY) this.#stage = STAGE.PAUSED;
    else if (this.#stage === STAGE.EXECUTING) this.#stage = STAGE.PAUSING;
  }

  resume() {
    if (this.#stage === STAGE.PAUSED) this.#stage = STAGE.READY;
    else if (this.#stage === STAGE.PAUSING) this.#stage = STAGE.EXECUTING;
  }

  /** The end: it can be used no more. */
  close() {
    if (this.#stage === STAGE.CLOSED) return;
    this.unconsume();
    this.free();
    this.#stage = STAGE.CLOSED;
    this.#giveSlotBack();
  }

  /** Its connection is over; initialize() gives it another. */
  free() {
    this.#resource?.emitDestroy();
    this.#resource = null;
    if (this.#stage !== STAGE.EXECUTING && this.#stage !== STAGE.PAUSING) this.#giveSlotBack();
  }

  /** Nobody is called any more, until initialize(). */
  remove() {
    this.#isMuted = true;
  }

  /**
   * Reads a stream's bytes where they come in, before its socket sees them. Its end and its errors go to the socket still.
   * @param {any} handle a net.Socket's
   */
  consume(handle) {
    if (this.#stage === STAGE.CLOSED) return;
    if (handle === null || typeof handle !== 'object' || typeof handle.onread !== 'function') {
      throw new codes.ERR_INVALID_ARG_TYPE('handle', 'a stream handle', handle);
    }
    this.unconsume();
    const { onread } = handle;
    const parser = this;
    this.#consumed = { handle, onread };
    handle.onread = function readByParser(/** @type {ArrayBuffer | undefined} */ bytes) {
      if (bytes === undefined) return onread.call(this, bytes);
      parser.#executeRead(Buffer.from(bytes));
    };
  }

  /** Ends what consume() began. */
  unconsume() {
    if (this.#consumed === null) return;
    const { handle, onread } = this.#consumed;
    this.#consumed = null;
    handle.onread = onread;
  }

  /** @returns {Buffer | undefined} a copy of the bytes that are being parsed */
  getCurrentBuffer() {
    if (this.#stage === STAGE.CLOSED) return undefined;
    return Buffer.from(this.#current ?? NOTHING);
  }

  /** @returns {number} of the connection that initialize() gave it; -1: none */
  getAsyncId() {
    return this.#resource?.asyncId() ?? -1;
  }

  // --- one call -------------------------------------------------------------------------------------------------------

  /**
   * @param {Buffer} input
   * @param {number} slot
   */
  #run(input, slot) {
    let next = input;
    for (;;) {
      const { events, left } = parsing.parse(slot, next);
      next = NOTHING;
      const at = input.length - left;
      if (this.#message === MESSAGE.NONE && this.#hasBegun(events)) this.#begin();
      let isWhole = false;
      for (const event of events) {
        if (this.#slot !== slot) break;
        switch (event.kind) {
          case parsing.EVENT.HEAD: {
            const failure = this.#endHead(event, input, at);
            if (failure !== null) return failure;
            if ((event.flags & (HEAD.BODY | HEAD.UPGRADE)) !== 0 || this.#slot !== slot) break;
            // The engine leaves out the end that follows from the head.
            parsing.parse(slot, NOTHING);
            this.#endMessage('', input, at);
            isWhole = true;
            break;
          }
          case parsing.EVENT.BODY:
            this.#call(kOnBody, event.data);
            break;
          case parsing.EVENT.COMPLETE: {
            const failure = this.#endMessage(event.text, input, at);
            if (failure !== null) return failure;
            isWhole = true;
            break;
          }
          default:
            return this.#fail(event.errorCode, event.reason, input.length - event.fromEnd);
        }
      }
      // A callback has closed it, or begun another connection with it: the rest of these bytes is nobody's.
      if (this.#slot !== slot) return this.#stage === STAGE.CLOSED ? undefined : input.length;
      if (isWhole && this.#leaveMessage(slot)) return at;
      if (events.length === 0) return input.length;
    }
  }

  /** @param {import('./internal/parsing').ParsingEvent[]} events */
  #hasBegun(events) {
    if (events.length === 0) return !parsing.isIdle(this.#slot);
    return events[0].errorCode !== 'HPE_CLOSED_CONNECTION';
  }

  #begin() {
    this.#message = MESSAGE.BEGUN;
    this.#url = '';
    this.#call(kOnMessageBegin);
  }

  /**
   * A head: tells of it, and the engine what follows.
   * @param {import('./internal/parsing').ParsingEvent} event
   * @param {Buffer} input
   * @param {number} at where the head ends in it
   */
  #endHead({ text, flags, code, startLength }, input, at) {
    const slot = this.#slot;
    const start = text.slice(0, startLength);
    if (this.#requests) this.#url = start;
    const fields = text.length === startLength ? [] : text.slice(startLength).split('\n');
    const isUpgrade = (flags & HEAD.UPGRADE) !== 0;
    /** @type {number} */
    let verdict = VERDICT.MESSAGE;
    try {
      const rest = this.#flushLong(fields);
      this.#isUpgrade = isUpgrade;
      // As in node: without the callback nobody is told.
      if (this.#hears(kOnHeadersComplete)) {
        const isFlushed = this.#haveFlushed;
        if (isFlushed) this.#flush(rest);
        const version = flags >>> HEAD.VERSION_SHIFT;
        const answer = this.#call(
          kOnHeadersComplete,
          version >> 8,
          version & 0xff,
          isFlushed ? undefined : rest,
          this.#requests ? code : undefined,
          this.#requests && !isFlushed ? this.#url : undefined,
          this.#requests ? undefined : code,
          this.#requests ? undefined : start,
          isUpgrade,
          (flags & HEAD.KEEP_ALIVE) !== 0,
        );
        verdict = Math.trunc(Number(answer)) || VERDICT.MESSAGE;
      }
    } catch (error) {
      if (error instanceof TooManyFields) return this.#overflow(error, fields, input, at);
      throw error;
    }
    if (this.#slot !== slot) return null;
    if (!VERDICTS.includes(verdict)) {
      const { code, reason } = CALLBACK_FAILURES[kOnHeadersComplete];
      return this.#fail(code, reason, at);
    }
    this.#message = MESSAGE.HEADED;
    this.#isUpgrade ||= verdict === VERDICT.UPGRADE;
    this.#isLast = this.#isUpgrade || (!this.#requests && code === SWITCHING_PROTOCOLS);
    const isTunnel = isUpgrade && this.#requests && code === CONNECT;
    parsing.goOn(slot, verdict === VERDICT.MESSAGE && !isTunnel);
    return null;
  }

  /**
   * @param {string} trailers names and values, joined by line feeds
   * @param {Buffer} input
   * @param {number} at where the message ends in it
   */
  #endMessage(trailers, input, at) {
    this.#message = MESSAGE.NONE;
    if (trailers !== '') {
      const fields = trailers.split('\n');
      try {
        this.#flush(this.#flushLong(fields));
      } catch (error) {
        if (error instanceof TooManyFields) return this.#overflow(error, fields, input, at);
        throw error;
      }
    }
    this.#call(kOnMessageComplete);
    return null;
  }

  /**
   * Behind a message's end.
   * @param {number} slot
   * @returns {boolean} whether what follows is another protocol's
   */
  #leaveMessage(slot) {
    if (this.#isLast) parsing.takeUnread(slot);
    parsing.goOn(slot, false);
    return this.#isLast;
  }

  // --- fields ---------------------------------------------------------------------------------------------------------

  /**
   * Passes on what is too long for one call.
   * @param {string[]} fields names and values
   * @returns {string[]} the rest
   */
  #flushLong(fields) {
    if (fields.length === 0) return fields;
    const max = this.#requests ? /** @type {any} */ (this).maxHeaderPairs : 0;
    // Before Node 22 those that are too many are dropped by who takes them.
    const isLimited = HOST_MAJOR >= 22 && typeof max === 'number' && max > 0;
    // Twice as many as there may be fields.
    const excess = isLimited && fields.length > max ? Math.floor(max / 2) : Number.POSITIVE_INFINITY;
    let first = 0;
    while (fields.length / 2 - first > FIELDS_AT_ONCE && first + FIELDS_AT_ONCE < excess) {
      this.#flush(fields.slice(first * 2, (first + FIELDS_AT_ONCE) * 2));
      first += FIELDS_AT_ONCE;
    }
    if (excess < Number.POSITIVE_INFINITY) throw new TooManyFields(excess);
    return first === 0 ? fields : fields.slice(first * 2);
  }

  /** @param {string[]} fields */
  #flush(fields) {
    if (!this.#hears(kOnHeaders)) return;
    const url = this.#url;
    this.#url = '';
    this.#haveFlushed = true;
    this.#call(kOnHeaders, fields, url);
  }

  /**
   * @param {TooManyFields} error
   * @param {string[]} fields
   * @param {Buffer} input
   * @param {number} at where the fields end in it
   */
  #overflow({ index }, fields, input, at) {
    // The line before the one that is too many, from behind: the empty line, and the fields from there on.
    let before = at;
    for (let lines = fields.length / 2 - index + 2; lines > 0 && before > 0; lines--) {
      before = input.lastIndexOf(LF, before - 1);
    }
    return this.#fail(OVERFLOW.code, OVERFLOW.reason, before + 1 + fields[index * 2].length + 1);
  }

  // --- callbacks and failures -----------------------------------------------------------------------------------------

  /** @param {number} name kOn… */
  #hears(name) {
    return !this.#isMuted && typeof (/** @type {any} */ (this)[name]) === 'function';
  }

  /**
   * @param {number} name kOn…
   * @param {...unknown} args
   */
  #call(name, ...args) {
    if (!this.#hears(name)) return undefined;
    const callback = /** @type {any} */ (this)[name];
    try {
      if (this.#resource === null) return callback.apply(this, args);
      return this.#resource.runInAsyncScope(callback, this, ...args);
    } catch (error) {
      this.#failure = CALLBACK_FAILURES[name];
      throw error;
    }
  }

  /**
   * @param {string} code
   * @param {string} reason
   * @param {number} bytesParsed
   */
  #fail(code, reason, bytesParsed) {
    this.#failure = { code, reason };
    return this.#isUpgrade ? bytesParsed : parseError(this.#failure, bytesParsed);
  }

  /** @param {Buffer} bytes that a consumed stream has read */
  #executeRead(bytes) {
    const parsed = this.execute(bytes);
    if (this.#stage === STAGE.CLOSED) return;
    this.#current = bytes;
    try {
      this.#call(kOnExecute, parsed);
    } finally {
      this.#current = null;
    }
  }

  /** Behind execute(). */
  #settle() {
    if (this.#stage === STAGE.EXECUTING) this.#stage = STAGE.READY;
    else if (this.#stage === STAGE.PAUSING) this.#stage = STAGE.PAUSED;
    if (this.#failure !== null) this.#giveSlotBack();
  }

  #giveSlotBack() {
    if (this.#slot < 0) return;
    parsing.close(this, this.#slot);
    this.#slot = -1;
  }
}

/**
 * @param {Failure} failure
 * @param {number} bytesParsed
 */
function parseError({ code, reason }, bytesParsed) {
  return Object.assign(new Error('Parse Error'), { bytesParsed, code, reason });
}

const LENIENT = Object.freeze({
  kLenientNone: 0,
  kLenientHeaders: 1 << 0,
  kLenientChunkedLength: 1 << 1,
  kLenientKeepAlive: 1 << 2,
  kLenientTransferEncoding: 1 << 3,
  kLenientVersion: 1 << 4,
  kLenientDataAfterClose: 1 << 5,
  kLenientOptionalLFAfterCR: 1 << 6,
  kLenientOptionalCRLFAfterChunk: 1 << 7,
  kLenientOptionalCRBeforeLF: 1 << 8,
  kLenientSpacesAfterChunkSize: 1 << 9,
  kLenientHeaderValueRelaxed: 1 << 10,
  /** All but the last, which is a choice of its own. */
  kLenientAll: (1 << 10) - 1,
});

Object.assign(HTTPParser, {
  REQUEST,
  RESPONSE,
  kOnMessageBegin,
  kOnHeaders,
  kOnHeadersComplete,
  kOnBody,
  kOnMessageComplete,
  kOnExecute,
  kOnTimeout,
  ...LENIENT,
});

module.exports = {
  HTTPParser,
  kOnBody,
  kOnExecute,
  kOnHeaders,
  kOnHeadersComplete,
  kOnMessageBegin,
  kOnMessageComplete,
};
