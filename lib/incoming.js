'use strict';

const host = require('./internal/host');
const EventEmitter = require('node:events');
const { Readable, finished } = require('node:stream');
const process = require('node:process');

const { asEvents, defineView, hide } = require('./inspect');
const { HEAD, kConnection } = require('./internal/connection');
const { METHODS_BY_CODE, defineInOrder, hostSymbol, kSkipPendingData, eventNames } = require('./common');
const { addDistinctField, mergeField } = require('./headers');

/** @typedef {import('node:net').Socket & Record<string | symbol, any>} Socket */

/** The text of a received head, until it is cut; what precedes the fields in it, in characters. */
const kHead = Symbol('kHead');
const kFieldsAt = Symbol('kFieldsAt');
const kRawHeaders = Symbol('kRawHeaders');
const kHeaders = Symbol('kHeaders');
const kHeadersDistinct = Symbol('kHeadersDistinct');
/** How many elements of rawHeaders (twice the number of fields) `headers` is made of; before the cut: at most. */
const kHeadersCount = Symbol('kHeadersCount');
const kRawTrailers = Symbol('kRawTrailers');
const kTrailers = Symbol('kTrailers');
const kTrailersDistinct = Symbol('kTrailersDistinct');
const kTrailersCount = Symbol('kTrailersCount');

const kReadableState = Symbol('kReadableState');
const kPhase = Symbol('kPhase');

const kAbortController = Symbol('kAbortController');
const kAbortListener = Symbol('kAbortListener');
/**
 * The host's own symbol where it has one: its HTTP/2 server hands HTTP/1 connections to its own HTTP/1 server, which calls this method of
 * whatever class it was given.
 */
const kDetachAbortSignal = hostSymbol(host.IncomingMessage.prototype, 'kDetachAbortSignal');

/** Where a message stands whose stream nobody has touched yet. */
const PHASE = Object.freeze({
  /** Body or end may still come. */
  OPEN: 0,
  /** All of it came, and there was no body. */
  ENDED: 1,
  /** It was dumped: whoever looks now finds a stream that has ended and closed. */
  CLOSED: 2,
});

/** Elements of rawHeaders kept at most unless the Server or ClientRequest says otherwise: Node's own bound. */
const MAX_HEADERS_COUNT = 2000;
/** Node cuts rawHeaders short only when its parser has handed it over in parts, which it does from 32 fields on. */
const RAW_HEADERS_WHOLE_BELOW = 64;

/**
 * A request as a server receives it, or a response as a client does (https://nodejs.org/api/http.html#class-httpincomingmessage).
 * An ES5 function, because it is called without `new` and subclassed by hand.
 * Its stream state and its headers are made when first looked at: most requests have no body, and most handlers look at few fields.
 * @constructor
 * @param {Socket | null | undefined} socket
 * @this {any}
 */
function IncomingMessage(socket) {
  this._events = undefined;
  this._eventsCount = 0;
  this._maxListeners = undefined;
  // The domain module marks emitters in their initializer.
  if (/** @type {any} */ (EventEmitter).usingDomains) /** @type {any} */ (EventEmitter).init.call(this);

  this[kReadableState] = null;
  this[kPhase] = PHASE.OPEN;

  this.socket = socket;
  this.httpVersionMajor = null;
  this.httpVersionMinor = null;
  this.httpVersion = null;
  this.complete = false;
  this.joinDuplicateHeaders = false;
  this.aborted = false;
  this.upgrade = null;
  this.url = '';
  this.method = null;
  this.statusCode = null;
  this.statusMessage = null;
  this.client = socket;

  this._consuming = false;
  this._dumped = false;

  this[kHead] = '';
  this[kFieldsAt] = 0;
  this[kRawHeaders] = null;
  this[kHeaders] = null;
  this[kHeadersCount] = 0;
  this[kRawTrailers] = null;
  this[kTrailers] = null;
  this[kTrailersCount] = 0;

  this[kAbortController] = null;
  this[kAbortListener] = null;
}
Object.setPrototypeOf(IncomingMessage.prototype, Readable.prototype);
Object.setPrototypeOf(IncomingMessage, Readable);

/**
 * What its prototype has; gathered here, to stand there in Node's order. Without a prototype of its own, as V8 would give it another shape for each.
 * @type {any}
 */
const members = Object.create(null);

/**
 * Lets a transport's bytes come again, unless the server has stopped them for its own reasons (`_paused`).
 * @param {Socket | null | undefined} socket
 */
function readStart(socket) {
  if (!socket || socket._paused) return;
  const connection = socket[kConnection];
  if (connection?.attached) connection.readStart();
  else if (socket.readable) socket.resume();
}

/**
 * Stops a transport's bytes; those already on their way may still come.
 * @param {Socket | null | undefined} socket
 */
