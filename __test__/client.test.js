'use strict';

// What a client sends and hears, against a server that says exactly what the test says.

const assert = require('node:assert');
const { once } = require('node:events');
const net = require('node:net');
const { test } = require('node:test');
const { http, stock } = require('./support/http.js');
const { deferred, listen, rawServer, textOf } = require('./support/wire.js');

const options = { timeout: 60_000 };
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/**
 * One request on a connection of its own.
 * @param {number} port
 * @param {import('node:http').RequestOptions} [request]
 * @returns {Promise<{ res: import('node:http').IncomingMessage, body: string }>}
 */
async function fetchFrom(port, request) {
  const req = http.request({ port, host: '127.0.0.1', agent: false, ...request });
  req.end();
  const [res] = await once(req, 'response');
  return { res, body: await textOf(res) };
}

test('a request goes out as it was described', options, async (t) => {
  const heads = [];
  const port = await rawServer(t, async (peer) => {
    heads.push(await peer.read('\r\n\r\n'));
    peer.socket.end(OK);
  });
  await fetchFrom(port);
  await fetchFrom(port, { path: '/a?b', method: 'DELETE', headers: { 'X-One': 1, Two: ['a', 'b'] }, auth: 'me:pw' });
  await fetchFrom(port, { headers: ['Host', 'other', 'X-raw', 'in order'], setHost: false });
  await fetchFrom(port, { agent: new http.Agent({ keepAlive: true }), headers: { Connection: 'close' } });
  assert.deepStrictEqual(heads, [
    `GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`,
    'DELETE /a?b HTTP/1.1\r\nX-One: 1\r\nTwo: a\r\nTwo: b\r\n' +
      `Host: 127.0.0.1:${port}\r\nAuthorization: Basic bWU6cHc=\r\nConnection: close\r\n\r\n`,
    'GET / HTTP/1.1\r\nHost: other\r\nX-raw: in order\r\nConnection: close\r\n\r\n',
    `GET / HTTP/1.1\r\nConnection: close\r\nHost: 127.0.0.1:${port}\r\n\r\n`,
  ]);
});

test('a body given to end() has a length, one written in pieces is chunked, with trailers', options, async (t) => {
  const texts = [];
  const port = await rawServer(t, async (peer, index) => {
    texts.push(await peer.read(['body', '0\r\nX-Sum: 7\r\n\r\n', 'exact'][index]));
    peer.socket.end(OK);
  });
  /** @param {(req: import('node:http').ClientRequest) => void} write @param {object} [headers] */
  const post = async (write, headers) => {
    const req = http.request({ port, method: 'POST', agent: false, headers: { ...headers } });
    write(req);
    const [res] = await once(req, 'response');
    return textOf(res);
  };
  await post((req) => req.end('body'));
  await post((req) => {
    req.write('a');
    req.write(Buffer.from('bc'));
    req.addTrailers({ 'X-Sum': '7' });
    req.end();
  });
  await post((req) => req.end('exact'), { 'Content-Length': 5 });
  const bodies = texts.map((text) => text.slice(text.indexOf('\r\n\r\n') + 4));
  assert.deepStrictEqual(bodies, ['body', '1\r\na\r\n2\r\nbc\r\n0\r\nX-Sum: 7\r\n\r\n', 'exact']);
  assert.match(texts[0], /\r\nContent-Length: 4\r\n/);
  assert.match(texts[1], /\r\nTransfer-Encoding: chunked\r\n/);
});

test('a response has its status, headers, body and trailers', options, async (t) => {
  const port = await rawServer(t, async (peer) => {
    await peer.read('\r\n\r\n');
    peer.write(
      'HTTP/1.1 299 Quite Fine\r\nX-A: 1\r\nx-a: 2\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nTransfer-Encoding: chunked\r\n',
    );
    peer.write('Trailer: X-T\r\n\r\n4\r\nbody\r\n0\r\nX-T: after\r\n\r\n');
    peer.socket.end();
  });
  const { res, body } = await fetchFrom(port);
  assert.deepStrictEqual(
    {
      status: [res.statusCode, res.statusMessage, res.httpVersion],
      headers: { ...res.headers },
      raw: res.rawHeaders.length,
      body,
      trailers: { ...res.trailers },
      rawTrailers: res.rawTrailers,
      complete: res.complete,
    },
    {
      status: [299, 'Quite Fine', '1.1'],
      headers: { 'x-a': '1, 2', 'set-cookie': ['a', 'b'], 'transfer-encoding': 'chunked', trailer: 'X-T' },
      raw: 12,
      body: 'body',
      trailers: { 'x-t': 'after' },
      rawTrailers: ['X-T', 'after'],
      complete: true,
    },
  );
});

