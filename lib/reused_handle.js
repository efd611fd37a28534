'use strict';

// What async_hooks see of a socket that serves one request after the other.

const net = require('node:net');

/** @typedef {import('node:net').Socket & Record<PropertyKey, any>} Socket */

/** The async resource of a socket's handle while one request uses it, so that reuse shows as a new resource to async_hooks. */
class ReusedHandle {
  /**
   * @param {number} type the handle's provider type
   * @param {object} handle
   */
  constructor(type, handle) {
    this.type = type;
    this.handle = handle;
  }
}

/** node:net's symbol for a socket's async id; it has no public name. @type {symbol | undefined} */
let asyncIdSymbol;

/**
 * What a socket shows as its async id, as Node's does: -1 while it lies idle.
 * @param {Socket} socket
 * @param {number} id
 */
function showAsyncId(socket, id) {
  asyncIdSymbol ??= Object.getOwnPropertySymbols(new net.Socket()).find(
    (each) => each.description === 'async_id_symbol',
  );
  if (asyncIdSymbol !== undefined) socket[asyncIdSymbol] = id;
}

/** The provider type of a handle is its class's. @type {Function | null} */
let lastKind = null;
let lastType = 0;

/**
 * A reused handle is a new async resource: its later callbacks run in the new request's context.
 * @param {Socket} socket
 */
function resetAsyncId(socket) {
  const handle = socket._handle;
  if (typeof handle?.asyncReset !== 'function') return;
  if (handle.constructor !== lastKind) {
    lastKind = handle.constructor;
    lastType = handle.getProviderType();
  }
  handle.asyncReset(new ReusedHandle(lastType, handle));
  showAsyncId(socket, handle.getAsyncId());
}

module.exports = { resetAsyncId, showAsyncId };
