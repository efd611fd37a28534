'use strict';

// Ends that come at an odd moment: what was written before has its place on the wire all the same, and who waits for it hears of it in that order.

const assert = require('node:assert');
const { once } = require('node:events');
const net = require('node:net');
const { test } = require('node:test');
const { http, stock } = require('./support/http.js');
const { startPeer, until } = require('./support/peer.js');
const { listen } = require('./support/wire.js');

const options = { timeout: 60_000 };
const turn = () => new Promise((resolve) => setImmediate(resolve));
const tick = () => new Promise((resolve) => process.nextTick(resolve));

/**
 * All that a peer gets of one request, until the client ends the connection.
 * @param {import('node:test').TestContext} t
 * @param {any} requestOptions
 * @param {(req: any) => void} write called while the socket connects
 */
async function sentBy(t, requestOptions, write) {
  let text = '';
  let isOver = false;
  const server = net.createServer((socket) => {
    socket.setEncoding('latin1').on('data', (part) => {
      text += part;
    });
    socket
      .on('error', () => {})
      .on('close', () => {
        isOver = true;
      });
  });
  const req = http.request({ port: await listen(t, server), host: '127.0.0.1', agent: false, ...requestOptions });
  req.on('error', () => {});
  await tick();
  write(req);
  await until(() => text.endsWith('END') || text.endsWith('0\r\n\r\n'));
  req.destroy();
  await until(() => isOver);
  return text;
}

for (const size of [100, 20_000]) {
  test(
    `a request that is corked while it connects is sent from its front, with ${size} bytes behind`,
    options,
    async (t) => {
      const body = Buffer.alloc(size, 'b');
      body.write('END', size - 3);
      for (const first of ['', 'first']) {
        const fields = { Expect: '100-continue', 'Content-Length': first.length + size };
        const text = await sentBy(t, { headers: fields }, (req) => {
          req.cork();
          req.write(Buffer.from(first));
          req.uncork();
          req.end(body);
        });
        assert.match(text, /^GET \/ HTTP\/1\.1\r\n/);
        assert.ok(text.endsWith(`\r\n\r\n${first}${body}`));
      }
      const chunked = await sentBy(t, { method: 'POST', headers: { Expect: '100-continue' } }, (req) => {
        req.cork();
        req.write(Buffer.alloc(0));
        req.uncork();
        req.end(body);
      });
      assert.match(chunked, /^POST \/ HTTP\/1\.1\r\n/);
      assert.ok(chunked.endsWith(`\r\n\r\n${size.toString(16)}\r\n${body}\r\n0\r\n\r\n`));
    },
  );
}

test('an empty last part is told of behind what a corked request has written', options, async () => {
  const peer = await startPeer(() => {});
  const log = [];
  const req = http.request({ port: peer.port, host: '127.0.0.1', agent: false });
  req.on('error', () => {});
  req.on('finish', () => log.push('finish'));
  await turn();
  req.cork();
  req.write(Buffer.alloc(0));
  req.uncork();
  req.write(Buffer.alloc(0), () => log.push('written'));
  req.end(Buffer.alloc(0));
  await until(() => log.length === 2);
  assert.deepStrictEqual(log, ['written', 'finish']);
  req.destroy();
  await peer.close();
});

test(
  'a request that is destroyed before it has connected does not finish when it ends without a last part',
  options,
  async () => {
    const peer = await startPeer(() => {});
    const log = [];
    const req = http.request({ port: peer.port, host: '127.0.0.1', agent: false, headers: { Expect: '100-continue' } });
    req.on('error', () => {});
    for (const event of ['prefinish', 'finish', 'close']) req.on(event, () => log.push(event));
    await tick();
    req.destroy();
    req.end('');
    await until(() => log.includes('close'));
    await turn();
    assert.deepStrictEqual(log, ['prefinish', 'close']);
    await peer.close();
  },
);

test(
  'a connected request whose head is lost with its socket does not finish when it ends without a last part',
  options,
  async () => {
    const peer = await startPeer(() => {});
    const log = [];
    const req = http.request({ port: peer.port, host: '127.0.0.1', agent: false });
    req.on('error', () => {});
    for (const event of ['prefinish', 'finish', 'close']) req.on(event, () => log.push(event));
    await once(req, 'socket');
    await once(req.socket, 'connect');
    await turn();
    req.write(Buffer.alloc(0));
    req.destroy();
    assert.ok(req.writableLength > 0);
    req.end('');
    await until(() => log.includes('close'));
    await turn();
    assert.deepStrictEqual(log, ['prefinish', 'close']);
    await peer.close();
  },
);

