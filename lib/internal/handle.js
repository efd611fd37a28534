'use strict';

// A net.Socket's handle while its descriptor is lent to the engine: same object, other prototype. Whatever the socket, its user or Node
// asks of the handle is kept in order with what the engine does to the same descriptor.

const net = require('node:net');
const { annotate } = require('./annotate');

/** Returns what it is given: what a class that extends it has for fields, that object gets. */
class Itself {
  /** @param {object} object */
  constructor(object) {
    // biome-ignore lint/correctness/noConstructorReturn: the point of it
    return object;
  }
}

/** A lent handle's Borrower, in a private field: V8 takes a twentieth of the time for it that defining a property takes, and nobody sees it. */
class Lent extends Itself {
  /** @type {Borrower | undefined} */
  #borrower;

  /** @param {any} handle @param {Borrower | undefined} borrower undefined: it is lent no more */
  static set(handle, borrower) {
    const lent = #borrower in handle ? handle : new Lent(handle);
    lent.#borrower = borrower;
  }

  /** @param {any} handle @returns {any} its Borrower, if it has one */
  static of(handle) {
    return #borrower in handle ? handle.#borrower : undefined;
  }
}

/** One prototype for each kind of handle (TCP, Pipe), made when the first is lent. @type {Map<object, object>} */
const prototypes = new Map();

/** The writes of a stream handle, all of the form `handle.name(req, ...data)`. */
const WRITES = ['writeBuffer', 'writev', 'writeUtf8String', 'writeAsciiString', 'writeLatin1String', 'writeUcs2String'];

/**
 * What a lent handle asks of the connection that borrowed it.
 * @typedef {object} Borrower
 * @property {() => void} onReadStart
 * @property {() => void} onReadStop
 * @property {() => Buffer | null} beforeWrite sends what is queued; the bytes the kernel did not take, if any, to go first
 * @property {() => void} afterWrite
 * @property {(shutdown: () => void) => boolean} beforeShutdown true when `shutdown` will be called later
 * @property {(isReset: boolean) => void} onClose
 * @property {() => void} onTaken the handle has another owner
 * @property {(referenced: boolean) => void} onReference
 * @property {() => number} bytesRead
 * @property {() => number} bytesWritten
 * @property {() => number} writeQueueSize bytes that the kernel has not taken
 */

/**
 * A property's accessors as a handle's prototypes have them, to be called on handles: each socket that closes asks for three, and by Reflect one takes
 * about a microsecond.
 * @param {any} base
 * @param {string} name
 * @returns {{ get: Function, set: Function }}
 */
function accessors(base, name) {
  let owner = base;
  while (owner !== null && !Object.hasOwn(owner, name)) owner = Object.getPrototypeOf(owner);
  const { get, set } = Object.getOwnPropertyDescriptor(owner ?? {}, name) ?? {};
  return {
    get:
      get ??
      function () {
        return Reflect.get(base, name, this);
      },
    set:
      set ??
      function (value) {
        Reflect.set(base, name, value, this);
      },
  };
}

