'use strict';

// A socket over whose `write` its user has put one of his own, as loggers and byte counters do: messages pass through it as Node writes them.
// And what else he does to a socket that a server has: all stays in order.

const assert = require('node:assert');
const { once } = require('node:events');
const net = require('node:net');
const { Duplex } = require('node:stream');
const { test } = require('node:test');
const { http } = require('./support/http.js');
const { deferred, dial, exchange, listen, textOf } = require('./support/wire.js');

const options = { timeout: 60_000 };
const CRLF = '\r\n';

/** A message's head as '#'. @param {string | Uint8Array} data */
const short = (data) => String(data).replace(/^HTTP[\s\S]*?\r\n\r\n/, '#');

/**
 * Puts a write over that of a socket, or of a class of them.
 * @param {any} socket
 * @param {string[]} seen what is written
 * @returns {() => void} takes it off again
 */
function watch(socket, seen) {
  const before = Object.getOwnPropertyDescriptor(socket, 'write');
  const { write } = socket;
  socket.write = function (data, ...rest) {
    // With nothing in it Node wrote behind each message until Node 24.
    if (data.length > 0) seen.push(short(data));
    return write.call(this, data, ...rest);
  };
  return () => {
    if (before) Object.defineProperty(socket, 'write', before);
    else delete socket.write;
  };
}

/** @param {string} target @param {string} [fields] */
const get = (target, fields = '') => `GET ${target} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;
const last = (target) => get(target, 'Connection: close\r\n');

/** @type {Record<string, { write: (res: any) => void, seen: string[], body: string }>} */
const RESPONSES = {
  'a whole body': { write: (res) => res.end('hello'), seen: ['#hello'], body: 'hello' },
  'no body': { write: (res) => res.end(), seen: ['#'], body: '' },
  'a Buffer': { write: (res) => res.end(Buffer.from('hello')), seen: ['#', 'hello'], body: 'hello' },
  'a body in parts': {
    write(res) {
      res.write('a');
      res.write(Buffer.from('bc'));
      res.end('d');
    },
    seen: ['#1', CRLF, 'a', CRLF, '2', CRLF, 'bc', CRLF, '1', CRLF, 'd', CRLF, `0${CRLF}${CRLF}`],
    body: '1\r\na\r\n2\r\nbc\r\n1\r\nd\r\n0\r\n\r\n',
  },
  'a length of its own': {
    write(res) {
      res.setHeader('Content-Length', 4);
      res.write('ab');
      res.end('cd');
    },
    seen: ['#ab', 'cd'],
    body: 'abcd',
  },
  'what was corked': {
    write(res) {
      res.flushHeaders();
      res.cork();
      res.write('a');
      res.write('bc');
      res.uncork();
      res.end();
    },
    seen: ['#', '3', CRLF, 'a', 'bc', CRLF, `0${CRLF}${CRLF}`],
    body: '3\r\nabc\r\n0\r\n\r\n',
  },
  trailers: {
    write(res) {
      res.writeHead(200, { Trailer: 'x' });
      res.addTrailers({ x: 'y' });
      res.end();
    },
    seen: [`#0${CRLF}x: y${CRLF}${CRLF}`],
    body: '0\r\nx: y\r\n\r\n',
  },
  'what comes before the head': {
    write(res) {
      res.writeProcessing();
      res.end('x');
    },
    seen: ['#', '#x'],
    body: 'HTTP/1.1 200 OK',
  },
};

for (const [name, { write, seen: expected, body }] of Object.entries(RESPONSES)) {
  test(`a write put over a server's socket sees ${name}`, options, async (t) => {
    const seen = [];
    const server = http.createServer((req, res) => {
      watch(req.socket, seen);
      write(res);
    });
    const port = await listen(t, server);
    const answer = await exchange(port, last('/'));
    assert.ok(short(answer).startsWith(`#${body}`), answer);
    assert.deepStrictEqual(seen, expected);
  });
}

test('it stays in place, and on a connection that goes on it sees every message', options, async (t) => {
  const seen = [];
  let mine;
  const finished = [];
  const server = http.createServer((req, res) => {
    assert.strictEqual(req.socket.write, mine);
    res.on('finish', () => finished.push(req.url));
    res.end(req.url);
  });
  server.on('connection', (socket) => {
    watch(socket, seen);
    mine = socket.write;
  });
  const port = await listen(t, server);
  const answer = await exchange(port, get('/1') + get('/2') + last('/3'));
  assert.deepStrictEqual(seen, ['#/1', '#/2', '#/3']);
  assert.deepStrictEqual(finished, ['/1', '/2', '/3']);
  assert.deepStrictEqual(answer.match(/\/\d(?=HTTP|$)/g), ['/1', '/2', '/3']);
});

