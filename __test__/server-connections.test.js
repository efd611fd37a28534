'use strict';

// A server's connections: bad bytes, time-outs, and how they are closed.

const assert = require('node:assert');
const { once } = require('node:events');
const net = require('node:net');
const { test } = require('node:test');
const { setFlagsFromString } = require('node:v8');
const { runInNewContext } = require('node:vm');
const { http } = require('./support/http.js');
const { deferred, dial, exchange, listen } = require('./support/wire.js');

const options = { timeout: 60_000 };
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

test('each kind of bad request gets its status, and the connection ends', options, async (t) => {
  const port = await listen(
    t,
    http.createServer((req, res) => {
      req.on('error', () => {});
      req.on('end', () => res.end()).resume();
    }),
  );
  const close = 'Connection: close\r\n\r\n';
  const bad = `HTTP/1.1 400 Bad Request\r\n${close}`;
  assert.strictEqual(await exchange(port, 'not http at all\r\n\r\n'), bad);
  assert.match(
    await exchange(port, 'GET / HTTP/1.1\r\n\r\n'),
    /^HTTP\/1.1 400 Bad Request\r\n[\s\S]*Connection: close\r\n/,
  );
  assert.strictEqual(await exchange(port, 'GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n'), bad);
  assert.strictEqual(
    await exchange(port, `GET / HTTP/1.1\r\nHost: a\r\nX: ${'y'.repeat(http.maxHeaderSize)}\r\n\r\n`),
    `HTTP/1.1 431 Request Header Fields Too Large\r\n${close}`,
  );
  const chunked = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
  assert.ok(
    (await exchange(port, `${chunked}3;${'x'.repeat(20_000)}\r\n`)).endsWith(
      `HTTP/1.1 413 Payload Too Large\r\n${close}`,
    ),
  );
  const both = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n';
  assert.strictEqual(await exchange(port, `${both}0\r\n\r\n`), bad);
  assert.match(
    await exchange(port, `${GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')}`),
    /^HTTP\/1.1 200 OK\r\n/,
  );
});

test('clientError has the error and the socket, and decides the answer', options, async (t) => {
  const server = http.createServer();
  const errors = [];
  server.on('clientError', (/** @type {any} */ err, socket) => {
    errors.push({
      code: err.code,
      bytesParsed: err.bytesParsed,
      rawPacket: String(err.rawPacket),
      message: err.message,
    });
    socket.end('HTTP/1.1 499 Mine\r\n\r\n');
  });
  const port = await listen(t, server);
  assert.strictEqual(await exchange(port, 'GET / HTTP/9.9\r\n\r\n'), 'HTTP/1.1 499 Mine\r\n\r\n');
  assert.strictEqual(await exchange(port, 'BREW / HTTP/1.1\r\n\r\n'), 'HTTP/1.1 499 Mine\r\n\r\n');
  assert.strictEqual(errors.length, 2);
  assert.deepStrictEqual(
    errors.map(({ code, rawPacket }) => ({ code, rawPacket })),
    [
      { code: 'HPE_INVALID_VERSION', rawPacket: 'GET / HTTP/9.9\r\n\r\n' },
      { code: 'HPE_INVALID_METHOD', rawPacket: 'BREW / HTTP/1.1\r\n\r\n' },
    ],
  );
  for (const { message } of errors) assert.match(message, /^Parse Error: /);
});

test('clientError at the end of a message that was cut has no packet', options, async (t) => {
  const server = http.createServer();
  server.on('clientError', (/** @type {any} */ err, socket) => {
    socket.end(`${err.message}; ${Object.keys(err)}: ${err.code} ${err.bytesParsed}`);
  });
  const port = await listen(t, server);
  const cut = await dial(t, port);
  cut.write('GET / HTTP/1.1\r\n');
  cut.socket.end();
  assert.strictEqual(await cut.rest(), 'Parse Error; bytesParsed,code,reason: HPE_INVALID_EOF_STATE 0');
});

test(
  'a request cut off in its head is a clientError, one cut off in its body an aborted request',
  options,
  async (t) => {
    const aborted = deferred();
    const failed = deferred();
    const server = http.createServer((req) => req.on('error', aborted.resolve).resume());
    server.on('clientError', (err, socket) => {
      failed.resolve(err);
      socket.destroy();
    });
    const port = await listen(t, server);
    const head = await dial(t, port);
    head.write('GET / HTTP/1.1\r\nHo');
    head.socket.end();
    assert.strictEqual((await failed.promise).code, 'HPE_INVALID_EOF_STATE');
    const body = await dial(t, port);
    body.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf');
    await once(body.socket, 'connect');
    body.socket.end();
    assert.strictEqual((await aborted.promise).code, 'ECONNRESET');
  },
);