function readStop(socket) {
  if (!socket) return;
  const connection = socket[kConnection];
  if (connection?.attached) connection.readStop();
  else socket.pause();
}

// --- the stream -----------------------------------------------------------------------------------------------------

/**
 * Makes the stream state of a message somebody looks at, as it would be by now had it been there from the start.
 * @param {any} msg
 */
function makeReadableState(msg) {
  const { socket } = msg;
  const options = socket ? { highWaterMark: socket.readableHighWaterMark } : undefined;
  const state = new /** @type {any} */ (Readable).ReadableState(options, msg, false);
  // Nothing is read ahead before somebody asks: _read ends this.
  state.readingMore = true;
  msg[kReadableState] = state;
  if (msg[kPhase] === PHASE.ENDED) state.ended = true;
  else if (msg[kPhase] === PHASE.CLOSED) close(state);
  else if (msg._dumped) msg.resume();
  return state;
}

/** @param {any} state a ReadableState that shall have no more life in it */
function close(state) {
  state.ended = true;
  state.endEmitted = true;
  state.destroyed = true;
  state.closed = true;
  state.closeEmitted = true;
}

Object.defineProperty(members, '_readableState', {
  configurable: true,
  get() {
    return this[kReadableState] ?? makeReadableState(this);
  },
  set(state) {
    this[kReadableState] = state;
  },
});

/** @this {any} */
members._read = function _read() {
  if (!this._consuming) {
    this._readableState.readingMore = false;
    this._consuming = true;
  }
  // The chunks come by pushBody: all there is to do is to let them.
  readStart(this.socket);
};

/**
 * @this {any}
 * @param {Error | null} err
 * @param {(err?: Error | null) => void} callback
 */
members._destroy = function _destroy(err, callback) {
  if (!this.readableEnded || !this.complete) {
    this.aborted = true;
    this.emit('aborted');
    abortSignal(this);
  }

  const { socket } = this;
  if (!this.aborted || !socket || socket.destroyed) {
    process.nextTick(reportDestroyed, this, err, callback);
    return;
  }
  // The rest of the message is on this connection, where nobody would read it.
  socket.destroy(err ?? undefined);
  const stop = finished(socket, (socketErr) => {
    stop();
    const premature = socketErr?.code === 'ERR_STREAM_PREMATURE_CLOSE';
    process.nextTick(reportDestroyed, this, (premature ? null : socketErr) || err, callback);
  });
};

/**
 * Node's messages emit 'error' only where somebody listens.
 * @param {any} msg
 * @param {Error | null | undefined} err
 * @param {(err?: Error | null) => void} callback
 */
function reportDestroyed(msg, err, callback) {
  if (msg.listenerCount('error') > 0) callback(err);
  else callback();
}

/**
 * Throws away what of the body has come and will come, so that the connection's next message can be read.
 * @this {any}
 */
members._dump = function _dump() {
  if (this._dumped) return;
  this._dumped = true;
  if (this[kReadableState] === null && this._eventsCount === 0) {
    // Nobody has looked, nobody listens: there is nothing to emit 'end' and 'close' to.
    if (this[kPhase] === PHASE.ENDED) this[kPhase] = PHASE.CLOSED;
    return;
  }
  this.removeAllListeners('data');
  this.resume();
};

/**
 * Makes this a message without a body to read: it has ended and closed, with no event.
 * @this {any}
 */
members._dumpAndCloseReadable = function _dumpAndCloseReadable() {
  this._dumped = true;
  this[kPhase] = PHASE.CLOSED;
  if (this[kReadableState] !== null) close(this[kReadableState]);
};

members.eventNames = eventNames;

/**
 * @this {any}
 * @param {number} msecs
 * @param {() => void} [callback]
 */
members.setTimeout = function setTimeout(msecs, callback) {
  if (callback) this.on('timeout', callback);
  this.socket.setTimeout(msecs);
  return this;
};

Object.defineProperty(members, 'connection', {
  get() {
    return this.socket;
  },
  set(socket) {
    this.socket = socket;
  },
});

// --- header fields --------------------------------------------------------------------------------------------------

/**
 * rawHeaders, cut from the head if they have not been yet.
 * @param {any} msg
 * @returns {string[]}
 */
function cutHead(msg) {
  if (msg[kRawHeaders] !== null) return msg[kRawHeaders];
  const fields = msg[kHead].slice(msg[kFieldsAt]);
  const raw = fields === '' ? [] : fields.split('\n');
  const limit = msg[kHeadersCount] > 0 ? msg[kHeadersCount] : raw.length;
  if (raw.length > limit && raw.length >= RAW_HEADERS_WHOLE_BELOW) raw.length = limit;
  msg[kHead] = '';
  msg[kHeadersCount] = Math.min(raw.length, limit);
  msg[kRawHeaders] = raw;
  return raw;
}

