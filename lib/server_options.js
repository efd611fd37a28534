'use strict';

const host = require('./internal/host');

const { codes } = require('./errors');
const { checkIoThreads, kIoThreads } = require('./io_threads');
const { validateBoolean, validateFunction, validateInteger, validateObject, validateOneOf } = require('./validators');

/**
 * createServer's options, checked as node:http checks them. They become properties of the Server of the same name,
 * read again whenever they are needed: users change them on a running server.
 */

/**
 * The host's own defaults, so that they follow the Node version: milliseconds, and limits. Undefined until there is a Server: to make one of the
 * host's is a tenth of what loading all these modules takes.
 * @type {any}
 */
let defaults;

function defaultsOfHost() {
  const {
    connectionsCheckingInterval = 30_000,
    headersTimeout = 60_000,
    keepAliveTimeout = 5_000,
    // Node 20 adds as much, without a property to say so.
    keepAliveTimeoutBuffer = 1000,
    requestTimeout = 300_000,
  } = /** @type {any} */ (new host.Server());
  return { connectionsCheckingInterval, headersTimeout, keepAliveTimeout, keepAliveTimeoutBuffer, requestTimeout };
}

const HTTP_VALIDATIONS = ['strict', 'relaxed', 'insecure'];

/**
 * @template T
 * @param {T | undefined} value
 * @param {T} fallback
 * @param {(value: unknown, name: string, min?: number) => void} validate
 * @param {string} name as the error names it
 * @returns {T}
 */
function option(value, fallback, validate, name) {
  if (value === undefined) return fallback;
  // The one bound that any of these options has.
  validate(value, name, 0);
  return value;
}

/** By default an upgrade is accepted by whoever listens for it. */
function hasUpgradeListener() {
  return this.listenerCount('upgrade') > 0;
}

/**
 * @param {any} server receives the checked options as properties
 * @param {any} options
 */
function storeConnectionOptions(server, options) {
  server.maxHeaderSize = option(options.maxHeaderSize, undefined, validateInteger, 'maxHeaderSize');
  server.insecureHTTPParser = option(
    options.insecureHTTPParser,
    undefined,
    validateBoolean,
    'options.insecureHTTPParser',
  );
  const { httpValidation } = options;
  if (httpValidation !== undefined) {
    validateOneOf(httpValidation, 'options.httpValidation', HTTP_VALIDATIONS);
    if (options.insecureHTTPParser !== undefined) {
      throw new codes.ERR_INVALID_ARG_VALUE(
        'options.httpValidation',
        httpValidation,
        'cannot be used together with options.insecureHTTPParser',
      );
    }
  }
  server.httpValidation = httpValidation;
  const ioThreads = checkIoThreads(options.ioThreads);
  // Only where there are some: who lists a Server's properties finds Node's.
  if (ioThreads > 0) server[kIoThreads] = ioThreads;
}

/**
 * @param {any} server receives the checked options as properties, milliseconds
 * @param {any} options
 */
function storeTimeouts(server, options) {
  defaults ??= defaultsOfHost();
  server.requestTimeout = option(options.requestTimeout, defaults.requestTimeout, validateInteger, 'requestTimeout');
  const most = Math.min(defaults.headersTimeout, server.requestTimeout);
  server.headersTimeout = option(options.headersTimeout, most, validateInteger, 'headersTimeout');
  if (server.requestTimeout > 0 && server.headersTimeout > server.requestTimeout) {
    throw new codes.ERR_OUT_OF_RANGE('headersTimeout', '<= requestTimeout', options.headersTimeout);
  }
  server.keepAliveTimeout = option(
    options.keepAliveTimeout,
    defaults.keepAliveTimeout,
    validateInteger,
    'keepAliveTimeout',
  );
  server.keepAliveTimeoutBuffer = option(
    options.keepAliveTimeoutBuffer,
    defaults.keepAliveTimeoutBuffer,
    validateInteger,
    'keepAliveTimeoutBuffer',
  );
  server.connectionsCheckingInterval = option(
    options.connectionsCheckingInterval,
    defaults.connectionsCheckingInterval,
    validateInteger,
    'connectionsCheckingInterval',
  );
}

/**
 * @param {any} server receives the checked options as properties
 * @param {any} options
 */
function storeMessageOptions(server, options) {
  server.requireHostHeader = option(options.requireHostHeader, true, validateBoolean, 'options.requireHostHeader');
  server.joinDuplicateHeaders = option(
    options.joinDuplicateHeaders,
    undefined,
    validateBoolean,
    'options.joinDuplicateHeaders',
  );
  server.rejectNonStandardBodyWrites = option(
    options.rejectNonStandardBodyWrites,
    false,
    validateBoolean,
    'options.rejectNonStandardBodyWrites',
  );
  server.shouldUpgradeCallback = option(
    options.shouldUpgradeCallback,
    hasUpgradeListener,
    validateFunction,
    'options.shouldUpgradeCallback',
  );
}

/**
 * The arguments of createServer, sorted out.
 * @param {unknown} options
 * @param {unknown} requestListener
 * @returns {{ options: any, requestListener: any }}
 */
function serverArguments(options, requestListener) {
  if (typeof options === 'function') return { options: {}, requestListener: options };
  if (options == null) return { options: {}, requestListener };
  validateObject(options, 'options');
  return { options, requestListener };
}

module.exports = { option, serverArguments, storeConnectionOptions, storeMessageOptions, storeTimeouts };