test('who waits for what is written to a socket that never connects hears why', options, async () => {
  const peer = await startPeer(() => {});
  for (const [isTicked, code] of /** @type {const} */ ([
    [true, 'ERR_SOCKET_CLOSED_BEFORE_CONNECTION'],
    [false, 'ERR_STREAM_DESTROYED'],
  ])) {
    const req = http.request({ port: peer.port, host: '127.0.0.1', agent: false });
    const log = [];
    req.on('error', () => log.push('error'));
    await tick();
    req.write('part', (error) => log.push(error?.code));
    if (isTicked) await tick();
    req.destroy();
    await until(() => log.length === 2);
    // What was corked yet is lost with the stream, the rest when the socket closes.
    assert.deepStrictEqual(log, isTicked ? ['error', code] : [code, 'error']);
  }
  await peer.close();
});

test('a request that has been sent finishes before its abort is told', options, async () => {
  const peer = await startPeer(() => {});
  const log = [];
  const agent = new http.Agent({ keepAlive: true });
  const ask = () => http.request({ port: peer.port, host: '127.0.0.1', agent }).on('error', () => {});
  const req = ask();
  await once(req, 'socket');
  await once(req.socket, 'connect');
  await turn();
  for (const event of ['finish', 'abort', 'close']) req.on(event, () => log.push(event));
  ask().end();
  req.end();
  req.abort();
  await until(() => log.includes('close'));
  assert.deepStrictEqual(log, ['finish', 'abort', 'close']);
  agent.destroy();
  await peer.close();
});

test(
  'a response that its connection ends is complete when the request is destroyed, also where the stream brings it',
  options,
  async () => {
    const peer = await startPeer((socket) => socket.write('HTTP/1.1 200 OK\r\n\r\nsome'));
    const req = http.request({ port: peer.port, host: '127.0.0.1', agent: false });
    req.on('error', () => {});
    await tick();
    // So the stream brings it.
    req.cork();
    req.write('');
    req.uncork();
    req.end();
    const [res] = await once(req, 'response');
    req.destroy();
    const [error] = await once(res, 'error');
    assert.strictEqual(error.code, 'ECONNRESET');
    assert.strictEqual(res.complete, true);
    await peer.close();
  },
);

test('a reset that comes with the response is met behind it, where the connection has ended', options, async () => {
  // The client goes on to write while the peer resets: what it has not read makes a reset of its close.
  for (const path of ['/1', '/2', '/3', '/4']) {
    const peer = await startPeer((socket) => {
      socket.pause();
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
      socket.resetAndDestroy();
    });
    const errors = [];
    const req = http.request({ port: peer.port, host: '127.0.0.1', path, agent: false });
    req.on('error', (error) => errors.push(error));
    req.end();
    const [res] = await once(req, 'response');
    res.resume();
    await once(req, 'close');
    assert.deepStrictEqual(errors, []);
    assert.strictEqual(res.complete, true);
    await peer.close();
  }
});

/** Node 20's libuv makes an end of a reset that comes with bytes. */
const isLibuvs = (stock || process.env.FERROHTTP_DRIVER === 'fed') && process.versions.node.startsWith('20.');

for (const [name, text] of Object.entries({
  'a request': 'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'two requests': 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(2),
  'half a body': 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf',
})) {
  test(`a reset that comes with ${name} is met by the answer`, { ...options, skip: isLibuvs }, async (t) => {
    /** @type {string[]} */
    const log = [];
    const server = http.createServer((req, res) => {
      log.push('request');
      req.on('error', () => {});
      setImmediate(() => {
        log.push('answer');
        res.end('hello');
      });
    });
    server.on('clientError', (error, socket) => {
      log.push(`${error.syscall} ${error.code}`);
      socket.destroy();
    });
    const port = await listen(t, server);
    const socket = net.connect(port, '127.0.0.1').on('error', () => {});
    const [near] = await once(server, 'connection');
    // Behind the first poll, in which a new connection is received from: nobody has told of its end yet.
    for (let turns = 0; turns < 3; turns++) await turn();
    socket.write(text);
    socket.resetAndDestroy();
    await new Promise((resolve) => near.once('close', resolve));
    const requests = name === 'two requests' ? ['request', 'request'] : ['request'];
    assert.deepStrictEqual(log.slice(0, requests.length + 1), [...requests, 'answer']);
    // An I/O thread has met it meanwhile.
    if (process.env.FERROHTTP_DRIVER !== 'threads') assert.strictEqual(log.includes('read ECONNRESET'), false);
  });
}

