'use strict';

// The host's own http, whose constants are read. Taken past Module.prototype.require: who hooks that (OpenTelemetry's
// require-in-the-middle) would patch, and remember as 'http', a module that the application never sees under register.

const Module = require('node:module');

/** @type {typeof import('node:http')} */
module.exports = /** @type {any} */ (Module)._load('node:http', undefined, false);
