'use strict';

const { KIB, MIB, REQUEST_FIELDS } = require('./apps');

/**
 * What issue "Fast" asks of a figure (the names are summary.js's): a ratio of at least `least` to the base, or to the side
 * called `to`; a value below `below`; or a value at most `over` above the base's. With `driver` it is asked where FERROHTTP_DRIVER
 * names that one only.
 * @typedef {{ figure: string, driver?: 'threads' } & ({ least: number, to?: string } | { below: number } | { over: number })} Target
 *
 * @typedef {object} Scenario
 * @property {string} name
 * @property {'server' | 'client' | 'memory' | 'require'} kind
 * @property {string} [app] key of apps.js
 * @property {number} [connections] concurrent connections (client: sockets; memory: idle connections)
 * @property {number} [depth] requests sent before the first answer is awaited
 * @property {string} [method]
 * @property {number} [bodyBytes] of each request
 * @property {Record<string, string>} [fields] of each request
 * @property {number} [think] ms, on average, between an answer and the next request of its connection
 * @property {boolean} [latency] it is about the time an answer takes
 * @property {Target[]} [targets] what --check asserts
 */

/** How near to 1 is no worse: node:http against itself came to 0.97 to 1.04 (p50) and to 0.96 to 1.14 (p99). */
const NO_WORSE = { p50: 0.95, p99: 0.9 };

/** @type {(ratio: number) => Target[]} */
const cpu = (least) => [{ figure: 'cpu', least }];
/** @type {(ratio: number) => Target[]} */
const rps = (least) => [{ figure: 'rps', least }];

/** @type {(...targets: { figure: string, least: number }[]) => Target[]} what issue "The threads driver" asks */
const onThreads = (...targets) => targets.map((target) => ({ ...target, driver: 'threads' }));
/** The JavaScript thread's CPU at most half of node:http's. */
const HALF = { figure: 'mainCpu', least: 2 };

/** @type {Scenario[]} */
const scenarios = [
  {
    name: 'hello, 1 connection',
    kind: 'server',
    app: 'hello',
    connections: 1,
    latency: true,
    targets: [{ figure: 'p50', least: NO_WORSE.p50 }],
  },
  {
    name: 'hello, 64 connections',
    kind: 'server',
    app: 'hello',
    connections: 64,
    targets: [
      ...cpu(2),
      ...rps(1.8),
      { figure: 'crossings', below: 0.2 },
      ...onThreads({ figure: 'mainCpu', least: 3 }),
    ],
  },
  { name: 'hello, 256 connections', kind: 'server', app: 'hello', connections: 256 },
  { name: 'hello, pipelined ×16', kind: 'server', app: 'hello', connections: 64, depth: 16, targets: rps(6) },
  { name: 'JSON', kind: 'server', app: 'json', connections: 64, targets: cpu(1.8) },
  {
    name: '12 headers in and out',
    kind: 'server',
    app: 'fields',
    connections: 64,
    fields: REQUEST_FIELDS,
    targets: cpu(1.8),
  },
  {
    name: 'POST 1 KiB echoed',
    kind: 'server',
    app: 'echo',
    connections: 64,
    method: 'POST',
    bodyBytes: KIB,
    targets: cpu(1.7),
  },
  {
    name: 'upload of 1 MiB',
    kind: 'server',
    app: 'upload',
    connections: 16,
    method: 'POST',
    bodyBytes: MIB,
    targets: [...rps(1.15), ...onThreads(HALF)],
  },
  { name: 'answer of 64 KiB', kind: 'server', app: 'answer64k', connections: 64, targets: rps(1.15) },
  {
    name: 'answer of 1 MiB',
    kind: 'server',
    app: 'answer1m',
    connections: 16,
    targets: [...rps(1.15), ...onThreads(HALF)],
  },
  { name: '1 MiB streamed in 64 KiB writes', kind: 'server', app: 'stream1m', connections: 16, targets: rps(1.15) },
  {
    name: 'handler of 50 µs',
    kind: 'server',
    app: 'busy',
    connections: 64,
    targets: onThreads({ figure: 'rps', least: 1.2 }),
  },
  { name: 'answer after setImmediate', kind: 'server', app: 'immediate', connections: 64, targets: cpu(1.6) },
  { name: 'answer after await', kind: 'server', app: 'awaiting', connections: 64, targets: cpu(1.6) },
  { name: 'Connection: close', kind: 'server', app: 'close', connections: 64, targets: cpu(1.2) },
  {
    name: 'one handler in ten takes 5 ms',
    kind: 'server',
    app: 'slow',
    connections: 64,
    think: 60, // half busy: a server that is always busy delays everybody, whatever it does
    latency: true,
    targets: [
      { figure: 'p50', least: NO_WORSE.p50 },
      { figure: 'p99', least: NO_WORSE.p99 },
    ],
  },
  { name: 'Express', kind: 'server', app: 'express', connections: 64, targets: cpu(1.3) },
  { name: 'Fastify', kind: 'server', app: 'fastify', connections: 64, targets: cpu(1.5) },
  {
    name: 'client GET',
    kind: 'client',
    app: 'hello',
    connections: 50,
    targets: [...cpu(2.5), { figure: 'cpu', least: 1, to: 'undici.request' }],
  },
  {
    name: 'client POST 1 KiB',
    kind: 'client',
    app: 'echo',
    connections: 50,
    method: 'POST',
    bodyBytes: KIB,
    targets: cpu(2),
  },
  {
    name: 'RSS per idle connection',
    kind: 'memory',
    app: 'hello',
    connections: 5000,
    targets: [{ figure: 'idleRss', least: 1 / 0.6 }],
  },
  { name: 'first require', kind: 'require', targets: [{ figure: 'require', over: 10 }] },
];

module.exports = { scenarios };