Object.defineProperty(members, 'rawHeaders', {
  configurable: true,
  enumerable: true,
  get() {
    return cutHead(this);
  },
  set(raw) {
    cutHead(this);
    this[kRawHeaders] = raw;
  },
});

Object.defineProperty(members, 'rawTrailers', {
  configurable: true,
  enumerable: true,
  get() {
    this[kRawTrailers] ??= [];
    return this[kRawTrailers];
  },
  set(raw) {
    this[kRawTrailers] = raw;
  },
});

/**
 * @param {any} msg
 * @param {string[]} raw
 * @param {number} count elements of raw
 * @param {Record<string, any>} dest
 */
function mergeFields(msg, raw, count, dest) {
  // Through the method: it is public enough to be replaced.
  for (let i = 0; i < count; i += 2) msg._addHeaderLine(raw[i], raw[i + 1], dest);
  return dest;
}

/**
 * @param {any} msg
 * @param {string[]} raw
 * @param {number} count elements of raw
 */
function distinctFields(msg, raw, count) {
  const dest = Object.create(null);
  for (let i = 0; i < count; i += 2) msg._addHeaderLineDistinct(raw[i], raw[i + 1], dest);
  return dest;
}

/**
 * An accessor whose value is made by the first look at it, and can be set.
 * @param {string} name
 * @param {symbol} slot
 * @param {(msg: any) => Record<string, any>} make
 */
function defineFields(name, slot, make) {
  Object.defineProperty(members, name, {
    get() {
      if (!this[slot]) this[slot] = make(this);
      return this[slot];
    },
    set(value) {
      this[slot] = value;
    },
  });
}

defineFields('headers', kHeaders, (msg) => {
  const raw = cutHead(msg);
  return mergeFields(msg, raw, msg[kHeadersCount], {});
});
defineFields('headersDistinct', kHeadersDistinct, (msg) => {
  const raw = cutHead(msg);
  return distinctFields(msg, raw, msg[kHeadersCount]);
});
defineFields('trailers', kTrailers, (msg) => mergeFields(msg, msg.rawTrailers, msg[kTrailersCount], {}));
defineFields('trailersDistinct', kTrailersDistinct, (msg) => distinctFields(msg, msg.rawTrailers, msg[kTrailersCount]));

/**
 * Takes header fields, or, once the message is complete, trailer fields.
 * @this {any}
 * @param {string[]} raw
 * @param {number} count elements of raw that shall count
 */
members._addHeaderLines = function _addHeaderLines(raw, count) {
  if (!raw?.length) return;
  let dest;
  if (this.complete) {
    this[kRawTrailers] = raw;
    this[kTrailersCount] = count;
    dest = this[kTrailers];
  } else {
    this[kRawHeaders] = raw;
    this[kHeadersCount] = count;
    dest = this[kHeaders];
  }
  if (dest) mergeFields(this, raw, count, dest);
};

/**
 * @this {any}
 * @param {string} field
 * @param {string} value
 * @param {Record<string, any>} dest
 */
members._addHeaderLine = function _addHeaderLine(field, value, dest) {
  mergeField(dest, field, value, this.joinDuplicateHeaders);
};

/**
 * @this {any}
 * @param {string} field
 * @param {string} value
 * @param {Record<string, string[]>} dest
 */
members._addHeaderLineDistinct = function _addHeaderLineDistinct(field, value, dest) {
  addDistinctField(dest, field, value);
};

// --- signal ---------------------------------------------------------------------------------------------------------

/** In kAbortListener's place once `signal` shall listen no more. */
const DETACHED = Object.freeze({ socket: null, listener: null });

Object.defineProperty(members, 'signal', {
  configurable: true,
  get() {
    if (this[kAbortController] === null) {
      this[kAbortController] = new AbortController();
      if (this.destroyed && (!this.readableEnded || !this.complete)) this[kAbortController].abort();
      else watchSocket(this);
    }
    return this[kAbortController].signal;
  },
});

/** @param {any} msg */
function watchSocket(msg) {
  const { socket } = msg;
  if (!socket || msg[kAbortListener] !== null) return;
  if (socket.destroyed) {
    abortSignal(msg);
    return;
  }
  const listener = () => abortSignal(msg);
  msg[kAbortListener] = { socket, listener };
  socket.once('close', listener);
}

/** @param {any} msg */
function abortSignal(msg) {
  msg[kDetachAbortSignal]();
  msg[kAbortController]?.abort();
}

/**
 * From here on `signal` does not follow the socket: it serves other messages.
 * @this {any}
 */
