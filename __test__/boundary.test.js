'use strict';

// What a user can do to a connection that must harm no other, nor the process.

const assert = require('node:assert');
const { once } = require('node:events');
const net = require('node:net');
const { Duplex } = require('node:stream');
const { test } = require('node:test');
const { http } = require('./support/http.js');
const { listen } = require('./support/wire.js');

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

/** All that a server at `port` sends for `text` until it closes. */
async function answer(port, text) {
  const socket = net.connect(port, '127.0.0.1');
  socket.setEncoding('latin1');
  socket.write(text);
  let received = '';
  for await (const chunk of socket) received += chunk;
  return received;
}

test('a head and trailers of 300 KiB are sent, longer than any ring of the engine', async (t) => {
  const long = 'y'.repeat(300_000);
  const server = http.createServer((_req, res) => {
    res.writeHead(200, { 'X-Long': long, Connection: 'close' });
    res.write('body');
    res.addTrailers({ 'X-Trailer': long });
    res.end();
  });
  const received = await answer(await listen(t, server), GET);
  assert.ok(received.includes(`X-Long: ${long}\r\n`));
  assert.ok(received.endsWith(`4\r\nbody\r\n0\r\nX-Trailer: ${long}\r\n\r\n`));
});

test('time-outs longer than any clock are none', async (t) => {
  const server = http.createServer((_req, res) => res.end('ok'));
  server.keepAliveTimeout = Number.MAX_VALUE;
  server.requestTimeout = Number.MAX_VALUE;
  const received = await answer(await listen(t, server), GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
  assert.match(received, /^HTTP\/1\.1 200 OK\r\n/);
});

test('a server’s idle connections close in their own time, whatever another server’s are', async (t) => {
  const patient = http.createServer({ keepAliveTimeout: 600_000 }, (_req, res) => res.end('ok'));
  const hasty = http.createServer({ keepAliveTimeout: 100, keepAliveTimeoutBuffer: 0 }, (_req, res) => res.end('ok'));
  const first = net.connect(await listen(t, patient), '127.0.0.1');
  t.after(() => first.destroy());
  first.write(GET);
  await once(first, 'data');
  assert.match(await answer(await listen(t, hasty), GET), /^HTTP\/1\.1 200 OK\r\n/);
  assert.strictEqual(first.destroyed, false);
});

test('bytes that another connection gets inside a handler complete no message of the handler’s own', async (t) => {
  const ended = [];
  const server = http.createServer((req, res) => {
    if (req.url === '/1') feed();
    req.on('end', () => {
      ended.push(req.url);
      res.end(req.url);
    });
    req.resume();
  });
  const stream = new Duplex({ read() {}, write: (_chunk, _encoding, callback) => callback() });
  t.after(() => stream.destroy());
  server.emit('connection', stream);
  /** The stream's listeners are called at once when it flows: inside the handler. */
  function feed() {
    stream.push('GET /other HTTP/1.1\r\nHost: a\r\n\r\n');
  }
  const port = await listen(t, server);
  const requests = ['/1', '/2', '/3'].map((target) => GET.replace('/', target)).join('');
  const received = await answer(port, requests.replace(/\r\n\r\n$/, '\r\nConnection: close\r\n\r\n'));
  assert.deepStrictEqual(received.match(/\/\d$|\/\d(?=HTTP)/g), ['/1', '/2', '/3']);
  assert.ok(ended.includes('/other'));
});

test('a listener that was put around a socket’s own way of listening goes on working when the socket reads for its user', async (t) => {
  const server = http.createServer((_req, res) => res.end('ok'));
  const port = await listen(t, server);
  const req = http.request({ port, agent: false });
  let seen = 0;
  req.on('socket', (socket) => {
    socket.on('connect', () => {
      const { on } = socket;
      socket.on = function around(...args) {
        return on.apply(this, args);
      };
      socket.on('data', () => seen++);
      socket.on('data', () => seen++);
    });
  });
  req.end();
  const [res] = await once(req, 'response');
  res.resume();
  await once(res, 'end');
  assert.ok(seen >= 2);
});

test('a message sent as none can be ends its own connection, and nobody else’s', async (t) => {
  const server = http.createServer((req, res) => {
    if (req.url !== '/bad') return res.end('good');
    res.write('begun');
    const { socket } = res;
    res.detachSocket(socket);
    const second = new http.ServerResponse(req);
    second.assignSocket(socket);
    second.end('never fits');
    socket.destroy();
  });
  const port = await listen(t, server);
  await answer(port, GET.replace('/', '/bad')).catch(() => {});
  const good = await answer(port, GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
  assert.ok(good.endsWith('good'));
  const [count] = await new Promise((resolve, reject) => {
    server.getConnections((error, open) => (error ? reject(error) : resolve([open])));
  });
  assert.strictEqual(count, 0);
});

test('a socket counts its bytes across an upgrade, and across a listener of the user’s own', async (t) => {
  const counted = {};
  const server = http.createServer((req, res) => {
    req.socket.on('data', () => {});
    counted.request = req.socket.bytesRead;
    res.end('ok');
  });
  server.on('upgrade', (_req, socket) => {
    counted.upgrade = socket.bytesRead;
    socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n');
    counted.written = socket.bytesWritten;
  });
  const port = await listen(t, server);
  const upgrade = GET.replace('\r\n\r\n', '\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n');
  await answer(port, upgrade);
  await answer(port, GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
  assert.deepStrictEqual(counted, { upgrade: upgrade.length, written: 36, request: GET.length + 19 });
});