/** @param {any} base */
function makePrototype(base) {
  const read = accessors(base, 'bytesRead');
  const written = accessors(base, 'bytesWritten');
  const queued = accessors(base, 'writeQueueSize');
  const lent = Object.create(base, {
    bytesRead: {
      configurable: true,
      get() {
        return Lent.of(this).bytesRead() + read.get.call(this);
      },
    },
    bytesWritten: {
      configurable: true,
      get() {
        return Lent.of(this).bytesWritten() + written.get.call(this);
      },
    },
    writeQueueSize: {
      configurable: true,
      get() {
        return Lent.of(this).writeQueueSize() + queued.get.call(this);
      },
    },
    onread: readerOf(base, (handle) => Lent.of(handle).onTaken()),
  });
  lent.readStart = function readStart() {
    Lent.of(this).onReadStart();
    return 0;
  };
  lent.readStop = function readStop() {
    Lent.of(this).onReadStop();
    return 0;
  };
  for (const name of WRITES) {
    lent[name] = function write(req, ...data) {
      const borrower = Lent.of(this);
      const unsent = borrower.beforeWrite();
      const status =
        unsent === null
          ? base[name].call(this, req, ...data)
          : base.writeBuffer.call(this, req, Buffer.concat([unsent, toBuffer(name, data)]));
      borrower.afterWrite();
      return status;
    };
  }
  lent.shutdown = function shutdown(req) {
    const now = () => base.shutdown.call(this, req);
    return Lent.of(this).beforeShutdown(now) ? 0 : now();
  };
  for (const name of ['close', 'reset']) {
    if (typeof base[name] !== 'function') continue;
    lent[name] = function close(...args) {
      Lent.of(this).onClose(name === 'reset');
      return base[name].apply(this, args);
    };
  }
  lent.ref = function ref() {
    Lent.of(this).onReference(true);
    return base.ref.call(this);
  };
  lent.unref = function unref() {
    Lent.of(this).onReference(false);
    return base.unref.call(this);
  };
  return lent;
}

/**
 * Whoever sets another reader has taken the handle from its socket: node:child_process does, to send it to another process.
 * @param {any} base the handle's own prototype
 * @param {(handle: any) => void} onTaken
 * @returns {PropertyDescriptor}
 */
function readerOf(base, onTaken) {
  const { get, set } = accessors(base, 'onread');
  return {
    configurable: true,
    get() {
      return get.call(this);
    },
    set(reader) {
      set.call(this, reader);
      onTaken(this);
    },
  };
}

/**
 * Notices that a handle which is not lent is taken from its socket.
 * @param {any} handle
 * @param {() => void} onTaken
 * @returns {() => void} what ends it
 */
function watchOwner(handle, onTaken) {
  if (!('onread' in handle)) return () => {};
  Object.defineProperty(handle, 'onread', readerOf(Object.getPrototypeOf(handle), onTaken));
  return () => delete handle.onread;
}

/** The data of a handle's write as one Buffer. */
function toBuffer(name, data) {
  switch (name) {
    case 'writeBuffer':
      return data[0];
    case 'writev': {
      const [chunks, allBuffers] = data;
      if (allBuffers) return Buffer.concat(chunks);
      const parts = [];
      for (let i = 0; i < chunks.length; i += 2) {
        parts.push(typeof chunks[i] === 'string' ? Buffer.from(chunks[i], chunks[i + 1]) : chunks[i]);
      }
      return Buffer.concat(parts);
    }
    case 'writeUtf8String':
      return Buffer.from(data[0], 'utf8');
    case 'writeUcs2String':
      return Buffer.from(data[0], 'utf16le');
    default:
      return Buffer.from(data[0], 'latin1');
  }
}

/**
 * Where a net.Socket keeps what its handle's `writeQueueSize` was: when its time-out is due, and it has changed since, the time begins anew. Found on
 * the first socket; null: there is no such thing in this Node.
 * @type {symbol | null | undefined}
 */
let kLastWriteQueueSize;

/**
 * Notes how much waits for the kernel, for the socket's time-out.
 * @param {any} socket a net.Socket
 * @param {number} size bytes
 */
function noteWriteQueue(socket, size) {
  if (kLastWriteQueueSize === undefined) {
    const symbols = Object.getOwnPropertySymbols(socket);
    kLastWriteQueueSize = symbols.find((symbol) => symbol.description === 'lastWriteQueueSize') ?? null;
  }
  if (kLastWriteQueueSize !== null) socket[kLastWriteQueueSize] = size;
}

/** @type {any} */
const plain = net.Socket.prototype;

/**
 * Whether it is a net.Socket through which the bytes go as Node has it: whoever has put his own function there is to see them. MSW's is another's
 * go-between, and shows that one's handle as its own.
 * @param {any} socket
 */
