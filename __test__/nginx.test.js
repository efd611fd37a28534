'use strict';

// nginx before our server, and our client before nginx.

const assert = require('node:assert');
const crypto = require('node:crypto');
const { once } = require('node:events');
const hostHttp = require('node:http');
const { test } = require('node:test');
const zlib = require('node:zlib');
const { Pool } = require('undici');
const { run, startApp } = require('./support/child.js');
const { http, stock } = require('./support/http.js');
const { startNginx } = require('./support/nginx.js');
const { findProgram } = require('./support/program.js');
const { listen } = require('./support/wire.js');

const options = { timeout: 300_000 };
const REQUESTS = 10_000;

/**
 * @param {import('node:http').RequestOptions} request
 * @returns {Promise<{ res: import('node:http').IncomingMessage, body: Buffer, reused: boolean }>}
 */
async function get(request) {
  const req = http.get({ host: '127.0.0.1', ...request });
  const [res] = await once(req, 'response');
  const chunks = [];
  for await (const chunk of res) chunks.push(chunk);
  return { res, body: Buffer.concat(chunks), reused: req.reusedSocket };
}

test('nginx proxies 10,000 requests over kept-alive connections, and none is lost', options, async (t) => {
  const nginx = findProgram(t, 'nginx');
  if (nginx === undefined) return;
  const app = await startApp('counting.cjs');
  try {
    assert.strictEqual(app.ferrohttp, !stock);
    const { port, errors } = await startNginx(t, nginx, { upstream: app.port, files: {} });
    const pool = new Pool(`http://127.0.0.1:${port}`, { connections: 50 });
    let next = 0;
    let answered = 0;
    const one = async () => {
      for (let n = next++; n < REQUESTS; n = next++) {
        const path = `/app/${n}`;
        // Every tenth uploads a body of its own.
        const sent = n % 10 === 0 ? crypto.randomBytes(1 + (n % 5000)) : undefined;
        const { statusCode, body } = await pool.request({ path, method: sent ? 'POST' : 'GET', body: sent });
        const expected = sent ? crypto.createHash('sha256').update(sent).digest('hex') : `answer to ${path}`;
        assert.deepStrictEqual([statusCode, await body.text()], [200, expected]);
        answered++;
      }
    };
    await Promise.all(Array.from({ length: 50 }, one));
    await pool.close();
    assert.strictEqual(answered, REQUESTS);
    const { requests, connections } = await app.send('report');
    assert.strictEqual(requests, REQUESTS);
    assert.ok(connections <= 200, `${connections} connections for ${REQUESTS} requests: they were not kept alive`);
    assert.strictEqual(errors(), '');
  } finally {
    const { code, stderr } = await app.stop();
    assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: '' });
  }
});

test(
  'http.get fetches from nginx: files, ranges, gzip in chunks, HEAD, 304 and 404, on one connection',
  options,
  async (t) => {
    const nginx = findProgram(t, 'nginx');
    if (nginx === undefined) return;
    const files = { 'big.bin': crypto.randomBytes(3 << 20), 'text.txt': 'line after line\n'.repeat(20_000) };
    const { port } = await startNginx(t, nginx, { upstream: 1, files });
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    const from = (/** @type {import('node:http').RequestOptions} */ request) => get({ port, agent, ...request });

    const big = await from({ path: '/big.bin' });
    assert.strictEqual(big.res.headers.server?.startsWith('nginx'), true);
    assert.ok(big.body.equals(files['big.bin']));
    const range = await from({ path: '/big.bin', headers: { Range: 'bytes=1000000-1000999' } });
    assert.deepStrictEqual([range.res.statusCode, range.body], [206, files['big.bin'].subarray(1_000_000, 1_001_000)]);
    const ranges = await from({ path: '/big.bin', headers: { Range: 'bytes=0-9,20-29' } });
    assert.match(String(ranges.res.headers['content-type']), /^multipart\/byteranges/);
    const gzip = await from({ path: '/text.txt', headers: { 'Accept-Encoding': 'gzip' } });
    assert.deepStrictEqual(
      [gzip.res.headers['content-encoding'], gzip.res.headers['transfer-encoding']],
      ['gzip', 'chunked'],
    );
    assert.strictEqual(String(zlib.gunzipSync(gzip.body)), files['text.txt']);
    const head = await from({ path: '/big.bin', method: 'HEAD' });
    assert.deepStrictEqual([head.res.headers['content-length'], head.body.length], [String(3 << 20), 0]);
    const fresh = await from({ path: '/big.bin', headers: { 'If-None-Match': big.res.headers.etag } });
    assert.deepStrictEqual([fresh.res.statusCode, fresh.body.length], [304, 0]);
    const missing = await from({ path: '/none' });
    assert.strictEqual(missing.res.statusCode, 404);
    assert.match(String(missing.body), /404 Not Found/);
    for (const { reused } of [range, ranges, gzip, head, fresh, missing]) assert.strictEqual(reused, true);
    assert.strictEqual((await from({ path: '/app/' })).res.statusCode, 502);
  },
);

test('http.get fetches from a node:http server', options, async (t) => {
  const port = await listen(
    t,
    hostHttp.createServer((req, res) => {
      res.setHeader('Trailer', 'X-Sum');
      res.write(`${req.method} `);
      res.addTrailers({ 'X-Sum': '1' });
      res.end(req.url);
    }),
  );
  const agent = new http.Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  for (let i = 0; i < 3; i++) {
    const { res, body, reused } = await get({ port, agent, path: `/${i}` });
    assert.deepStrictEqual([String(body), res.trailers['x-sum'], reused], [`GET /${i}`, '1', i > 0]);
    // Free only when the connection has come back to the agent.
    while (Object.keys(agent.freeSockets).length === 0) await new Promise(setImmediate);
  }
});

test('curl fetches, uploads, and keeps its connection', options, async (t) => {
  const curl = findProgram(t, 'curl');
  if (curl === undefined) return;
  const app = await startApp('counting.cjs');
  const base = `http://127.0.0.1:${app.port}`;
  const quiet = ['-sS', '--noproxy', '*', '--max-time', '60'];
  const fetched = await run([...quiet, '-i', `${base}/a`, `${base}/b`], { command: curl });
  assert.deepStrictEqual([fetched.code, fetched.stderr], [0, '']);
  assert.match(
    fetched.stdout,
    /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nanswer to \/aHTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nanswer to \/b$/,
  );
  assert.strictEqual((await app.send('report')).connections, 1);
  const body = 'b'.repeat(3 << 20);
  const digest = crypto.createHash('sha256').update(body).digest('hex');
  for (const more of [[], ['-H', 'Transfer-Encoding: chunked'], ['-H', 'Expect: 100-continue']]) {
    const upload = await run([...quiet, ...more, '--data-binary', '@-', base], { command: curl, input: body });
    assert.deepStrictEqual([upload.code, upload.stdout, upload.stderr], [0, digest, '']);
  }
  const head = await run([...quiet, '--head', base], { command: curl });
  assert.match(head.stdout, /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\n$/);
  assert.strictEqual((await app.stop()).code, 0);
});
