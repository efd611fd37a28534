const assert = require('node:assert');
const { once } = require('node:events');
const net = require('node:net');
const { test } = require('node:test');
const { http } = require('./support/http.js');
const { listen, request, statuses, talk } = require('./support/raw.js');

const options = { timeout: 60_000 };
const isOld = Number.parseInt(process.versions.node, 10) < 24;

const UPGRADE = 'Connection: upgrade\r\nUpgrade: echo\r\n';

for (const [event, text] of /** @type {const} */ ([
  ['upgrade', request('/', UPGRADE)],
  ['connect', 'CONNECT example.com:443 HTTP/1.1\r\nHost: test\r\n\r\n'],
])) {
  test(`'${event}' hands over the socket, with the bytes that came behind the head`, async () => {
    const server = http.createServer(() => assert.fail('no request'));
    server.on(event, (req, socket, head) => {
      assert.strictEqual(req.upgrade, true);
      assert.strictEqual(socket.parser, null);
      for (const each of ['close', 'data', 'drain', 'error', 'timeout']) {
        assert.strictEqual(socket.listenerCount(each), 0, each);
      }
      socket.write(`[${head}]`);
      socket.pipe(socket);
    });
    const port = await listen(server);
    const socket = net.connect(port, '127.0.0.1');
    socket.setEncoding('latin1');
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk;
      if (answer === '[one]') socket.end('two');
    });
    socket.write(`${text}one`);
    await once(socket, 'close');
    assert.strictEqual(answer, '[one]two');
    await server[Symbol.asyncDispose]();
  });
}

test('an upgrade nobody listens for is an ordinary request', async () => {
  const server = http.createServer((req, res) => {
    assert.strictEqual(req.upgrade, false);
    res.setHeader('Connection', 'close').end(req.headers.upgrade);
  });
  const port = await listen(server);
  assert.match(await talk(port, request('/', UPGRADE)), /^HTTP\/1\.1 200 OK\r\n.*\r\n\r\necho$/s);
  await server[Symbol.asyncDispose]();
});

test('a CONNECT nobody listens for closes the connection', async () => {
  const server = http.createServer(() => assert.fail('no request'));
  const port = await listen(server);
  assert.strictEqual(await talk(port, 'CONNECT example.com:443 HTTP/1.1\r\nHost: test\r\n\r\n'), '');
  await server[Symbol.asyncDispose]();
});

test('an upgrade behind a pipelined request waits for nobody: both are told', async () => {
  const server = http.createServer((_req, res) => setImmediate(() => res.end('x')));
  server.on('upgrade', (_req, socket) => setTimeout(() => socket.end('[upgraded]'), 20));
  const port = await listen(server);
  const answer = await talk(port, request('/') + request('/', UPGRADE));
  assert.deepStrictEqual(statuses(answer), [200]);
  assert.match(answer, /\[upgraded\]$/);
  await server[Symbol.asyncDispose]();
});

test("a response that an upgrade has come behind hears of the connection's end", async () => {
  /** @type {(value: unknown) => void} */
  let heard = () => {};
  const closed = new Promise((resolve) => {
    heard = resolve;
  });
  const server = http.createServer((_req, res) => res.on('close', () => heard(res.writableFinished)));
  server.on('upgrade', (_req, socket) => socket.destroy());
  const port = await listen(server);
  await talk(port, request('/') + request('/', UPGRADE));
  assert.strictEqual(await closed, false);
  await server[Symbol.asyncDispose]();
});

for (const [event, text] of /** @type {const} */ ([
  ['upgrade', request('/', UPGRADE)],
  ['connect', 'CONNECT example.com:443 HTTP/1.1\r\nHost: test\r\n\r\n'],
])) {
  for (const [name, body] of /** @type {const} */ ([
    ['small', 'x'],
    ['large', Buffer.alloc(100_000)],
  ])) {
    test(`'${event}' hands over the socket with the failure of a ${name} answer before it`, options, async () => {
      /** @type {unknown[]} */
      const log = [];
      const server = http.createServer((_req, res) => {
        // Before Node 24 it finishes all the same.
        if (!isOld) res.on('finish', () => log.push('finish'));
        res.write(body, (error) => log.push(error?.code));
        res.end();
      });
      server.on('clientError', () => log.push('clientError'));
      const failed = new Promise((resolve) => {
        server.on(event, (_req, socket) => {
          socket.on('end', () => log.push('end'));
          socket.on('error', (error) => {
            log.push(error.code);
            resolve(error);
          });
        });
      });
      const port = await listen(server);
      const socket = net.connect(port, '127.0.0.1').on('error', () => {});
      const [near] = await once(server, 'connection');
      // Behind the first poll, in which a new connection is received from.
      for (let turns = 0; turns < 3; turns++) await new Promise((resolve) => setImmediate(resolve));
      socket.write(request('/') + text);
      socket.resetAndDestroy();
      const error = await failed;
      assert.strictEqual(error.syscall, 'write');
      assert.strictEqual(near.errored, error);
      assert.deepStrictEqual(log, [error.code, error.code]);
      await server[Symbol.asyncDispose]();
    });
  }
}

test("a request's socket is handed over with the failure of what was written before", options, async () => {
  const peer = net.createServer((socket) => {
    socket.once('data', () => {
      socket.pause();
      const head = 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n';
      socket.write(`HTTP/1.1 100 Continue\r\n\r\n${head}`);
      socket.resetAndDestroy();
    });
  });
  const headers = { Expect: '100-continue', Connection: 'upgrade', Upgrade: 'echo', 'Content-Length': 4 };
  const req = http.request({ port: await listen(peer), host: '127.0.0.1', agent: false, method: 'POST', headers });
  req.flushHeaders();
  const written = new Promise((resolve) => req.on('continue', () => req.write('body', resolve)));
  const error = await new Promise((resolve) => req.on('upgrade', (_res, socket) => socket.on('error', resolve)));
  assert.strictEqual(error.syscall, 'write');
  assert.strictEqual(await written, error);
  await peer[Symbol.asyncDispose]();
});