test('put over in the midst of a message, and taken off again, it costs no byte and no order', options, async (t) => {
  const seen = [];
  const parts = 'abcdefgh'.split('');
  const server = http.createServer(async (req, res) => {
    let takeOff = () => {};
    for (const [i, part] of parts.entries()) {
      if (i % 4 === 1) takeOff = watch(req.socket, seen);
      if (i % 4 === 3) takeOff();
      res.write(part);
      if (i % 3 === 2) await new Promise(setImmediate);
    }
    if (req.url === '/watched') watch(req.socket, seen);
    res.end();
  });
  const port = await listen(t, server);
  for (const target of ['/', '/watched']) {
    const client = await dial(t, port);
    client.write(get(target) + get(target));
    for (let i = 0; i < 2; i++) {
      await client.read('\r\n\r\n');
      assert.strictEqual(
        await client.read('\r\n0\r\n\r\n'),
        `${parts.map((part) => `1\r\n${part}`).join(CRLF)}\r\n0\r\n\r\n`,
      );
    }
    client.socket.destroy();
  }
  assert.ok(seen.includes('b') && seen.includes('f'));
});

test('one put over all sockets sees the messages of both sides', options, async (t) => {
  const seen = [];
  const takeOff = watch(net.Socket.prototype, seen);
  t.after(takeOff);
  const server = http.createServer((req, res) => {
    req.resume().on('end', () => res.end('answer'));
  });
  const port = await listen(t, server);
  const req = http.request({ port, host: '127.0.0.1', method: 'POST', agent: false, path: '/x' });
  req.end('question');
  const [res] = await once(req, 'response');
  assert.strictEqual(await textOf(res), 'answer');
  // The test runner's own sockets write too.
  const [request, response] = seen.filter((text) => /^(POST|#)/.test(text));
  assert.match(request, /^POST \/x HTTP\/1\.1\r\n[\s\S]*\r\n\r\nquestion$/);
  assert.strictEqual(response, '#answer');
});

test("a write put over a client's socket sees each request on it", options, async (t) => {
  const seen = [];
  const port = await listen(
    t,
    http.createServer((req, res) => req.pipe(res)),
  );
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  for (const body of ['one', 'two']) {
    const req = http.request({ port, host: '127.0.0.1', method: 'POST', agent });
    if (body === 'one') req.on('socket', (socket) => watch(socket, seen));
    req.write(body);
    req.end('!');
    const [res] = await once(req, 'response');
    assert.strictEqual(await textOf(res), `${body}!`);
  }
  assert.deepStrictEqual(
    seen.map((text) => text.replace(/^POST[\s\S]*\r\n\r\n/, '#')).filter((text) => /\w\w\w/.test(text)),
    ['one', 'two'],
  );
});

test("a stream whose class has a write of its own gets a response in Node's pieces", options, async () => {
  const seen = [];
  class Logged extends Duplex {
    /** @param {any} data @param {any[]} rest */
    write(data, ...rest) {
      if (data.length > 0) seen.push(short(data));
      return super.write(data, ...rest);
    }
    _read() {}
    _write(_chunk, _encoding, callback) {
      callback();
    }
  }
  const socket = new Logged();
  const written = deferred();
  const server = http.createServer((_req, res) => {
    res.on('finish', () => written.resolve(undefined));
    res.write('hel');
    res.end('lo');
  });
  server.emit('connection', socket);
  socket.push(get('/'));
  await written.promise;
  assert.deepStrictEqual(seen, ['#3', CRLF, 'hel', CRLF, '2', CRLF, 'lo', CRLF, `0${CRLF}${CRLF}`]);
  socket.destroy();
});

test('what a user has corked goes out before the response that came behind it', options, async (t) => {
  const server = http.createServer((req, res) => {
    req.socket.cork();
    req.socket.write('HTTP/1.1 102 Processing\r\n\r\n');
    res.end('x');
    req.socket.uncork();
  });
  const port = await listen(t, server);
  const answer = await exchange(port, last('/'));
  assert.match(answer, /^HTTP\/1\.1 102 [\s\S]*HTTP\/1\.1 200 [\s\S]*\r\n\r\nx$/);
});

test('bytes given back to a connection’s socket are read as if the peer had sent them', options, async (t) => {
  const server = http.createServer((req, res) => res.end(`${req.url};`));
  server.on('connection', (socket) => socket.unshift(get('/first')));
  const port = await listen(t, server);
  const client = await dial(t, port);
  await client.read('/first;');
  client.write(get('/second'));
  await client.read('/second;');
});

test('bytes that others push to a connection’s socket are read between those of the peer', options, async (t) => {
  const server = http.createServer((req, res) => {
    res.end(`${req.url};`);
    if (req.url === '/first') req.socket.push(get('/pushed'));
    if (req.url !== '/second') return;
    req.socket.pause();
    req.socket.push(get('/paused'));
    setImmediate(() => req.socket.resume());
  });
  const port = await listen(t, server);
  const client = await dial(t, port);
  client.write(get('/first'));
  await client.read('/first;');
  await client.read('/pushed;');
  client.write(get('/second'));
  await client.read('/second;');
  await client.read('/paused;');
  client.write(get('/third'));
  await client.read('/third;');
});
