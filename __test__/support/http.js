'use strict';

/** Whether the tests run against the host's node:http: how a test is shown to be right itself. */
const stock = process.env.FERROHTTP_TEST_STOCK === '1';

/** @type {typeof import('node:http')} */
const http = stock ? require('node:http') : require('../..');

module.exports = { http, stock };