test('bodies end where the protocol says: length, chunks, end of connection, or not at all', options, async (t) => {
  const answers = [
    ['GET', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc', 'abc'],
    ['GET', 'HTTP/1.0 200 OK\r\n\r\nuntil the end', 'until the end'],
    ['GET', 'HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n', ''],
    ['GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n', ''],
    ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n', ''],
    ['HEAD', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', ''],
    ['GET', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA;x=y\r\n0123456789\r\n000\r\n\r\n', '0123456789'],
  ];
  const port = await rawServer(t, async (peer, index) => {
    await peer.read('\r\n\r\n');
    peer.socket.end(answers[index][1]);
  });
  for (const [method, , expected] of answers) {
    const { body, res } = await fetchFrom(port, { method });
    assert.strictEqual(body, expected);
    assert.strictEqual(res.complete, true);
  }
});

test('information and continue come before the response', options, async (t) => {
  const port = await rawServer(t, async (peer) => {
    await peer.read('\r\n\r\n');
    peer.write('HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n');
    assert.strictEqual(await peer.read('body'), 'body');
    peer.socket.end(OK);
  });
  const req = http.request({
    port,
    method: 'PUT',
    agent: false,
    headers: { Expect: '100-continue', 'Content-Length': 4 },
  });
  const events = [];
  req.on('information', (info) => events.push([info.statusCode, info.statusMessage, info.headers.link]));
  req.on('continue', () => {
    events.push('continue');
    req.end('body');
  });
  req.flushHeaders();
  const [res] = await once(req, 'response');
  assert.strictEqual(await textOf(res), 'ok');
  assert.deepStrictEqual(events, [[103, 'Early Hints', '</a>; rel=preload'], 'continue', [100, 'Continue', undefined]]);
});

test('upgrade and CONNECT hand over the socket with the bytes after the head', options, async (t) => {
  const port = await rawServer(t, async (peer) => {
    const head = await peer.read('\r\n\r\n');
    peer.write(
      head.startsWith('CONNECT')
        ? 'HTTP/1.1 200 Connection Established\r\n\r\nearly'
        : 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nearly',
    );
    assert.strictEqual(await peer.read('ping'), 'ping');
    peer.socket.end('pong');
  });
  for (const [event, request] of /** @type {const} */ ([
    ['upgrade', { headers: { Connection: 'Upgrade', Upgrade: 'x' } }],
    ['connect', { method: 'CONNECT', path: 'far:1' }],
  ])) {
    const req = http.request({ port, agent: false, ...request });
    req.end();
    const [res, socket, head] = await once(req, event);
    assert.strictEqual(res.statusCode, event === 'upgrade' ? 101 : 200);
    socket.write('ping');
    assert.strictEqual(`${head}${await textOf(socket)}`, 'earlypong');
  }
});

test('failures have Node’s codes', options, async (t) => {
  const closed = net.createServer();
  const nowhere = await listen(t, closed);
  closed.close();
  const says = (/** @type {string} */ text) =>
    rawServer(t, async (peer) => {
      await peer.read('\r\n\r\n');
      peer.socket.end(text);
    });
  /** @type {[number, string, RegExp][]} */
  const cases = [
    [nowhere, 'ECONNREFUSED', /^connect ECONNREFUSED 127\.0\.0\.1:\d+$/],
    [await says(''), 'ECONNRESET', /^socket hang up$/],
    [await says('HTTP/1.1 200'), 'ECONNRESET', /^socket hang up$/],
    [await says('SMTP ready\r\n'), 'HPE_INVALID_CONSTANT', /^Parse Error: Expected HTTP\//],
    [await says('HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n'), 'HPE_INVALID_CONTENT_LENGTH', /^Parse Error: /],
    [
      await says(`HTTP/1.1 200 OK\r\nX: ${'y'.repeat(http.maxHeaderSize)}\r\n\r\n`),
      'HPE_HEADER_OVERFLOW',
      /^Parse Error: Header overflow$/,
    ],
  ];
  for (const [port, code, message] of cases) {
    await assert.rejects(fetchFrom(port), (/** @type {any} */ err) => {
      assert.strictEqual(err.code, code);
      assert.match(err.message, message);
      return true;
    });
  }
});

test('a response that is cut off is aborted', options, async (t) => {
  const port = await rawServer(t, async (peer) => {
    await peer.read('\r\n\r\n');
    peer.socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
  });
  const req = http.get({ port, agent: false });
  const events = [];
  req.on('error', (err) => events.push(`req ${err}`));
  const [res] = await once(req, 'response');
  res.on('data', (/** @type {Buffer} */ chunk) => events.push(`data ${chunk}`));
  res.on('aborted', () => events.push('aborted'));
  res.on('end', () => events.push('end'));
  res.on('error', (/** @type {any} */ err) => events.push(`error ${err.code} ${err.message}`));
  await new Promise((resolve) => res.on('close', resolve));
  assert.deepStrictEqual(events, ['data half', 'aborted', 'error ECONNRESET aborted']);
  assert.strictEqual(res.complete, false);
});

test('destroy, abort signals and time-outs end a request', options, async (t) => {
  const port = await rawServer(t, () => {});
  const destroyed = http.get({ port, agent: false });
  await once(destroyed, 'socket');
  destroyed.destroy();
  assert.strictEqual((await once(destroyed, 'error'))[0].code, 'ECONNRESET');
  assert.strictEqual(destroyed.destroyed, true);

  const mine = http.get({ port, agent: false });
  mine.destroy(new Error('mine'));
  assert.strictEqual((await once(mine, 'error'))[0].message, 'mine');

  const controller = new AbortController();
  const signalled = http.get({ port, agent: false, signal: controller.signal });
  setImmediate(() => controller.abort());
  const [err] = await once(signalled, 'error');
  assert.deepStrictEqual([err.name, err.code], ['AbortError', 'ABORT_ERR']);

  const late = http.get({ port, agent: false, timeout: 50 });
  late.on('error', () => {});
  await once(late, 'timeout');
  assert.strictEqual(late.destroyed, false);
  late.destroy();
  await new Promise((resolve) => late.on('close', resolve));

  const later = http.get({ port, agent: false });
  later.on('error', () => {});
  await new Promise((resolve) => later.setTimeout(50, () => resolve(undefined)));
  later.destroy();
});

test('a request that got no listener for its response lets it go', options, async (t) => {
  const port = await rawServer(t, async (peer) => {
    await peer.read('\r\n\r\n');
    peer.socket.end(`HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(100_000)}`);
  });
  const req = http.get({ port, agent: false });
  await new Promise((resolve) => req.on('close', resolve));
  assert.strictEqual(req.destroyed, true);
});

test('events of a request come in Node’s order', options, async (t) => {
  const port = await rawServer(t, async (peer) => {
    await peer.read('body');
    peer.socket.end(OK);
  });
  const req = http.request({ port, method: 'POST', agent: false });
  const events = [];
  for (const event of ['socket', 'finish', 'close', 'error']) req.on(event, () => events.push(`req ${event}`));
  const closed = deferred();
  req.on('close', closed.resolve);
  req.on('response', (res) => {
    events.push('response');
    for (const event of ['end', 'close', 'error']) res.on(event, () => events.push(`res ${event}`));
    res.resume();
  });
  req.end('body', () => events.push('end callback'));
  await closed.promise;
  assert.deepStrictEqual(events, [
    'req socket',
    // Node 24 turned them round.
    ...(Number.parseInt(process.versions.node, 10) < 24
      ? ['req finish', 'end callback']
      : ['end callback', 'req finish']),
    'response',
    'res end',
    'res close',
    'req close',
  ]);
});

test('get() takes a URL, a string, options and a callback', options, async (t) => {
  const paths = [];
  const port = await listen(
    t,
    http.createServer((req, res) => {
      paths.push(`${req.method} ${req.url} ${req.headers['x-a'] ?? ''}`.trim());
      res.end('ok');
    }),
  );
  const base = `http://127.0.0.1:${port}`;
  for (const args of [
    [`${base}/string?q`],
    [new URL(`${base}/url`)],
    [`${base}/merged`, { headers: { 'X-A': 'b' }, method: 'OPTIONS' }],
    [{ port, path: '/options' }],
  ]) {
    const res = await new Promise((resolve, reject) => {
      /** @type {any} */ (http.get)(...args, resolve).on('error', reject);
    });
    assert.strictEqual(await textOf(res), 'ok');
  }
  assert.deepStrictEqual(paths, ['GET /string?q', 'GET /url', 'OPTIONS /merged b', 'GET /options']);
  assert.throws(() => http.get('https://127.0.0.1/'), { code: 'ERR_INVALID_PROTOCOL' });
  assert.throws(() => http.get({ path: '/a b' }), { code: 'ERR_UNESCAPED_CHARACTERS' });
  assert.throws(() => http.get('nonsense'), { code: 'ERR_INVALID_URL' });
  http.globalAgent.destroy();
});

test('a client speaks through a unix socket', {
  ...options,
  skip: process.platform === 'win32' && 'no unix sockets',
}, async (t) => {
  const { mkdtempSync, rmSync } = require('node:fs');
  const { join } = require('node:path');
  const folder = mkdtempSync(join(require('node:os').tmpdir(), 'ferrohttp-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const socketPath = join(folder, 's');
  const server = http.createServer((req, res) => res.end(`unix ${req.url}`));
  server.listen(socketPath);
  await once(server, 'listening');
  const req = http.get({ socketPath, path: '/x', agent: false });
  const [res] = await once(req, 'response');
  assert.strictEqual(await textOf(res), 'unix /x');
  server.close();
  await once(server, 'close');
});

test('a path is what it was when it was checked, and a port no BigInt', () => {
  const unconnected = { createConnection: () => new net.Socket() };
  const numbered = http.request({ ...unconnected, path: /** @type {any} */ (5) });
  assert.strictEqual(numbered.path, 5);
  let asked = 0;
  // Each time another answer: the second would end the request line.
  const path = { toString: () => (asked++ === 0 ? '/once' : '/ HTTP/1.1\r\n') };
  const odd = http.request({ ...unconnected, path: /** @type {any} */ (path) });
  if (!stock) assert.strictEqual(odd.path, '/once');
  for (const req of [numbered, odd]) {
    req.on('error', () => {});
    req.destroy();
  }
  assert.throws(() => http.request({ ...unconnected, port: /** @type {any} */ (10n) }), TypeError);
  assert.throws(() => http.request({ ...unconnected, path: /** @type {any} */ (Symbol('s')) }).end(), TypeError);
});