members[kDetachAbortSignal] = function detachAbortSignal() {
  const watch = this[kAbortListener];
  this[kAbortListener] = DETACHED;
  if (watch !== null && watch.socket !== null) watch.socket.removeListener('close', watch.listener);
};

// --- what is seen of it -----------------------------------------------------------------------------------------------

hide(kReadableState, kPhase, kHead, kFieldsAt, kRawHeaders, kRawTrailers, kAbortListener);
defineView(members, {
  mark: kPhase,
  after: { _events: ['_readableState'], complete: ['rawHeaders', 'rawTrailers'] },
  as: new Map([['_events', asEvents]]),
});

// --- what the server and the client do with a message --------------------------------------------------------------

/**
 * Gives a message its version and its fields, uncut.
 * @param {any} msg
 * @param {string} text a Connection's head: start line's text, then names and values joined by line feeds
 * @param {number} flags HEAD bits
 * @param {number} fieldsAt where in text the fields begin, in characters
 * @param {number | null | undefined} maxFields as maxHeadersCount: null or undefined for Node's bound, 0 or less for none
 */
function setFields(msg, text, flags, fieldsAt, maxFields) {
  const version = flags >>> HEAD.VERSION_SHIFT;
  const major = version >>> 8;
  const minor = version & 0xff;
  msg.httpVersionMajor = major;
  msg.httpVersionMinor = minor;
  msg.httpVersion = major === 1 && minor === 1 ? '1.1' : `${major}.${minor}`;
  msg.upgrade = (flags & HEAD.UPGRADE) !== 0;
  msg[kHead] = text;
  msg[kFieldsAt] = fieldsAt;
  msg[kHeadersCount] = typeof maxFields === 'number' ? maxFields * 2 : MAX_HEADERS_COUNT;
}

/**
 * Fills a request in from what Connection's onHead got.
 * @param {any} msg
 * @param {string} text
 * @param {number} flags HEAD bits
 * @param {number} code index into METHODS_BY_CODE
 * @param {number} startLength length of the request target, in characters
 * @param {number | null} [maxFields] the Server's maxHeadersCount
 */
function setRequestHead(msg, text, flags, code, startLength, maxFields) {
  msg.method = METHODS_BY_CODE[code];
  msg.url = text.slice(0, startLength);
  setFields(msg, text, flags, startLength, maxFields);
}

/**
 * Fills a response in from what Connection's onHead got.
 * @param {any} msg
 * @param {string} text
 * @param {number} flags HEAD bits
 * @param {number} code status code
 * @param {number} startLength length of the reason phrase, in characters
 * @param {number | null} [maxFields] the ClientRequest's maxHeadersCount
 */
function setResponseHead(msg, text, flags, code, startLength, maxFields) {
  msg.statusCode = code;
  msg.statusMessage = text.slice(0, startLength);
  setFields(msg, text, flags, startLength, maxFields);
}

/**
 * Hands a piece of body to a message; stops its connection when the reader is behind.
 * @param {any} msg
 * @param {Buffer} chunk
 * @returns {boolean} false: the connection has been paused
 */
function pushBody(msg, chunk) {
  if (msg._dumped || msg[kSkipPendingData]) return true;
  const wantsMore = msg.push(chunk);
  if (!wantsMore) readStop(msg.socket);
  return wantsMore;
}

/**
 * Ends a message.
 * @param {any} msg
 * @param {string} trailers '' or names and values joined by line feeds
 */
function complete(msg, trailers) {
  if (!msg[kSkipPendingData]) {
    msg.complete = true;
    if (trailers !== '') {
      const raw = trailers.split('\n');
      msg._addHeaderLines(raw, raw.length);
    }
    // Who listens for 'readable' without the stream's knowledge hears of the end.
    if (msg[kReadableState] === null && (msg._eventsCount === 0 || msg._events.readable === undefined))
      msg[kPhase] = msg._dumped ? PHASE.CLOSED : PHASE.ENDED;
    else msg.push(null);
  }
  // A reader that is behind with this message must not hold back the next.
  readStart(msg.socket);
}

/**
 * @param {any} msg
 * @returns {boolean} whether nobody has touched its stream yet
 */
function isUntouched(msg) {
  return msg[kReadableState] === null;
}

/**
 * Dumps an answered request that nobody reads.
 * @param {any} msg
 */
function dumpUnread(msg) {
  if (!msg._consuming && (isUntouched(msg) || !msg._readableState.resumeScheduled)) msg._dump();
}

defineInOrder(IncomingMessage.prototype, members, host.IncomingMessage.prototype);

module.exports = {
  IncomingMessage,
  dumpUnread,
  isUntouched,
  kDetachAbortSignal,
  readStart,
  readStop,
  setRequestHead,
  setResponseHead,
  pushBody,
  complete,
};
