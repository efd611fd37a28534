'use strict';

const assert = require('node:assert');
const { once } = require('node:events');
const net = require('node:net');
const { test } = require('node:test');
const { http, stock } = require('./support/http.js');
const { answer, closed, record, response, startPeer, until } = require('./support/peer.js');

// The orders are those of the tables in node:http's documentation of http.request().
const REQUEST_EVENTS = ['socket', 'response', 'abort', 'timeout', 'error', 'close'];
const RESPONSE_EVENTS = ['data', 'aborted', 'error', 'end', 'close'];

/**
 * Makes a request whose events, and whose response's, are noted.
 * @param {number} port
 * @param {import('node:http').RequestOptions} [options]
 */
function recorded(port, options = {}) {
  const req = http.get({ host: '127.0.0.1', port, agent: new http.Agent(), ...options });
  const log = record(req, REQUEST_EVENTS);
  req.on('response', (res) => {
    record(res, RESPONSE_EVENTS, 'res ', log);
  });
  return { req, log };
}

test('events of a request that succeeds', async () => {
  const peer = await startPeer((socket) => socket.write(response('hello')));
  const { req, log } = recorded(peer.port);
  await until(() => log.includes('res close') && log.includes('close'));
  assert.deepStrictEqual(log.slice(0, 4), ['socket', 'response', 'res data', 'res end']);
  assert.deepStrictEqual(log.slice(4).sort(), ['close', 'res close']);
  assert.strictEqual(req.destroyed, true);
  await peer.close();
});

test('events of a request to a port nobody listens on', async () => {
  const peer = await startPeer(() => {});
  await peer.close();
  const { req, log } = recorded(peer.port);
  await closed(req);
  assert.deepStrictEqual(log, ['socket', 'error ECONNREFUSED', 'close']);
});

test('events when the connection closes before the response', async () => {
  const peer = await startPeer((socket) => socket.end());
  const { req, log } = recorded(peer.port);
  const [err] = await once(req, 'error');
  assert.strictEqual(err.message, 'socket hang up');
  await closed(req);
  assert.deepStrictEqual(log, ['socket', 'error ECONNRESET', 'close']);
  await peer.close();
});