test('headersTimeout and requestTimeout answer 408', options, async (t) => {
  const server = http.createServer(
    { headersTimeout: 200, requestTimeout: 400, connectionsCheckingInterval: 50, keepAliveTimeout: 0 },
    (req) => req.on('error', () => {}).resume(),
  );
  const port = await listen(t, server);
  const slow = 'HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n';
  const head = await dial(t, port);
  head.write('GET / HTTP/1.1\r\nX-Slow');
  assert.strictEqual(await head.rest(), slow);
  const body = await dial(t, port);
  body.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf');
  assert.strictEqual(await body.rest(), slow);
  // A connection that says nothing at all is late too.
  const silent = await dial(t, port);
  assert.strictEqual(await silent.rest(), slow);
});

test('a server that idled for long gives the next connection all of headersTimeout', options, async (t) => {
  const headersTimeout = 1500;
  const server = http.createServer({ headersTimeout, connectionsCheckingInterval: 20 }, (_req, res) => res.end('x'));
  const port = await listen(t, server);
  const first = await dial(t, port);
  first.write(GET);
  await first.read('x');
  first.socket.destroy();
  await new Promise((resolve) => setTimeout(resolve, headersTimeout + 200));
  const began = performance.now();
  const second = await dial(t, port);
  assert.match(await second.rest(), /^HTTP\/1\.1 408 /);
  const waited = performance.now() - began;
  // Clocks tick apart, and begins are not taken at the same moment: by milliseconds.
  assert.ok(waited > headersTimeout - 100, `${waited} ms`);
});

test('an idle connection is closed after keepAliveTimeout, one in use is not', options, async (t) => {
  const release = deferred();
  const server = http.createServer({ keepAliveTimeout: 100, keepAliveTimeoutBuffer: 0 }, (req, res) => {
    if (req.url === '/wait') release.promise.then(() => res.end('waited'));
    else res.end('at once');
  });
  const port = await listen(t, server);
  const busy = await dial(t, port);
  busy.write(GET.replace('/', '/wait'));
  const idle = await dial(t, port);
  idle.write(GET);
  assert.match(await idle.read('at once'), /\r\nConnection: keep-alive\r\nKeep-Alive: timeout=\d+\r\n/);
  assert.strictEqual(await idle.rest(), '');
  release.resolve(undefined);
  await busy.read('waited');
  assert.strictEqual(await busy.rest(), '');
});

test('who has been answered and stops in the midst of what he sends is idle too', options, async (t) => {
  const server = http.createServer({ keepAliveTimeout: 100, keepAliveTimeoutBuffer: 0 }, (_req, res) => res.end('x'));
  const port = await listen(t, server);
  const post = 'POST / HTTP/1.1\r\nHost: a\r\n';
  for (const text of [
    `${GET}GET / HT`,
    `${post}Content-Length: 9\r\n\r\nhalf`,
    `${post}Transfer-Encoding: chunked\r\n\r\n9\r\nhalf`,
  ]) {
    // Longer than the time of this test would be what is waited for a late head or request.
    assert.match(await exchange(port, text), /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nx$/);
  }
});

test("whose own 'write' takes his time has all of keepAliveTimeout behind it", options, async (t) => {
  const keepAliveTimeout = 300;
  for (const ms of [200, 700]) {
    let finished = 0;
    const server = http.createServer({ keepAliveTimeout, keepAliveTimeoutBuffer: 0 }, (_req, res) => {
      res.on('finish', () => {
        finished = performance.now();
      });
      res.end('x');
    });
    server.on('connection', (socket) => {
      const { write } = socket;
      socket.write = (/** @type {any[]} */ ...args) => {
        setTimeout(() => write.apply(socket, args), ms);
        return true;
      };
    });
    const client = await dial(t, await listen(t, server));
    client.write(GET);
    await client.rest();
    // A millisecond more or less is the timers' own.
    assert.ok(
      finished > 0 && performance.now() - finished > keepAliveTimeout - 2,
      `closed after ${performance.now() - finished} ms`,
    );
  }
});

test('who is slow to read his answer is not idle, and has all of keepAliveTimeout behind it', options, async (t) => {
  const keepAliveTimeout = 1500;
  const body = Buffer.alloc(16 * 1024 * 1024, 'x');
  const server = http.createServer({ keepAliveTimeout, keepAliveTimeoutBuffer: 0 }, (req, res) => {
    res.end(req.url === '/large' ? body : 'small');
  });
  const port = await listen(t, server);
  const socket = net.connect(port, '127.0.0.1');
  socket.write(GET.replace('/', '/large'));
  await once(socket, 'readable');
  await new Promise((resolve) => setTimeout(resolve, 2 * keepAliveTimeout));
  let received = 0;
  for await (const part of socket) {
    const isLast = received < body.length && received + part.length > body.length;
    received += part.length;
    if (isLast) socket.write(GET);
  }
  assert.ok(received > body.length, `${received} bytes`);
});

