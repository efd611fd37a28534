'use strict';

const { KIB, MIB, REQUEST_FIELDS } = require('./apps');

/**
 * @typedef {object} Scenario
 * @property {string} name
 * @property {'server' | 'client' | 'memory' | 'require'} kind
 * @property {string} [app] key of apps.js
 * @property {number} [connections] concurrent connections (client: sockets; memory: idle connections)
 * @property {number} [depth] requests sent before the first answer is awaited
 * @property {string} [method]
 * @property {number} [bodyBytes] of each request
 * @property {Record<string, string>} [fields] of each request
 * @property {{ cpu?: number, crossings?: number }} [threshold] what --check asserts: the least CPU ratio, the most crossings
 */

/** @type {Scenario[]} */
const scenarios = [
  { name: 'hello, 1 connection', kind: 'server', app: 'hello', connections: 1 },
  {
    name: 'hello, 64 connections',
    kind: 'server',
    app: 'hello',
    connections: 64,
    threshold: { cpu: 1.6, crossings: 0.2 },
  },
  { name: 'hello, 256 connections', kind: 'server', app: 'hello', connections: 256 },
  { name: 'hello, pipelined ×16', kind: 'server', app: 'hello', connections: 64, depth: 16, threshold: { cpu: 3 } },
  { name: 'JSON', kind: 'server', app: 'json', connections: 64 },
  { name: '12 headers in and out', kind: 'server', app: 'fields', connections: 64, fields: REQUEST_FIELDS },
  { name: 'POST 1 KiB echoed', kind: 'server', app: 'echo', connections: 64, method: 'POST', bodyBytes: KIB },
  { name: 'upload of 1 MiB', kind: 'server', app: 'upload', connections: 16, method: 'POST', bodyBytes: MIB },
  { name: 'answer of 64 KiB', kind: 'server', app: 'answer64k', connections: 64 },
  { name: 'answer of 1 MiB', kind: 'server', app: 'answer1m', connections: 16 },
  { name: '1 MiB streamed in 64 KiB writes', kind: 'server', app: 'stream1m', connections: 16 },
  { name: 'answer after setImmediate', kind: 'server', app: 'immediate', connections: 64 },
  { name: 'answer after await', kind: 'server', app: 'awaiting', connections: 64 },
  { name: 'Connection: close', kind: 'server', app: 'close', connections: 64 },
  { name: 'Express', kind: 'server', app: 'express', connections: 64 },
  { name: 'Fastify', kind: 'server', app: 'fastify', connections: 64 },
  { name: 'client GET', kind: 'client', app: 'hello', connections: 50 },
  { name: 'client POST 1 KiB', kind: 'client', app: 'echo', connections: 50, method: 'POST', bodyBytes: KIB },
  { name: 'RSS per idle connection', kind: 'memory', app: 'hello', connections: 2000 },
  { name: 'first require', kind: 'require' },
];

module.exports = { scenarios };