test('events when the connection closes within the response', async () => {
  const peer = await startPeer((socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello'));
  const { req, log } = recorded(peer.port);
  const [res] = await once(req, 'response');
  await until(() => log.includes('res close'));
  assert.deepStrictEqual(log, [
    'socket',
    'response',
    'res data',
    'res aborted',
    'close',
    'res error ECONNRESET',
    'res close',
  ]);
  assert.strictEqual(res.complete, false);
  await peer.close();
});

test('destroy() before a socket is there', async () => {
  const peer = await startPeer(() => {});
  const { req, log } = recorded(peer.port);
  req.destroy();
  await closed(req);
  assert.deepStrictEqual(log, ['error ECONNRESET', 'close']);
  await peer.close();
});

test('destroy() before the connection stands', async () => {
  const peer = await startPeer(() => {});
  const { req, log } = recorded(peer.port);
  req.on('socket', () => req.destroy(new Error('mine')));
  await closed(req);
  assert.deepStrictEqual(log, ['socket', 'error mine', 'close']);
  await peer.close();
});

test('destroy() within the response', async () => {
  const peer = await startPeer((socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello'));
  const { req, log } = recorded(peer.port);
  let aborted = false;
  req.on('response', (res) => {
    res.on('data', () => req.destroy());
    res.on('close', () => {
      aborted = res.aborted;
    });
  });
  await until(() => log.includes('res close'));
  assert.deepStrictEqual(log, [
    'socket',
    'response',
    'res data',
    'res aborted',
    'close',
    'res error ECONNRESET',
    'res close',
  ]);
  assert.strictEqual(aborted, true);
  await peer.close();
});

test('abort() before the connection stands', async () => {
  const peer = await startPeer(() => {});
  const { req, log } = recorded(peer.port);
  req.on('socket', () => req.abort());
  await closed(req);
  assert.deepStrictEqual(log, ['socket', 'abort', 'error ECONNRESET', 'close']);
  assert.strictEqual(req.aborted, true);
  await peer.close();
});

test('an aborted signal destroys the request with an AbortError', async () => {
  const peer = await startPeer((socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello'));
  const controller = new AbortController();
  const { req, log } = recorded(peer.port, { signal: controller.signal });
  req.on('response', (res) => {
    res.on('data', () => controller.abort());
  });
  await until(() => log.includes('res close'));
  assert.deepStrictEqual(log, [
    ...[
      'socket',
      'response',
      'res data',
      'error ABORT_ERR',
      'res aborted',
      'close',
      'res error ECONNRESET',
      'res close',
    ],
  ]);
  await peer.close();
});

test("'timeout' is the user's to act upon", async () => {
  const peer = await startPeer(() => {});
  const { req, log } = recorded(peer.port, { timeout: 20 });
  req.on('timeout', () => req.destroy());
  await closed(req);
  assert.deepStrictEqual(log, ['socket', 'timeout', 'error ECONNRESET', 'close']);
  await peer.close();
});

test("interim responses are 'information', 100 also 'continue', and the final one comes after them", async () => {
  const peer = await startPeer((socket) => {
    socket.write('HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n');
    socket.write(response('done'));
  });
  const req = http.request({
    host: '127.0.0.1',
    port: peer.port,
    agent: false,
    method: 'POST',
    headers: { Expect: '100-continue' },
  });
  const seen = [];
  req.on('information', (info) => seen.push([info.statusCode, info.statusMessage, info.headers, info.httpVersion]));
  req.on('continue', () => {
    seen.push('continue');
    req.end('body');
  });
  const { res, body } = await answer(req);
  assert.deepStrictEqual(seen, [
    [103, 'Early Hints', { link: '</a.css>' }, '1.1'],
    'continue',
    [100, 'Continue', {}, '1.1'],
  ]);
  assert.strictEqual(res.statusCode, 200);
  assert.strictEqual(body, 'done');
  await peer.close();
});

test("'upgrade' gives the socket away, with the bytes behind the head", async () => {
  const peer = await startPeer((socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nearly');
    socket.removeAllListeners('data');
    socket.pipe(socket);
  });
  const agent = new http.Agent({ keepAlive: true });
  const headers = { Connection: 'upgrade', Upgrade: 'echo' };
  const req = http.get({ host: '127.0.0.1', port: peer.port, agent, headers });
  const [res, socket, head] = await once(req, 'upgrade');
  assert.strictEqual(res.statusCode, 101);
  assert.strictEqual(head.toString(), 'early');
  assert.deepStrictEqual(Object.keys(agent.sockets), []);
  for (const event of ['data', 'drain', 'close', 'error', 'timeout', 'free', 'agentRemove']) {
    assert.strictEqual(socket.listenerCount(event), 0, event);
  }
  socket.write('late');
  const [echo] = await once(socket, 'data');
  assert.strictEqual(echo.toString(), 'late');
  socket.destroy();
  await peer.close();
});

for (const [status, reason] of /** @type {const} */ ([
  [200, 'Connection established'],
  [407, 'Proxy Authentication Required'],
])) {
  test(`'connect' gives the socket away, whatever the status (${status})`, async () => {
    const peer = await startPeer((socket) =>
      socket.write(`HTTP/1.1 ${status} ${reason}\r\nContent-Length: 4\r\n\r\nrest`),
    );
    const req = http.request({ host: '127.0.0.1', port: peer.port, method: 'CONNECT', path: 'example.com:443' });
    req.end();
    const [res, socket, head] = await once(req, 'connect');
    assert.strictEqual(res.statusCode, status);
    assert.strictEqual(head.toString(), 'rest');
    socket.destroy();
    await peer.close();
  });
}

test('bytes that are no response are an error of the request', async () => {
  const peer = await startPeer((socket) => socket.write('I am a teapot\r\n\r\n'));
  const req = http.get({ host: '127.0.0.1', port: peer.port, agent: false });
  const [err] = await once(req, 'error');
  assert.strictEqual(err.code, 'HPE_INVALID_CONSTANT');
  assert.strictEqual(err.message, 'Parse Error: Expected HTTP/, RTSP/ or ICE/');
  assert.strictEqual(err.rawPacket.toString(), 'I am a teapot\r\n\r\n');
  assert.strictEqual(req.socket.destroyed, true);
  await peer.close();
});

test('a body without a length ends with the connection', async () => {
  const peer = await startPeer((socket) => socket.end('HTTP/1.0 200 OK\r\n\r\nuntil the end'));
  const { res, body } = await answer(http.get({ host: '127.0.0.1', port: peer.port }));
  assert.strictEqual(body, 'until the end');
  assert.strictEqual(res.complete, true);
  assert.strictEqual(res.httpVersion, '1.0');
  await peer.close();
});

test('trailers come with the end', async () => {
  const text = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Sum\r\n\r\n3\r\nabc\r\n0\r\nSum: 42\r\n\r\n';
  const peer = await startPeer((socket) => socket.write(text));
  const { res, body } = await answer(http.get({ host: '127.0.0.1', port: peer.port, agent: false }));
  assert.strictEqual(body, 'abc');
  assert.deepStrictEqual(res.trailers, { sum: '42' });
  await peer.close();
});

test('a response that nobody listens for is read to its end, and its socket freed', async () => {
  const peer = await startPeer((socket) => socket.write(response('x'.repeat(100_000))));
  const agent = new http.Agent({ keepAlive: true });
  const req = http.get({ host: '127.0.0.1', port: peer.port, agent });
  await closed(req);
  assert.strictEqual(agent.freeSockets[agent.getName({ host: '127.0.0.1', port: peer.port })]?.length ?? 1, 1);
  agent.destroy();
  await peer.close();
});

test('a paused response holds its connection back, and loses nothing', async () => {
  const size = 4 << 20;
  const peer = await startPeer((socket) => socket.write(response('x'.repeat(size))));
  const req = http.get({ host: '127.0.0.1', port: peer.port, agent: false });
  const [res] = await once(req, 'response');
  res.once('readable', () => {});
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.ok(res.readableLength < size / 2, `${res.readableLength} bytes were read ahead`);
  let length = 0;
  for await (const chunk of res) length += chunk.length;
  assert.strictEqual(length, size);
  await peer.close();
});

test('a response that has come whole is complete, though its socket is destroyed in the midst of it', async () => {
  for (const name of /** @type {const} */ (['response', 'data'])) {
    const peer = await startPeer((socket) => socket.write(response('whole')));
    const req = http.get({ host: '127.0.0.1', port: peer.port, agent: false });
    const events = record(req, ['error', 'close']);
    req.on('response', (res) => {
      record(res, ['aborted', 'error', 'end', 'close'], 'res ', events);
      const destroy = () => req.socket.destroy();
      if (name === 'response') destroy();
      else res.once('data', destroy);
      res.resume();
      res.on('close', () => events.push(`complete ${res.complete}`));
    });
    await closed(req);
    assert.deepStrictEqual(events, ['res end', 'res close', 'complete true', 'close']);
    await peer.close();
  }
});

test("a request destroyed in its socket's 'connect' sends nothing", async () => {
  let heads = 0;
  const peer = await startPeer(() => heads++);
  const req = http.get({ host: '127.0.0.1', port: peer.port, agent: false });
  const events = record(req, ['finish', 'error', 'close']);
  req.on('socket', (socket) => socket.on('connect', () => req.destroy()));
  await closed(req);
  await until(() => peer.sockets.length === 1);
  await closed(peer.sockets[0]);
  assert.deepStrictEqual({ events, heads }, { events: ['error ECONNRESET', 'close'], heads: 0 });
  await peer.close();
});

test('what comes behind an unread response is no error of its request, and closes it once', {
  skip: stock,
}, async () => {
  for (const fields of ['', 'Connection: close\r\n']) {
    const peer = await startPeer((socket) => socket.write(response('first', fields)));
    const agent = new http.Agent({ keepAlive: true });
    const req = http.get({ host: '127.0.0.1', port: peer.port, agent });
    const events = record(req, ['error', 'close']);
    const [res] = await once(req, 'response');
    peer.sockets[0].write(response('surplus'));
    await new Promise((resolve) => setTimeout(resolve, 30));
    res.setEncoding('latin1');
    let text = '';
    for await (const part of res) text += part;
    await until(() => agent.totalSocketCount === 0);
    assert.deepStrictEqual({ text, events }, { text: 'first', events: ['close'] });
    await peer.close();
  }
});

test("the response of an 'upgrade' or 'connect' is complete when it is told of", async () => {
  const heads = { connect: 'HTTP/1.1 200 OK\r\n', upgrade: 'HTTP/1.1 101 OK\r\nConnection: Upgrade\r\nUpgrade: x\r\n' };
  for (const event of /** @type {const} */ (['connect', 'upgrade'])) {
    const peer = await startPeer((socket) => socket.write(`${heads[event]}\r\n`));
    const method = event === 'connect' ? 'CONNECT' : 'GET';
    const req = http.request({ host: '127.0.0.1', port: peer.port, method });
    req.end();
    const [res, socket] = await once(req, event);
    assert.strictEqual(res.complete, true);
    socket.destroy();
    await peer.close();
  }
});

test('a socket with a write of its own has all bytes go through it', async () => {
  /** @type {string[]} */
  const seen = [];
  const peer = await startPeer((socket) => socket.write(response('watched')));
  const createConnection = (/** @type {any} */ options, /** @type {any} */ callback) => {
    const socket = net.connect(options, () => callback(null, socket));
    socket.write = (/** @type {any[]} */ ...args) => {
      seen.push(String(args[0]).split('\r\n')[0]);
      return net.Socket.prototype.write.apply(socket, /** @type {any} */ (args));
    };
    return /** @type {any} */ (undefined);
  };
  const req = http.get({ host: '127.0.0.1', port: peer.port, createConnection: /** @type {any} */ (createConnection) });
  assert.strictEqual((await answer(req)).body, 'watched');
  assert.deepStrictEqual(seen.filter(Boolean), ['GET / HTTP/1.1']);
  await peer.close();
});
