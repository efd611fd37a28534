'use strict';

// The applications under load. Each says what it must answer, so that an engine that answers wrongly cannot look fast.

const { once } = require('node:events');

const KIB = 1024;
const MIB = 1024 * KIB;
const CHUNK = 64 * KIB;

/** Twelve request fields a browser behind a proxy would send. */
const REQUEST_FIELDS = {
  Accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  'Accept-Encoding': 'gzip, deflate, br, zstd',
  'Accept-Language': 'en-GB,en;q=0.7,de;q=0.3',
  'Cache-Control': 'max-age=0',
  Cookie: 'session=6f1b0a7c9d2e4f38; theme=dark; consent=1',
  DNT: '1',
  Referer: 'http://127.0.0.1/previous/page?with=query',
  'Sec-Fetch-Mode': 'navigate',
  'Sec-Fetch-Site': 'same-origin',
  'Upgrade-Insecure-Requests': '1',
  'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  'X-Forwarded-For': '192.0.2.17',
};

/** Twelve response fields, set one by one. */
const RESPONSE_FIELDS = {
  'Content-Type': 'text/plain; charset=utf-8',
  'Cache-Control': 'private, max-age=0, must-revalidate',
  'Content-Security-Policy': "default-src 'self'; img-src 'self' data:",
  'Cross-Origin-Opener-Policy': 'same-origin',
  ETag: '"33a64df551425fcc55e4d42a148795d9f25f89d4"',
  'Last-Modified': 'Wed, 21 Oct 2026 07:28:00 GMT',
  'Referrer-Policy': 'strict-origin-when-cross-origin',
  'Set-Cookie': 'session=6f1b0a7c9d2e4f38; HttpOnly; SameSite=Lax',
  'Strict-Transport-Security': 'max-age=63072000',
  Vary: 'Accept-Encoding',
  'X-Content-Type-Options': 'nosniff',
  'X-Request-Id': '0b2f6c8e-64d1-4a9b-8a55-1f3f0c7c2f11',
};

const HELLO = 'Hello, world!';
const SLOW_EVERY = 10;
const SLOW_MS = 5;
/** Turns of `compute` that take 50 µs where README.md's figures were taken. */
const BUSY_TURNS = 240;
const JSON_BODY = { message: HELLO, id: 42, tags: ['a', 'b', 'c'], nested: { ok: true, ratio: 0.5 } };
const BYTES = Buffer.alloc(MIB, 'ferrohttp ');
const BYTES_64K = BYTES.subarray(0, CHUNK);

/**
 * @typedef {object} App
 * @property {(http: typeof import('node:http')) => Promise<import('node:http').Server>} start a listening server
 * @property {(requestBody: Buffer) => Buffer} body the body it must answer with
 * @property {Record<string, string>} [headers] the fields it must answer with
 * @property {{ kind?: 'fixed' | 'streamed' | 'echoed' | 'counted', fields?: Record<string, string>, looksAt?: Record<string, string>,
 *   close?: boolean, later?: boolean }} [native] how bench/native is told to answer likewise; without it, it cannot
 * @property {boolean} [register] it requires node:http itself, so ferrohttp comes in by --import ferrohttp/register
 */

/**
 * @param {import('node:http').RequestListener} listener
 * @param {string | Buffer | ((requestBody: Buffer) => Buffer)} body
 * @param {App['native']} [native]
 * @returns {App}
 */
function plain(listener, body, native) {
  return {
    native,
    start: (http) => listening(http.createServer(listener)),
    body: typeof body === 'function' ? body : () => Buffer.from(body),
  };
}

