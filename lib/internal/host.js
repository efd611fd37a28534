'use strict';

// What is read from the host's own http. Where it is known which names that has, only the parts of it are loaded whose objects and classes are
// looked at as the package loads: its agent and client, which nobody here has a use for, take as long as three of our own modules.

const known = require('./host_names');

/** Of the loader that loads this, as a rule Node's. In a package this is a file with others. */
const { constructor: Loader } = require.cache?.[__filename] ?? {};
/** To ask for `node:module` takes as long as one of our larger modules. */
const Module = /** @type {any} */ (Loader)?._load ? Loader : require('node:module');
/** @type {typeof import('node:http') | undefined} */
let http;

/**
 * All of it. Taken past Module.prototype.require: who hooks that (OpenTelemetry's require-in-the-middle) would patch, and remember as 'http',
 * a module that the application never sees under register.
 * @returns {any}
 */
function whole() {
  http ??= load('node:http');
  return http;
}

/** @param {string} id @returns {any} */
function load(id) {
  return /** @type {any} */ (Module)._load(id, undefined, false);
}

/** The host's objects in the parts of its http. A Node for which no names are known may warn of who asks for these. */
function parts() {
  const { STATUS_CODES, Server, ServerResponse } = load('_http_server');
  return {
    METHODS: load('_http_common').methods,
    STATUS_CODES,
    IncomingMessage: load('_http_incoming').IncomingMessage,
    OutgoingMessage: load('_http_outgoing').OutgoingMessage,
    Server,
    ServerResponse,
  };
}

const names = known[process.version];
const { METHODS, STATUS_CODES, IncomingMessage, OutgoingMessage, Server, ServerResponse } = names ? parts() : whole();

module.exports = {
  /** What http exports, in its order. @type {readonly string[]} */
  names: names ?? Object.keys(whole()),
  /** In no order. @type {readonly string[]} */
  METHODS,
  STATUS_CODES,
  IncomingMessage,
  OutgoingMessage,
  Server,
  ServerResponse,
  whole,
};
