'use strict';

// Whoever stops and starts a connection's socket himself: a server reads its requests from the handle, whatever the stream above it does, a client its
// responses from the stream. What is expected here is what node:http does (FERROHTTP_TEST_STOCK=1).

const assert = require('node:assert');
const { once } = require('node:events');
const net = require('node:net');
const { getDefaultHighWaterMark } = require('node:stream');
const { test } = require('node:test');
const { setImmediate: immediate } = require('node:timers/promises');
const { http } = require('./support/http.js');
const { dial, listen } = require('./support/wire.js');

const options = { timeout: 60_000 };
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

/** @param {any} socket */
const flow = (socket) => `flowing ${socket.readableFlowing}, paused ${socket.isPaused()}`;

/** @param {any} socket @param {string[]} log */
const note = (socket, log) => {
  for (const event of ['pause', 'resume']) socket.on(event, () => log.push(event));
};

/** @typedef {(socket: any, log: string[]) => void} Act */

/** @type {[string, { before?: Act, after?: Act, handler?: (req: any, res: any) => void }, string[]][]} */
const served = [
  ['nobody', { after: (socket, log) => log.push(flow(socket)) }, ['flowing true, paused false', 'resume', 'request']],
  ['its listener behind the server', { after: (socket) => socket.pause() }, ['pause', 'resume', 'request', 'resume']],
  ['its listener before the server', { before: (socket) => socket.pause() }, ['pause', 'request', 'resume']],
  [
    'both, the latter in a tick',
    { before: (socket) => socket.pause(), after: (socket) => process.nextTick(() => socket.pause()) },
    ['pause', 'request', 'resume'],
  ],
  [
    'a listener for data before the server',
    { before: (socket) => socket.on('data', assert.fail) },
    ['resume', 'request'],
  ],
  [
    'a listener for data before the server, which is paused',
    { before: (socket) => socket.on('data', assert.fail).pause() },
    ['pause', 'resume', 'request', 'resume'],
  ],
  [
    'a listener for readable before the server',
    { before: (socket) => socket.on('readable', assert.fail) },
    ['request', 'resume'],
  ],
  [
    'its handler, of a request that nobody reads',
    { handler: ({ socket }, res) => void res.end(socket.pause() && 'a') },
    ['resume', 'request', 'pause', 'resume'],
  ],
  [
    'its handler, which answers later',
    { handler: ({ socket }, res) => void setImmediate(() => res.end(socket.pause() && 'a')) },
    ['resume', 'request', 'pause'],
  ],
];

for (const [who, { before, after, handler }, expected] of served) {
  test(`a server reads a connection on that is paused by ${who}`, options, async (t) => {
    /** @type {string[]} */
    const log = [];
    const server = http.createServer((req, res) => {
      log.push('request');
      if (handler) handler(req, res);
      else res.end('a');
    });
    if (before) server.prependListener('connection', (socket) => before(socket, log));
    server.prependListener('connection', (socket) => note(socket, log));
    if (after) server.on('connection', (socket) => after(socket, log));
    const client = await dial(t, await listen(t, server));
    client.write(GET);
    await client.read('\r\n\r\n');
    await immediate();
    assert.deepStrictEqual(log, expected);
  });
}

test(
  'a server reads on where its handler has paused the connection and the request is read or thrown away',
  options,
  async (t) => {
    const answers = ['unread', 'read'];
    const server = http.createServer((req, res) => {
      req.socket.pause();
      if (req.url === '/read') req.resume().on('end', () => res.end('a'));
      else res.end('a');
    });
    const client = await dial(t, await listen(t, server));
    for (const each of [...answers, ...answers]) {
      client.write(`POST /${each} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbo`);
      await immediate();
      client.write('dy');
      await client.read('\r\n\r\na');
    }
  },
);

test('a connection that is paused once it flows is read when it is resumed', options, async (t) => {
  let requests = 0;
  const server = http.createServer((_req, res) => {
    requests++;
    res.end('a');
  });
  const port = await listen(t, server);
  const [[socket], client] = await Promise.all([once(server, 'connection'), dial(t, port)]);
  await immediate();
  socket.pause();
  client.write(GET);
  for (let turns = 0; turns < 20; turns++) await immediate();
  assert.strictEqual(requests, 0);
  socket.resume();
  await client.read('\r\n\r\na');
});