function isPlain(socket) {
  // Written out: with a loop over the names each look at the socket would be a megamorphic one.
  return (
    socket instanceof net.Socket &&
    socket.write === plain.write &&
    socket.end === plain.end &&
    socket.push === plain.push &&
    socket.read === plain.read &&
    socket._write === plain._write &&
    socket._writev === plain._writev &&
    socket._read === plain._read
  );
}

/**
 * Whether a socket's descriptor can be lent: a TCP or Pipe handle of Node's own, connected, with nothing in flight.
 * @param {any} socket
 */
function isLendable(socket) {
  const handle = socket._handle;
  const kind = handle?.constructor?.name;
  return (
    (kind === 'TCP' || kind === 'Pipe') &&
    !socket.encrypted &&
    handle.isStreamBase === true &&
    handle.fd >= 0 &&
    !Lent.of(handle) &&
    !handle._consumed &&
    socket.readableLength === 0 &&
    socket._writableState.length === 0 &&
    handle.writeQueueSize === 0
  );
}

/**
 * Lends: libuv no longer reads, the borrower is asked instead.
 * @param {any} handle
 * @param {Borrower} borrower
 */
function lend(handle, borrower) {
  const base = Object.getPrototypeOf(handle);
  let lent = prototypes.get(base);
  if (lent === undefined) {
    lent = makePrototype(base);
    prototypes.set(base, lent);
  }
  handle.readStop();
  // In this order: V8 looks for the shape with the other prototype by all properties that there are.
  Object.setPrototypeOf(handle, lent);
  Lent.set(handle, borrower);
}

/** Whom a handle that is being closed has for its borrower: giving it its own prototype back would be for nobody. @type {Borrower} */
const NOBODY = {
  onReadStart() {},
  onReadStop() {},
  beforeWrite: () => null,
  afterWrite() {},
  beforeShutdown: () => false,
  onClose() {},
  onTaken() {},
  onReference() {},
  bytesRead: () => 0,
  bytesWritten: () => 0,
  writeQueueSize: () => 0,
};

/**
 * Ends it for a handle that is being closed.
 * @param {any} handle
 */
function forsake(handle) {
  Lent.set(handle, NOBODY);
}

/** Bytes that were moved for a handle while it was lent. */
const kMoved = Symbol('ferrohttp.moved');

/** One prototype for each kind of handle that comes back with such bytes. @type {Map<object, object>} */
const returned = new Map();

/** @param {any} base */
function makeReturned(base) {
  return Object.create(base, {
    bytesRead: {
      configurable: true,
      get() {
        return this[kMoved].read + Reflect.get(base, 'bytesRead', this);
      },
    },
    bytesWritten: {
      configurable: true,
      get() {
        return this[kMoved].written + Reflect.get(base, 'bytesWritten', this);
      },
    },
  });
}

/**
 * Ends it: the handle is what it was, and counts what was moved meanwhile.
 * @param {any} handle
 */
function giveBack(handle) {
  const borrower = Lent.of(handle);
  let base = Object.getPrototypeOf(Object.getPrototypeOf(handle));
  const read = borrower.bytesRead();
  const written = borrower.bytesWritten();
  if (read > 0 || written > 0) {
    const before = handle[kMoved] ?? { read: 0, written: 0 };
    annotate(handle, kMoved, { read: before.read + read, written: before.written + written });
    if (!isReturned(base)) {
      if (!returned.has(base)) returned.set(base, makeReturned(base));
      base = returned.get(base);
    }
  }
  Object.setPrototypeOf(handle, base);
  Lent.set(handle, undefined);
}

/** Whether handles of this prototype have come back before. */
const isReturned = (prototype) => returned.get(Object.getPrototypeOf(prototype)) === prototype;

module.exports = { forsake, giveBack, isLendable, isPlain, lend, noteWriteQueue, watchOwner };