test('who sends his FIN along with the request has the answer that is given in the next turn', options, async (t) => {
  const server = http.createServer((_req, res) => setImmediate(() => res.end('in time')));
  const port = await listen(t, server);
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  await once(socket, 'connect');
  // The server's turn comes when both are there.
  socket.end(GET);
  assert.match(String(await socket.reduce((text, part) => text + part, '')), /in time$/);
});

test('setTimeout destroys a silent connection, or asks the listener', options, async (t) => {
  const server = http.createServer((_req, res) => res.write('begun'));
  server.setTimeout(100);
  const port = await listen(t, server);
  const dropped = await dial(t, port);
  dropped.write(GET);
  assert.match(await dropped.rest(), /begun\r\n$/);

  server.on('timeout', (socket) => socket.end('asked'));
  const asked = await dial(t, port);
  asked.write(GET);
  assert.match(await asked.rest(), /begun\r\nasked$/);
});

test('each byte of a peer has the socket’s time-out begin anew, also in the midst of a head', options, async (t) => {
  const server = http.createServer((_req, res) => res.end('ok'));
  server.setTimeout(1_000_000);
  const port = await listen(t, server);
  const accepted = once(server, 'connection');
  const peer = net.connect(port, '127.0.0.1');
  t.after(() => peer.destroy());
  const [socket] = await accepted;
  // Node's own timer, which says when it began.
  const kTimeout = Object.getOwnPropertySymbols(socket).find((symbol) => symbol.description === 'timeout');
  assert.ok(kTimeout);
  const began = () => /** @type {any} */ (socket)[kTimeout]._idleStart;
  for (const piece of [
    'G',
    'ET / HTTP/1.1\r\nHo',
    'st: a\r\n',
    'Transfer-Encoding: chunked\r\n\r\n',
    '1',
    '0;ext',
    '\r\n',
  ]) {
    const before = began();
    await new Promise((resolve) => setTimeout(resolve, 10));
    peer.write(piece);
    while (began() === before) await new Promise((resolve) => setTimeout(resolve, 5));
  }
});

test('close() ends idle connections, lets the busy one finish, and then calls back', options, async (t) => {
  const response = deferred();
  const server = http.createServer((req, res) => (req.url === '/busy' ? response.resolve(res) : res.end('idle')));
  const port = await listen(t, server);
  const idle = await dial(t, port);
  idle.write(GET);
  await idle.read('idle');
  const busy = await dial(t, port);
  busy.write(GET.replace('/', '/busy'));
  const res = await response.promise;

  let closed = false;
  const done = deferred();
  server.close((err) => {
    closed = true;
    done.resolve(err);
  });
  assert.strictEqual(await idle.rest(), '');
  assert.strictEqual(closed, false);
  const refused = await dial(t, port);
  const [err] = await once(refused.socket, 'error');
  assert.strictEqual(err.code, 'ECONNREFUSED');
  res.end('finished');
  await busy.read('finished');
  await busy.rest();
  assert.strictEqual(await done.promise, undefined);
});

test('closeIdleConnections and closeAllConnections close just these', options, async (t) => {
  const closed = deferred();
  const server = http.createServer((req, res) => {
    if (req.url !== '/busy') res.end('idle');
    else res.on('close', closed.resolve).write('busy');
  });
  const port = await listen(t, server);
  const busy = await dial(t, port);
  busy.write(GET.replace('/', '/busy'));
  await busy.read('busy\r\n');
  const idle = await dial(t, port);
  idle.write(GET);
  await idle.read('idle');
  // Idle is who has answered, and on this side that is known when the answer was sent.
  await new Promise((resolve) => server.getConnections(resolve));
  server.closeIdleConnections();
  assert.strictEqual(await idle.rest(), '');
  assert.strictEqual(busy.socket.readableEnded, false);
  server.closeAllConnections();
  assert.strictEqual(await busy.rest(), '');
  await closed.promise;
});

test('a listener may take the connection over with on("data") before a request', options, async (t) => {
  const server = http.createServer(() => assert.fail('the bytes were taken for a request'));
  server.removeAllListeners('connection');
  server.on('connection', (socket) => socket.on('data', (chunk) => socket.end(`raw ${chunk}`)));
  const port = await listen(t, server);
  assert.strictEqual(await exchange(port, GET), `raw ${GET}`);
});