test(
  'who listens for data behind the server sees the bytes, and his stream stops and starts them',
  options,
  async (t) => {
    /** @type {string[]} */
    const log = [];
    const server = http.createServer((_req, res) => void res.end('a'));
    server.on('connection', (socket) => {
      socket.on('data', (/** @type {Buffer} */ data) => log.push(`${data.length} bytes`));
      log.push(`${socket.listenerCount('pause')} ${socket.listenerCount('resume')}`);
      socket.pause();
      setImmediate(() => {
        log.push('resumed');
        socket.resume();
      });
    });
    const client = await dial(t, await listen(t, server));
    client.write(GET);
    await client.read('\r\n\r\na');
    assert.deepStrictEqual(log, ['0 0', 'resumed', `${GET.length} bytes`]);
  },
);

/**
 * @param {import('node:test').TestContext} t
 * @param {(socket: net.Socket) => void} answer
 */
const peer = (t, answer) =>
  listen(
    t,
    net.createServer((socket) => void socket.on('error', () => {}).once('data', () => answer(socket))),
  );

for (const when of ['socket', 'connect', 'tick']) {
  test(`a client whose socket is paused (${when}) waits until it is resumed`, options, async (t) => {
    /** @type {string[]} */
    const log = [];
    const port = await peer(t, (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na'));
    const req = http.get({ port, host: '127.0.0.1', agent: false });
    req.on('response', (res) => res.on('end', () => log.push('end')).resume());
    const [socket] = await once(req, 'socket');
    assert.strictEqual(socket.readableFlowing, true);
    if (when === 'socket') socket.pause();
    else if (when === 'connect') socket.once('connect', () => socket.pause());
    else process.nextTick(() => socket.pause());
    while (socket.readableLength === 0) await immediate();
    assert.deepStrictEqual(log, []);
    log.push(flow(socket));
    socket.resume();
    await once(req, 'close');
    assert.deepStrictEqual(log, ['flowing false, paused true', 'end']);
  });
}

test("a client's socket that is paused in the midst of a response holds the rest", options, async (t) => {
  /** @type {any} */
  let far;
  const port = await peer(t, (socket) => {
    far = socket;
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na');
  });
  const req = http.get({ port, host: '127.0.0.1', agent: false });
  const [res] = await once(req, 'response');
  /** @type {string[]} */
  const log = [];
  res.on('data', (/** @type {Buffer} */ data) => {
    log.push(`${data}`);
    if (log.length > 1) return;
    res.socket.pause();
    far.write('b');
  });
  while (!req.socket?.readableLength) await immediate();
  assert.deepStrictEqual(log, ['a']);
  req.socket.resume();
  await once(res, 'end');
  assert.deepStrictEqual(log, ['a', 'b']);
});

test('a response that has all come is read to its end by one who stops and goes on', options, async (t) => {
  const size = 1_500_000;
  const server = net.createServer((socket) => {
    socket
      .on('error', () => {})
      .on('data', () => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
        socket.write(Buffer.alloc(size));
      });
  });
  const port = await listen(t, server);
  const agent = new http.Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  for (let round = 0; round < 60; round++) {
    const req = http.get({ port, host: '127.0.0.1', agent });
    const [res] = await once(req, 'response');
    let length = 0;
    let parts = 0;
    res.on('data', (/** @type {Buffer} */ part) => {
      length += part.length;
      if (++parts % 4 > 0) return;
      res.pause();
      setTimeout(() => res.resume(), 2);
    });
    await once(res, 'end');
    assert.strictEqual(length, size);
    await immediate();
  }
});

/** @param {import('node:events').EventEmitter} emitter */
const closed = (emitter) => new Promise((resolve) => emitter.once('close', resolve));

/** @param {any} req @param {any} res @param {string[]} log */
function tell(req, res, log) {
  req.on('error', (/** @type {any} */ error) => log.push(`req ${error.code}`));
  for (const event of ['aborted', 'end', 'close']) res.on(event, () => log.push(`res ${event}`));
  for (const event of ['end', 'close']) res.socket.on(event, () => log.push(`socket ${event}`));
}

/** Before Node 22 streams take in less. */
const ROOM = getDefaultHighWaterMark(false) >> 10;

/** An I/O thread may have parsed all of a response before its client stops it, and tells of the end behind that: then the next one is tried. */
const ATTEMPTS = process.env.FERROHTTP_DRIVER === 'threads' ? 20 : 1;

for (const size of [70, 100, 400]) {
  // Behind what was received first.
  const isHeard = size - 64 < ROOM && ROOM >= 64;
  test(
    `a client that does not read a response of ${size} KiB ${isHeard ? 'hears' : 'does not hear'} that it has ended`,
    options,
    async (t) => {
      // The rest of a large one is in nobody's hands.
      const port = await peer(t, (socket) => void socket.end(`HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(size << 10)}`));
      let hasEnded = false;
      for (let attempt = 1; !hasEnded && attempt <= ATTEMPTS; attempt++) {
        const req = http.get({ port, host: '127.0.0.1', agent: false });
        const [res] = await once(req, 'response');
        /** @type {string[]} */
        const log = [];
        tell(req, res, log);
        const end = closed(req);
        if (isHeard && attempt === ATTEMPTS) await end;
        else for (let turns = 0; turns < 200 && log.length < 2; turns++) await immediate();
        hasEnded = log.length > 0;
        assert.deepStrictEqual(log, hasEnded ? ['socket end', 'socket close'] : []);
        assert.strictEqual(res.complete, hasEnded);
        let length = 0;
        for await (const part of res) length += part.length;
        assert.strictEqual(length, size << 10);
        assert.ok(res.complete);
      }
      assert.strictEqual(hasEnded, isHeard);
    },
  );
}

test('a response that ends with its connection is complete, also where that is reset', options, async (t) => {
  /** @type {any} */
  let far;
  const port = await peer(t, (socket) => {
    far = socket;
    socket.write('HTTP/1.1 200 OK\r\n\r\nabc');
  });
  const req = http.get({ port, host: '127.0.0.1', agent: false });
  const [res] = await once(req, 'response');
  /** @type {string[]} */
  const log = [];
  tell(req, res, log);
  res.once('data', () => far.resetAndDestroy());
  await closed(req);
  await immediate();
  assert.deepStrictEqual(log, ['req ECONNRESET', 'res end', 'res close', 'socket close']);
  assert.ok(res.complete);
});

test('one that its client destroys is complete in the end, though it has been aborted', options, async (t) => {
  for (const what of /** @type {const} */ (['req', 'res', 'socket'])) {
    const port = await peer(t, (socket) => void socket.write('HTTP/1.1 200 OK\r\n\r\nabc'));
    const req = http.get({ port, host: '127.0.0.1', agent: false });
    const [res] = await once(req, 'response');
    res.on('aborted', () => assert.strictEqual(res.complete, false)).on('error', () => {});
    res.once('data', () => ({ req, res, socket: req.socket })[what].destroy());
    await Promise.all([closed(res), closed(req), closed(req.socket)]);
    assert.deepStrictEqual([what, res.aborted, res.complete], [what, true, true]);
  }
});

test('one of a known length is not', options, async (t) => {
  /** @type {any} */
  let far;
  const port = await peer(t, (socket) => {
    far = socket;
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc');
  });
  const req = http.get({ port, host: '127.0.0.1', agent: false });
  const [res] = await once(req, 'response');
  /** @type {string[]} */
  const log = [];
  tell(req, res, log);
  res
    .on('error', (/** @type {any} */ error) => log.push(`res ${error.code}`))
    .once('data', () => far.resetAndDestroy());
  await closed(res);
  assert.deepStrictEqual(log, ['req ECONNRESET', 'res aborted', 'socket close', 'res ECONNRESET', 'res close']);
  assert.strictEqual(res.complete, false);
});