test(
  'an end that comes with a new connection’s request is met behind the answer, whoever else is served',
  options,
  async (t) => {
    const server = http.createServer((req, res) => {
      if (req.url === '/busy') res.end('busy');
      else setImmediate(() => res.end('answer'));
    });
    const port = await listen(t, server);
    // Found readable in most turns of the loop: new connections are read from before it then, or behind it.
    const busy = net.connect(port, '127.0.0.1');
    const ask = () => busy.write(get('/busy'));
    busy.on('data', () => setImmediate(ask));
    ask();
    await once(busy, 'data');
    /** @type {Promise<string>[]} */
    const answers = [];
    for (let i = 0; i < 50; i++) {
      await turn();
      const socket = net
        .connect(port, '127.0.0.1')
        .setEncoding('latin1')
        .on('error', () => {});
      let text = '';
      socket.on('data', (part) => {
        text += part;
      });
      answers.push(new Promise((resolve) => socket.on('close', () => resolve(text))));
      socket.end(get('/'));
    }
    const texts = await Promise.all(answers);
    busy.destroy();
    assert.deepStrictEqual(
      texts.map((text) => text.endsWith('answer')),
      texts.map(() => true),
    );
  },
);

/** What Node's documentation has a server do with a request that cannot be read. */
function refuse(error, socket) {
  if (error.code === 'ECONNRESET' || !socket.writable) return;
  socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
}

/** A request as a peer writes it. */
function get(path) {
  return `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
}

for (const [name, handle, text, leave] of /** @type {const} */ ([
  [
    'a reset comes behind garbage',
    (_req, res) => res.end(Buffer.alloc(20_000)),
    `${get('/1')}${get('/2')}\0\x01`,
    (socket) => socket.resetAndDestroy(),
  ],
  [
    'the second one destroys the socket',
    (req, res) => {
      res.end('x');
      if (req.url === '/2') req.socket.destroy(new Error('enough'));
    },
    get('/1') + get('/2'),
    () => {},
  ],
  [
    'somebody listens for the bytes',
    (req, res) => {
      if (req.url === '/3') req.socket.on('data', () => {});
      res.end(req.url === '/3' ? 'ok' : Buffer.alloc(300_000));
    },
    get('/1') + get('/2') + get('/3'),
    (socket) => socket.resetAndDestroy(),
  ],
])) {
  test(`pipelined responses that are lost finish in no other’s place: ${name}`, options, async (t) => {
    const closed = [];
    const server = http.createServer((req, res) => {
      res.on('close', () => closed.push(req.url));
      handle(req, res);
    });
    server.on('clientError', refuse);
    const port = await listen(t, server);
    const socket = net.connect(port, '127.0.0.1').on('error', () => {});
    t.after(() => socket.destroy());
    const [near] = await once(server, 'connection');
    near.on('error', () => {});
    for (let turns = 0; turns < 3; turns++) await turn();
    socket.write(text);
    leave(socket);
    await until(() => near.destroyed);
    for (let turns = 0; turns < 3; turns++) await turn();
    // What is asserted is that nothing was thrown, which would have ended this process: the server answers others.
    const answered = await new Promise((resolve) => {
      http.get({ port, host: '127.0.0.1', agent: false, path: '/1' }, resolve).on('error', resolve);
    });
    assert.strictEqual(answered.statusCode, 200);
    answered.resume();
    assert.ok(closed.every((url) => ['/1', '/2', '/3'].includes(url)));
  });
}

test('a response without a length that a reset cuts is no whole one, whoever has the socket meanwhile', {
  ...options,
  skip: isLibuvs,
}, async () => {
  for (const take of [(socket) => socket.on('data', () => {}), (socket) => socket.pause()]) {
    const peer = await startPeer((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\n\r\n${'y'.repeat(1000)}`);
      socket.resetAndDestroy();
    });
    const req = http.get({ port: peer.port, host: '127.0.0.1', agent: false });
    const errors = [];
    req.on('error', (error) => errors.push(error.code));
    const [res] = await once(req, 'response');
    res.resume().on('error', () => {});
    const { socket } = req;
    take(socket);
    setTimeout(() => socket.resume(), 10);
    await until(() => req.closed);
    assert.deepStrictEqual(errors, ['ECONNRESET']);
    await peer.close();
  }
});