test('emit("connection") serves any duplex stream', options, async () => {
  const { Duplex } = require('node:stream');
  const server = http.createServer((req, res) => res.end(`by stream ${req.url}`));
  const answered = deferred();
  let text = '';
  const stream = new Duplex({
    read() {},
    write(chunk, _encoding, callback) {
      text += chunk;
      if (text.includes('by stream /x')) answered.resolve(undefined);
      callback();
    },
  });
  server.emit('connection', stream);
  stream.push('GET /x HTT');
  stream.push('P/1.1\r\nHost: a\r\n\r\n');
  await answered.promise;
  assert.match(text, /^HTTP\/1.1 200 OK\r\n/);
  stream.destroy();
});

test('a server looks for late requests at its own interval, not at another server’s', options, async (t) => {
  const answer = (_req, res) => res.end('answered;');
  const frequent = http.createServer({ headersTimeout: 60, connectionsCheckingInterval: 10 }, answer);
  const seldom = http.createServer({ headersTimeout: 10, connectionsCheckingInterval: 1e6 }, answer);
  const late = await dial(t, await listen(t, seldom));
  late.write('GET / HTTP/1.1\r\n');
  const refused = await dial(t, await listen(t, frequent));
  refused.write('GET / HTTP/1.1\r\n');
  assert.match(await refused.rest(), /^HTTP\/1\.1 408 /);
  late.write('Host: a\r\n\r\n');
  await late.read('answered;');
});

test('a head of too many fields is told with its bytes, and how far they were read', options, async (t) => {
  if (Number.parseInt(process.versions.node, 10) < 22) return t.skip('dropped before Node 22');
  const server = http.createServer();
  server.maxHeadersCount = 2;
  /** @type {any} */
  let error;
  server.on('clientError', (err, socket) => {
    error = err;
    socket.end('HTTP/1.1 499 Mine\r\n\r\n');
  });
  const port = await listen(t, server);
  const head = 'GET /x HTTP/1.1\r\nHost: a\r\nAbc: 1\r\nDefg: 2\r\n\r\n';
  assert.strictEqual(await exchange(port, head), 'HTTP/1.1 499 Mine\r\n\r\n');
  assert.deepStrictEqual(
    { code: error.code, bytesParsed: error.bytesParsed, rawPacket: String(error.rawPacket) },
    { code: 'HPE_HEADER_OVERFLOW', bytesParsed: head.indexOf(' 2'), rawPacket: head },
  );
});

test('no refusal is put behind a response that came before the bad bytes', options, async (t) => {
  const port = await listen(
    t,
    http.createServer((_req, res) => res.end('answered')),
  );
  const answer = await exchange(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\nnot http\r\n\r\n');
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nanswered$/);
});

test('an idle connection keeps nothing of its last exchange, at either end', options, async (t) => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  /** @type {WeakRef<object>[]} */
  const kept = [];
  const server = http.createServer({ keepAliveTimeout: 120_000 }, (req, res) => {
    kept.push(new WeakRef(req), new WeakRef(res));
    res.end('x');
  });
  const port = await listen(t, server);
  const agent = new http.Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  await new Promise((resolve) => {
    const req = http.get({ host: '127.0.0.1', port, agent }, (res) => res.resume().on('end', resolve));
    kept.push(new WeakRef(req));
  });
  const deadline = Date.now() + 30_000;
  while (kept.some((ref) => ref.deref() !== undefined)) {
    assert.ok(Date.now() < deadline, 'some are there yet');
    await new Promise((resolve) => setTimeout(resolve, 10));
    collect();
  }
  assert.strictEqual(Object.values(agent.freeSockets).length, 1, 'the connection idles');
});

test(
  'what a connection’s first request leaves for an immediate is done before its answer is read in the same process',
  options,
  async (t) => {
    const done = [];
    const server = http.createServer((req, res) => {
      setImmediate(() => done.push(req.url));
      res.end();
    });
    const port = await listen(t, server);
    for (const path of ['/answered', '/answered-again']) {
      const socket = net.connect(port, '127.0.0.1');
      await once(socket, 'connect');
      socket.write(GET.replace('/', path));
      const seen = await new Promise((resolve) => socket.once('data', () => resolve(done.at(-1))));
      assert.strictEqual(seen, path);
      socket.destroy();
    }
    // A connection whose request has come before it is accepted.
    const seen = await new Promise((resolve, reject) => {
      const req = http.get({ port, path: '/at-once', agent: false }, (res) =>
        res.on('end', () => resolve(done.at(-1))).resume(),
      );
      req.on('error', reject);
    });
    assert.strictEqual(seen, '/at-once');
  },
);
