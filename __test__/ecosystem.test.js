'use strict';

const assert = require('node:assert');
const crypto = require('node:crypto');
const { once } = require('node:events');
const hostHttp = require('node:http');
const path = require('node:path');
const { test } = require('node:test');
const zlib = require('node:zlib');
const { WebSocket, WebSocketServer } = require('ws');
const { registerArgs, run, startApp } = require('./support/child.js');
const { http: ownHttp, stock } = require('./support/http.js');
const { deferred, listen } = require('./support/wire.js');

const options = { timeout: 120_000 };
const clientsApp = path.join(__dirname, 'apps', 'clients.mjs');

/** @param {{ stop: () => Promise<import('./support/child.js').Outcome> }} app */
async function assertEndsCleanly(app) {
  const { code, signal, stderr } = await app.stop();
  assert.deepStrictEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
}

/** @param {string} url */
async function talk(url) {
  const socket = new WebSocket(url);
  const messages = [];
  const { promise, resolve } = deferred();
  socket.on('message', (data) => messages.push(data) === 4 && resolve(undefined));
  await once(socket, 'open');
  const big = crypto.randomBytes(300_000);
  socket.send('one');
  socket.send(Buffer.from([1, 2, 3]));
  socket.send(big);
  await promise;
  socket.close(1000);
  const [code] = await once(socket, 'close');
  assert.strictEqual(code, 1000);
  assert.deepStrictEqual(messages.slice(1), [Buffer.from('one'), Buffer.from([1, 2, 3]), big]);
  return String(messages[0]);
}

test('ws echoes to a foreign client, and to its own over both halves', options, async () => {
  const app = await startApp('ws.cjs');
  assert.strictEqual(app.ferrohttp, !stock);
  assert.strictEqual(await talk(`ws://127.0.0.1:${app.port}/some/path`), 'welcome to /some/path');
  assert.deepStrictEqual(await app.send({ messages: ['a', 'ü'.repeat(70_000), 'c'] }), {
    code: 1005,
    got: ['welcome to /own', 'a', 'ü'.repeat(70_000), 'c'],
  });
  const plain = await fetch(`http://127.0.0.1:${app.port}/`);
  assert.strictEqual(await plain.text(), 'not a web socket');
  await assertEndsCleanly(app);
});

test('http-proxy forwards bodies, streams and web sockets to a node:http server', options, async () => {
  const target = hostHttp.createServer(async (req, res) => {
    res.writeHead(200, { 'X-Forwarded-Path': req.url, 'Content-Type': 'application/octet-stream' });
    for await (const chunk of req) res.write(chunk);
    res.end();
  });
  const sockets = new WebSocketServer({ server: target });
  sockets.on('connection', (socket, req) => {
    socket.send(`welcome to ${req.url}`);
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  target.listen(0, '127.0.0.1');
  await once(target, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (target.address());
  // http-proxy 1.18 calls util._extend, which warns.
  const execArgv = [...registerArgs, '--no-deprecation'];
  const app = await startApp('http-proxy.cjs', { execArgv, args: [`http://127.0.0.1:${port}`] });
  try {
    const body = crypto.randomBytes(3 << 20);
    const answer = await fetch(`http://127.0.0.1:${app.port}/a/b?c`, { method: 'POST', body });
    assert.strictEqual(answer.headers.get('x-forwarded-path'), '/a/b?c');
    assert.deepStrictEqual(Buffer.from(await answer.arrayBuffer()), body);

    // Chunked in, chunk by chunk: each is seen at the other end before the next is sent.
    const pieces = new TransformStream();
    const writer = pieces.writable.getWriter();
    const streaming = fetch(`http://127.0.0.1:${app.port}/s`, {
      method: 'POST',
      body: pieces.readable,
      duplex: 'half',
    });
    writer.write(Buffer.from('first'));
    const reader = /** @type {ReadableStream<Uint8Array>} */ ((await streaming).body).getReader();
    assert.strictEqual(String(Buffer.from((await reader.read()).value ?? [])), 'first');
    writer.write(Buffer.from('second'));
    assert.strictEqual(String(Buffer.from((await reader.read()).value ?? [])), 'second');
    writer.close();
    assert.strictEqual((await reader.read()).done, true);

    assert.strictEqual(await talk(`ws://127.0.0.1:${app.port}/deep`), 'welcome to /deep');
  } finally {
    sockets.close();
    target.close();
    target.closeAllConnections();
    await assertEndsCleanly(app);
  }
});

/** What the client libraries are tried against. @type {import('node:http').RequestListener} */
function site(req, res) {
  switch (req.url) {
    case '/echo':
      res.setHeader('Content-Type', 'application/json');
      req.pipe(res);
      return;
    case '/count': {
      let bytes = 0;
      req.on('data', (chunk) => {
        bytes += chunk.length;
      });
      req.on('end', () => res.end(`${bytes} ${req.headers['transfer-encoding']}`));
      return;
    }
    case '/big':
      for (let i = 0; i < 16; i++) res.write(Buffer.alloc(1 << 16, i));
      res.end();
      return;
    case '/moved':
      res.writeHead(302, { Location: '/' }).end();
      return;
    case '/gzip':
      res.setHeader('Content-Encoding', 'gzip');
      res.end(zlib.gzipSync('unpacked'));
      return;
    case '/never':
      return;
    case '/':
      res.end('home');
      return;
    default:
      res.writeHead(404).end('no such page');
  }
}

/** @type {Record<string, (base: string) => unknown>} */
const expected = {
  got: (base) => ({
    json: { n: 1 },
    bytes: 1 << 20,
    missing: 404,
    moved: `${base}/`,
    gzip: 'unpacked',
    late: 'ETIMEDOUT',
    reused: true,
  }),
  axios: (base) => ({
    json: { n: 1 },
    bytes: 1 << 20,
    missing: 404,
    moved: `${base}/`,
    gzip: 'unpacked',
    streamed: '70005 chunked',
    late: 'ECONNABORTED',
  }),
  supertest: () => ({
    own: { n: 1 },
    failed: 'expected 500 "Internal Server Error", got 200 "OK"',
    far: 'no such page',
  }),
};

for (const [kind, http] of /** @type {const} */ ([
  ['node:http', hostHttp],
  ['the server under test', ownHttp],
])) {
  for (const library of Object.keys(expected)) {
    test(`${library} fetches from ${kind}`, options, async (t) => {
      const base = `http://127.0.0.1:${await listen(t, http.createServer(site))}`;
      const { code, stdout, stderr } = await run([...registerArgs, clientsApp, library, base]);
      assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: '' });
      assert.deepStrictEqual(JSON.parse(stdout), expected[library](base));
    });
  }
}