test('who waits for an answer that a reset meets hears of it before others do', {
  ...options,
  // There it counts as sent by then.
  skip: process.env.FERROHTTP_DRIVER === 'threads',
}, async (t) => {
  /** @type {unknown[]} */
  const log = [];
  const hear = (/** @type {any} */ error) => log.push(error?.code);
  for (const answer of [
    (/** @type {any} */ res) => res.write('x', hear),
    (/** @type {any} */ res) => res.write(Buffer.alloc(100_000), hear),
    (/** @type {any} */ res) => res.writeProcessing(hear),
  ]) {
    const server = http.createServer((_req, res) => answer(res));
    server.on('clientError', (error, socket) => {
      log.push('clientError');
      assert.strictEqual(error.syscall, 'write');
      assert.strictEqual(log.shift(), error.code);
      socket.destroy();
    });
    const port = await listen(t, server);
    const socket = net.connect(port, '127.0.0.1').on('error', () => {});
    const [near] = await once(server, 'connection');
    for (let turns = 0; turns < 3; turns++) await turn();
    socket.write(get('/'));
    socket.resetAndDestroy();
    await until(() => near.closed);
    assert.deepStrictEqual(log.splice(0), ['clientError']);
  }
});

test('an answer whose socket was destroyed with bytes of it unsent ends for who asks later', options, async (t) => {
  const server = http.createServer();
  const port = await listen(t, server);
  const socket = net.connect(port, '127.0.0.1').on('error', () => {});
  t.after(() => socket.destroy());
  socket.pause();
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  const [, res] = await once(server, 'request');
  res.writeHead(200, { 'Content-Length': 6e7 });
  res.on('error', () => {});
  res.write(Buffer.alloc(3e7));
  await turn();
  assert.ok(res.writableLength > 0);
  const near = res.socket;
  near.destroy();
  await until(() => near.closed);
  // As soon as those who wrote it have heard of it.
  await until(() => near.writableLength === 0);
  await new Promise((resolve) => res.end(resolve));
});

test(
  'a callback that throws loses none of those behind it, also when the socket was destroyed meanwhile',
  options,
  async (t) => {
    const told = [];
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', (error) => told.push(error.message));
    t.after(() => process.removeAllListeners('uncaughtException'));
    const server = http.createServer((_req, res) => {
      for (const event of ['finish', 'close']) res.on(event, () => told.push(event));
      res.writeContinue(() => {
        throw new Error('first');
      });
      res.writeProcessing(() => {
        throw new Error('second');
      });
      res.end('x', () => told.push('end'));
      res.socket.destroy();
    });
    const port = await listen(t, server);
    const socket = net.connect(port, '127.0.0.1').on('error', () => {});
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await until(() => told.includes('close'));
    // Before Node 24 `end`'s callback is a listener for 'finish'.
    assert.deepStrictEqual(told.slice(0, 2), ['first', 'second']);
    assert.deepStrictEqual(told.slice(2).sort(), ['close', 'end', 'finish']);
  },
);

test('who waits for what is under way when the peer resets hears that it was cancelled, behind the error', {
  ...options,
  // Node 20 calls such a callback without an error.
  skip: Number.parseInt(process.versions.node, 10) < 22,
}, async (t) => {
  /** @type {unknown[]} */
  const log = [];
  const server = http.createServer((req, res) => {
    req.socket.on('error', (/** @type {any} */ error) => log.push(`error ${error.code}`));
    res.write('z'.repeat(8_000_000), (/** @type {any} */ error) => log.push(`write ${error?.code}`));
  });
  server.on('clientError', (error, socket) => socket.destroy(error));
  const port = await listen(t, server);
  const socket = net.connect(port, '127.0.0.1').on('error', () => {});
  const [near] = await once(server, 'connection');
  socket.write(get('/'));
  await once(socket, 'readable');
  for (let turns = 0; turns < 20; turns++) await turn();
  socket.resetAndDestroy();
  await until(() => near.closed && log.length > 1);
  assert.deepStrictEqual(log, ['error ECONNRESET', 'write ECANCELED']);
});

test('who waits for what is under way hears why it has failed where nobody reads when the peer resets', {
  ...options,
  // Node 20 calls such a callback without an error.
  skip: Number.parseInt(process.versions.node, 10) < 22,
}, async (t) => {
  /** @type {unknown[]} */
  const log = [];
  const server = http.createServer((req, res) => {
    req.pause();
    req.on('error', () => {});
    req.socket.on('error', (/** @type {any} */ error) => log.push(`error ${error.syscall}`));
    res.write('z'.repeat(8_000_000), (/** @type {any} */ error) => log.push(`write ${error?.syscall}`));
  });
  server.on('clientError', (error, socket) => socket.destroy(error));
  const port = await listen(t, server);
  const socket = net.connect(port, '127.0.0.1').on('error', () => {});
  const [near] = await once(server, 'connection');
  socket.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n${'y'.repeat(3_000_000)}`);
  await once(socket, 'readable');
  for (let turns = 0; turns < 20; turns++) await turn();
  socket.resetAndDestroy();
  await until(() => near.closed && log.length > 1);
  assert.deepStrictEqual(log, ['write write', 'error write']);
});
