'use strict';

const { setImmediate } = require('node:timers');
const { kIncomingMessage, kOnTimeout, METHODS_BY_CODE } = require('./common');
const { complete, IncomingMessage, pushBody } = require('./incoming');
const {
  HTTPParser,
  kOnBody,
  kOnExecute,
  kOnHeaders,
  kOnHeadersComplete,
  kOnMessageBegin,
  kOnMessageComplete,
} = require('./parser');

/**
 * node's pool of parsers, for packages that take one from it. Its parsers make messages and hand them to their `onIncoming`.
 * ferrohttp's Servers and ClientRequests have no need of it.
 */

/** Elements of rawHeaders that are kept: twice the fields. */
const MAX_HEADER_PAIRS = 2000;

/** Things kept to be used again. */
class FreeList {
  /**
   * @param {string} name
   * @param {number} max how many are kept
   * @param {(this: FreeList, ...args: any[]) => any} ctor makes one
   */
  constructor(name, max, ctor) {
    this.name = name;
    this.ctor = ctor;
    this.max = max;
    /** @type {any[]} */
    this.list = [];
  }

  /** @param {...any} args for `ctor` */
  alloc(...args) {
    return this.list.pop() ?? this.ctor(...args);
  }

  /**
   * @param {any} thing
   * @returns {boolean} whether it is kept
   */
  free(thing) {
    if (this.list.length >= this.max) return false;
    this.list.push(thing);
    return true;
  }
}

const parsers = new FreeList('parsers', 1000, makeParser);

function makeParser() {
  /** @type {any} */
  const parser = new HTTPParser();
  clean(parser);
  parser[kOnHeaders] = addFields;
  parser[kOnHeadersComplete] = beginMessage;
  parser[kOnBody] = addBody;
  parser[kOnMessageComplete] = endMessage;
  return parser;
}

/**
 * Nothing in the pool may hold on to a connection.
 * @param {any} parser
 */
function clean(parser) {
  Object.assign(parser, {
    _headers: [],
    _url: '',
    socket: null,
    incoming: null,
    outgoing: null,
    maxHeaderPairs: MAX_HEADER_PAIRS,
    [kOnMessageBegin]: null,
    [kOnExecute]: null,
    [kOnTimeout]: null,
    _consumed: false,
    onIncoming: null,
    joinDuplicateHeaders: null,
  });
}

/**
 * Parts a parser from what it served, and puts it back into the pool.
 * @param {any} parser
 * @param {{ parser?: unknown } | null} [req]
 * @param {{ parser?: unknown } | null} [socket]
 */
function freeParser(parser, req, socket) {
  if (parser) {
    if (parser._consumed) parser.unconsume();
    parser.remove();
    clean(parser);
    // One that is not kept may still be in its execute().
    if (parsers.free(parser)) parser.free();
    else setImmediate(close, parser);
  }
  if (req) req.parser = null;
  if (socket) socket.parser = null;
}

/** @param {any} parser */
function close(parser) {
  parser.close();
}

// --- what a parser of the pool does with what it reads ------------------------------------------------------------------

/**
 * @this {any}
 * @param {string[]} fields
 * @param {string} url
 */
function addFields(fields, url) {
  const room = this.maxHeaderPairs > 0 ? this.maxHeaderPairs - this._headers.length : fields.length;
  this._headers.push(...fields.slice(0, Math.max(room, 0)));
  this._url += url;
}

/**
 * @this {any}
 * @param {number} versionMajor
 * @param {number} versionMinor
 * @param {string[] | undefined} fields undefined: they have come to addFields
 * @param {number | undefined} method
 * @param {string | undefined} url
 * @param {number | undefined} statusCode
 * @param {string | undefined} statusMessage
 * @param {boolean} upgrade
 * @param {boolean} shouldKeepAlive
 */
function beginMessage(
  versionMajor,
  versionMinor,
  fields,
  method,
  url,
  statusCode,
  statusMessage,
  upgrade,
  shouldKeepAlive,
) {
  const { socket } = this;
  const raw = fields ?? this._headers;
  const Message = socket?.server?.[kIncomingMessage] || IncomingMessage;
  const incoming = new Message(socket);
  this.incoming = incoming;
  incoming.httpVersionMajor = versionMajor;
  incoming.httpVersionMinor = versionMinor;
  incoming.httpVersion = `${versionMajor}.${versionMinor}`;
  incoming.joinDuplicateHeaders = socket?.server?.joinDuplicateHeaders || this.joinDuplicateHeaders;
  incoming.url = url ?? this._url;
  incoming.upgrade = upgrade;
  incoming._addHeaderLines(raw, this.maxHeaderPairs > 0 ? Math.min(raw.length, this.maxHeaderPairs) : raw.length);
  if (method === undefined) {
    incoming.statusCode = statusCode;
    incoming.statusMessage = statusMessage;
  } else {
    incoming.method = METHODS_BY_CODE[method];
  }
  this._headers = [];
  this._url = '';
  return this.onIncoming(incoming, shouldKeepAlive);
}

/**
 * @this {any}
 * @param {Buffer} chunk
 */
function addBody(chunk) {
  if (this.incoming !== null) pushBody(this.incoming, chunk);
}

/** @this {any} */
function endMessage() {
  if (this.incoming !== null) complete(this.incoming, this._headers.join('\n'));
  this._headers = [];
  this._url = '';
}

module.exports = { freeParser, parsers };