/** @param {import('node:http').Server} server */
async function listening(server) {
  server.keepAliveTimeout = 0; // connections rest between rounds, and in the memory scenario
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** @param {number} ms in which the thread does nothing else */
function work(ms) {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

/** What every tier of V8's compilers makes good code of, in many calls: what it makes of a long loop lasts as long as that is running. */
function stir(value) {
  for (let i = 0; i < 100; i += 1) {
    value ^= value << 13;
    value ^= value >>> 17;
    value ^= value << 5;
  }
  return value;
}

/**
 * A fixed amount of JavaScript, each step of which needs the one before. A loop that ends by the clock would be shorter for who is kept from
 * running meanwhile, by the load generator or by its own I/O threads.
 * @returns {number} which nobody knows who has not done it
 */
function compute() {
  let value = 1;
  for (let i = 0; i < BUSY_TURNS; i += 1) value = stir(value);
  return value;
}

/** @type {Record<string, App>} */
const apps = {
  hello: plain(
    (_req, res) => {
      res.setHeader('Content-Type', 'text/plain');
      res.end(HELLO);
    },
    HELLO,
    { fields: { 'Content-Type': 'text/plain' } },
  ),

  json: plain(
    (_req, res) => {
      res.setHeader('Content-Type', 'application/json; charset=utf-8');
      res.end(JSON.stringify(JSON_BODY));
    },
    JSON.stringify(JSON_BODY),
    { fields: { 'Content-Type': 'application/json; charset=utf-8' } },
  ),

  fields: {
    ...plain(
      (req, res) => {
        let seen = 0;
        for (const name in REQUEST_FIELDS_LOWER) if (req.headers[name] === REQUEST_FIELDS_LOWER[name]) seen += 1;
        for (const name in RESPONSE_FIELDS) res.setHeader(name, RESPONSE_FIELDS[name]);
        res.end(`${seen} fields`);
      },
      '12 fields',
      { fields: RESPONSE_FIELDS, looksAt: REQUEST_FIELDS },
    ),
    headers: RESPONSE_FIELDS,
  },

  echo: plain(
    (req, res) => {
      const chunks = [];
      req.on('data', (chunk) => chunks.push(chunk));
      req.on('end', () => res.end(Buffer.concat(chunks)));
    },
    (requestBody) => requestBody,
    { kind: 'echoed' },
  ),

  upload: plain(
    (req, res) => {
      let bytes = 0;
      req.on('data', (chunk) => {
        bytes += chunk.length;
      });
      req.on('end', () => res.end(String(bytes)));
    },
    (requestBody) => Buffer.from(String(requestBody.length)),
    { kind: 'counted' },
  ),

  answer64k: plain((_req, res) => res.end(BYTES_64K), BYTES_64K, {}),
  answer1m: plain((_req, res) => res.end(BYTES), BYTES, {}),

  stream1m: plain(
    (_req, res) => {
      let offset = 0;
      const more = () => {
        while (offset < MIB) {
          const flowing = res.write(BYTES.subarray(offset, offset + CHUNK));
          offset += CHUNK;
          if (!flowing && offset < MIB) {
            res.once('drain', more);
            return;
          }
        }
        res.end();
      };
      more();
    },
    BYTES,
    { kind: 'streamed' },
  ),

  immediate: plain((_req, res) => setImmediate(() => res.end(HELLO)), HELLO, { later: true }),

  awaiting: plain(
    async (_req, res) => {
      await null;
      res.end(HELLO);
    },
    HELLO,
    {},
  ),

  close: plain(
    (_req, res) => {
      res.setHeader('Connection', 'close');
      res.end(HELLO);
    },
    HELLO,
    { close: true },
  ),

  slow: {
    start: (http) => {
      let requests = 0;
      return listening(
        http.createServer((_req, res) => {
          requests += 1;
          if (requests % SLOW_EVERY === 0) work(SLOW_MS);
          res.end(HELLO);
        }),
      );
    },
    body: () => Buffer.from(HELLO),
  },

  busy: plain((_req, res) => res.end(String(compute())), String(compute())),

  express: {
    register: true,
    start: (http) => {
      const app = require('express')();
      app.get('/', (_req, res) => res.send(HELLO));
      return listening(http.createServer(app));
    },
    body: () => Buffer.from(HELLO),
  },

  fastify: {
    register: true,
    start: async () => {
      const app = require('fastify')({ keepAliveTimeout: 0 });
      app.get('/', async () => JSON_BODY);
      await app.listen({ port: 0, host: '127.0.0.1' });
      return app.server;
    },
    body: () => Buffer.from(JSON.stringify(JSON_BODY)),
  },
};

const REQUEST_FIELDS_LOWER = Object.fromEntries(
  Object.entries(REQUEST_FIELDS).map(([name, value]) => [name.toLowerCase(), value]),
);

/**
 * The body sent by the load generators and by verify.js.
 * @param {number} bytes
 */
function requestBody(bytes) {
  return Buffer.alloc(bytes, 'x');
}

module.exports = { apps, requestBody, REQUEST_FIELDS, KIB, MIB };
