'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const { test } = require('node:test');
const { registerArgs, startApp } = require('./support/child.js');
const { stock } = require('./support/http.js');

const options = { timeout: 120_000 };

/**
 * Runs `check` against an application that is unchanged but for register, which must end cleanly afterwards.
 * @param {string} name
 * @param {(base: string) => Promise<void>} check
 * @param {string[]} [execArgv]
 */
async function withApp(name, check, execArgv = registerArgs) {
  const app = await startApp(name, { execArgv });
  try {
    assert.strictEqual(app.ferrohttp, !stock);
    await check(`http://127.0.0.1:${app.port}`);
  } finally {
    const { code, signal, stderr } = await app.stop();
    assert.deepStrictEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
  }
}

/** @param {unknown} body */
const post = (body) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: typeof body === 'string' ? body : JSON.stringify(body),
});

for (const [how, name, execArgv] of /** @type {const} */ ([
  ['under register', 'express.cjs', registerArgs],
  ['on createServer without register', 'express-unregistered.cjs', []],
])) {
  test(`Express routes, parses JSON, serves files, streams and handles errors ${how}`, options, () =>
    withApp(name, checkExpress, [...execArgv]),
  );
}

/** @param {string} base */
async function checkExpress(base) {
  const hello = await fetch(`${base}/hello/w%C3%B6rld?at=noon`);
  assert.strictEqual(await hello.text(), 'hello wörld from 127.0.0.1 at noon');
  assert.strictEqual(hello.headers.get('x-protocol'), 'http');
  assert.strictEqual(hello.headers.get('x-powered-by'), 'Express');
  const cached = await fetch(`${base}/hello/w%C3%B6rld?at=noon`, {
    headers: { 'if-none-match': String(hello.headers.get('etag')), 'cache-control': 'max-age=0' },
  });
  assert.strictEqual(cached.status, 304);

  const echo = await fetch(`${base}/echo`, post({ list: [1, 2, { three: 'ü' }] }));
  assert.strictEqual(echo.status, 201);
  assert.deepStrictEqual(await echo.json(), { type: 'application/json', body: { list: [1, 2, { three: 'ü' }] } });
  assert.strictEqual((await fetch(`${base}/echo`, post('{"broken'))).status, 400);

  const file = await fetch(`${base}/static/express-app.cjs`);
  assert.strictEqual(await file.text(), fs.readFileSync(`${__dirname}/apps/express-app.cjs`, 'utf8'));
  const range = await fetch(`${base}/static/express-app.cjs`, { headers: { range: 'bytes=1-10' } });
  assert.strictEqual(range.status, 206);
  assert.strictEqual(await range.text(), 'use strict');
  const head = await fetch(`${base}/static/express-app.cjs`, { method: 'HEAD' });
  assert.strictEqual(head.headers.get('content-length'), file.headers.get('content-length'));
  assert.strictEqual(await head.text(), '');

  assert.strictEqual((await (await fetch(`${base}/stream`)).json()).name, 'express');
  assert.strictEqual(await (await fetch(`${base}/ticks`)).text(), 'tick 0\ntick 1\ntick 2\ntick 3\ntick 4\n');

  const teapot = await fetch(`${base}/teapot`);
  assert.strictEqual(teapot.status, 418);
  assert.deepStrictEqual(await teapot.json(), { error: 'short and stout' });
  assert.strictEqual((await fetch(`${base}/nowhere`)).status, 404);
}

test('Fastify routes, validates, streams, handles errors and injects', options, () =>
  withApp('fastify.mjs', async (base) => {
    const hello = await fetch(`${base}/hello/world?at=noon`);
    assert.deepStrictEqual(await hello.json(), { hello: 'world', at: 'noon' });
    const echo = await fetch(`${base}/echo`, post({ n: 5 }));
    assert.deepStrictEqual([echo.status, await echo.json()], [201, { body: { n: 5 } }]);
    const invalid = await fetch(`${base}/echo`, post({ n: 'five' }));
    assert.deepStrictEqual([invalid.status, (await invalid.json()).code], [400, 'FST_ERR_VALIDATION']);
    assert.strictEqual(await (await fetch(`${base}/stream`)).text(), 'one two three');
    const failed = await fetch(`${base}/fail`);
    assert.deepStrictEqual([failed.status, (await failed.json()).message], [500, 'as asked']);
    assert.deepStrictEqual(await (await fetch(`${base}/inject`)).json(), {
      status: 201,
      type: 'application/json; charset=utf-8',
      body: { body: { n: 7 } },
      text: 'one two three',
    });
  }),
);

test('Koa runs its middleware, takes an upload, streams and handles errors', options, () =>
  withApp('koa.cjs', async (base) => {
    const hello = await fetch(`${base}/hello?name=world`);
    assert.strictEqual(hello.headers.get('x-matched'), '200');
    assert.deepStrictEqual(await hello.json(), { hello: 'world', fresh: false, ip: '127.0.0.1' });
    const upload = await fetch(`${base}/upload`, { method: 'PUT', body: Buffer.alloc(1 << 20, 'k') });
    assert.strictEqual(await upload.text(), String(1 << 20));
    assert.strictEqual((await (await fetch(`${base}/stream`)).json()).name, 'koa');
    const failed = await fetch(`${base}/fail`);
    assert.deepStrictEqual([failed.status, await failed.text()], [422, 'not like this']);
    assert.strictEqual((await fetch(`${base}/nowhere`)).status, 404);
  }),
);
