'use strict';

// What a server's handler sees of requests, as they come over the wire.

const assert = require('node:assert');
const { once } = require('node:events');
const { test } = require('node:test');
const { http } = require('./support/http.js');
const { deferred, dial, exchange, listen, textOf } = require('./support/wire.js');

const options = { timeout: 60_000 };

test('a request has its method, target, version and headers', options, async (t) => {
  const seen = deferred();
  const port = await listen(
    t,
    http.createServer((req, res) => {
      seen.resolve({
        method: req.method,
        url: req.url,
        version: [req.httpVersion, req.httpVersionMajor, req.httpVersionMinor],
        headers: { ...req.headers },
        distinct: { ...req.headersDistinct },
        raw: req.rawHeaders,
        remote: req.socket.remoteAddress,
        listening: req.socket.localPort,
      });
      res.end();
    }),
  );
  await exchange(
    port,
    'PROPFIND /a%20b?c=d&e#f HTTP/1.1\r\nHost: here\r\nX-Two: 1\r\nx-two:2\r\nCookie: a=b\r\nCOOKIE:  c=d \r\n' +
      'Set-Cookie: x\r\nSet-Cookie: y\r\nUser-Agent: first\r\nUser-Agent: second\r\nX-Latin: \xfc\r\nX-Empty:\r\nConnection: close\r\n\r\n',
  );
  assert.deepStrictEqual(await seen.promise, {
    method: 'PROPFIND',
    url: '/a%20b?c=d&e#f',
    version: ['1.1', 1, 1],
    headers: {
      host: 'here',
      'x-two': '1, 2',
      cookie: 'a=b; c=d',
      'set-cookie': ['x', 'y'],
      'user-agent': 'first',
      'x-latin': 'ü',
      'x-empty': '',
      connection: 'close',
    },
    distinct: {
      host: ['here'],
      'x-two': ['1', '2'],
      cookie: ['a=b', 'c=d'],
      'set-cookie': ['x', 'y'],
      'user-agent': ['first', 'second'],
      'x-latin': ['ü'],
      'x-empty': [''],
      connection: ['close'],
    },
    raw: [
      ...['Host', 'here', 'X-Two', '1', 'x-two', '2', 'Cookie', 'a=b', 'COOKIE', 'c=d'],
      ...['Set-Cookie', 'x', 'Set-Cookie', 'y', 'User-Agent', 'first', 'User-Agent', 'second'],
      ...['X-Latin', 'ü', 'X-Empty', '', 'Connection', 'close'],
    ],
    remote: '127.0.0.1',
    listening: port,
  });
});

test('a request that comes byte by byte is whole', options, async (t) => {
  const port = await listen(
    t,
    http.createServer(async (req, res) => {
      const body = await textOf(req);
      res.end(`${req.url} ${req.headers['x-slow']} ${body} ${req.trailers['x-after']}`);
    }),
  );
  const peer = await dial(t, port);
  await once(peer.socket, 'connect');
  peer.socket.setNoDelay(true);
  const text =
    'POST /drip HTTP/1.1\r\nHost: a\r\nX-Slow: yes\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n' +
    '3\r\none\r\n5;ext=1\r\n, two\r\n0\r\nX-After: last\r\n\r\n';
  for (const byte of text) {
    peer.write(byte);
    await new Promise(setImmediate);
  }
  assert.match(await peer.rest(), /\r\n\r\n\/drip yes one, two last$/);
});

test('pipelined requests are answered in their order, whatever order the handlers finish in', options, async (t) => {
  /** @type {import('node:http').ServerResponse[]} */
  const waiting = [];
  const port = await listen(
    t,
    http.createServer((req, res) => {
      waiting.push(res);
      if (req.url !== '/2') return;
      waiting[2].end('two;');
      waiting[1].write('o');
      setImmediate(() => {
        waiting[1].end('ne;');
        waiting[0].end('zero;');
      });
    }),
  );
  const peer = await dial(t, port);
  peer.write([0, 1, 2].map((n) => `GET /${n} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''));
  const text = (await peer.read('two;')).replace(/HTTP\/1.1 200 OK\r\n([^\r]+\r\n)+\r\n/g, '|');
  assert.strictEqual(text, '|zero;|1\r\no\r\n3\r\nne;\r\n0\r\n\r\n|two;');
});

test('one connection serves many requests with bodies, read or not', options, async (t) => {
  let connections = 0;
  const server = http.createServer(async (req, res) => {
    // The body of /skip is never looked at: it must not be taken for the next request.
    res.end(req.url === '/skip' ? 'skipped;' : `${await textOf(req)};`);
  });
  server.on('connection', () => connections++);
  const port = await listen(t, server);
  const peer = await dial(t, port);
  for (let i = 0; i < 20; i++) {
    const body = `GET /evil HTTP/1.1\r\n\r\n${i}`;
    peer.write(`POST /${i % 2 ? 'skip' : 'read'} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    assert.ok((await peer.read(';')).endsWith(i % 2 ? '\r\n\r\nskipped;' : `\r\n\r\n${body};`));
  }
  assert.strictEqual(connections, 1);
});

test('Connection: close and HTTP/1.0 end the connection, keep-alive keeps it', options, async (t) => {
  const port = await listen(
    t,
    http.createServer((_req, res) => res.setHeader('Content-Length', 1).end('x')),
  );
  assert.match(
    await exchange(port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'),
    /\r\nConnection: close\r\n/,
  );
  assert.match(await exchange(port, 'GET / HTTP/1.0\r\n\r\n'), /^HTTP\/1.1 200 OK\r\n[\s\S]*\r\nConnection: close\r\n/);
  const peer = await dial(t, port);
  for (let i = 0; i < 2; i++) {
    peer.write('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
    assert.match(await peer.read('\r\n\r\nx'), /\r\nConnection: keep-alive\r\n/);
  }
});

test('Expect: 100-continue is answered by itself, or by a checkContinue listener', options, async (t) => {
  const server = http.createServer(async (req, res) => res.end(await textOf(req)));
  const port = await listen(t, server);
  const head = 'PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\nConnection: close\r\n\r\n';
  const peer = await dial(t, port);
  peer.write(head);
  assert.strictEqual(await peer.read('\r\n\r\n'), 'HTTP/1.1 100 Continue\r\n\r\n');
  peer.write('body');
  assert.match(await peer.rest(), /^HTTP\/1.1 200 OK\r\n[\s\S]*\r\n\r\nbody$/);

  server.on('checkContinue', (_req, res) => res.writeHead(413, { Connection: 'close' }).end('too much'));
  assert.match(
    await exchange(port, head),
    /^HTTP\/1.1 413 Payload Too Large\r\n[\s\S]*\r\n8\r\ntoo much\r\n0\r\n\r\n$/,
  );

  server.removeAllListeners('checkContinue');
  assert.match(await exchange(port, head.replace('100-continue', 'the-moon')), /^HTTP\/1.1 417 Expectation Failed\r\n/);
  server.on('checkExpectation', (req, res) => res.end(`no ${req.headers.expect}`));
  assert.match(await exchange(port, head.replace('100-continue', 'the-moon')), /no the-moon$/);
});

test('an upgrade hands over the socket and the bytes after the head', options, async (t) => {
  const server = http.createServer();
  server.on('upgrade', (req, socket, head) => {
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n<${req.url}|${head}>`,
    );
    socket.on('data', (chunk) => socket.write(chunk));
    socket.on('end', () => socket.end('bye'));
  });
  const port = await listen(t, server);
  const peer = await dial(t, port);
  peer.write('GET /up HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly');
  assert.match(await peer.read('<'), /^HTTP\/1.1 101 Switching Protocols\r\n[\s\S]*\r\n\r\n<$/);
  // The early bytes are in `head`, or come as the first 'data'.
  assert.match((await peer.read('early')).replace('|>', '|'), /^\/up\|early$/);
  peer.write('GET / HTTP/1.1\r\n\r\n!');
  assert.match(await peer.read('!'), /GET \/ HTTP\/1.1\r\n\r\n!$/);
  peer.socket.end();
  assert.strictEqual(await peer.rest(), 'bye');
});

test('without an upgrade listener the request is an ordinary one', options, async (t) => {
  const port = await listen(
    t,
    http.createServer((req, res) => res.end(`plain ${req.headers.upgrade}`)),
  );
  const peer = await dial(t, port);
  peer.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
  await peer.read('plain echo');
  peer.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: again\r\n\r\n');
  await peer.read('plain again');
});

test('CONNECT makes a tunnel, and without a listener closes the connection', options, async (t) => {
  const server = http.createServer();
  const port = await listen(t, server);
  const connect = 'CONNECT far.example:443 HTTP/1.1\r\nHost: far.example:443\r\n\r\n';
  assert.strictEqual(await exchange(port, connect), '');
  server.on('connect', (req, socket, head) => {
    socket.write(`HTTP/1.1 200 Connection Established\r\n\r\n${req.url} `);
    if (head.length > 0) socket.write(head);
    socket.pipe(socket);
  });
  const peer = await dial(t, port);
  peer.write(`${connect}\x16\x03`);
  assert.strictEqual(
    await peer.read('\x16\x03'),
    'HTTP/1.1 200 Connection Established\r\n\r\nfar.example:443 \x16\x03',
  );
  peer.write('\x00\xff\r\n\r\n.');
  assert.strictEqual(await peer.read('.'), '\x00\xff\r\n\r\n.');
});

test('a client that goes away is seen by the request and the response', options, async (t) => {
  const events = [];
  const closed = deferred();
  const begun = deferred();
  const server = http.createServer((req, res) => {
    req.on('aborted', () => events.push('req aborted'));
    req.on('error', (err) => events.push(`req error ${/** @type {any} */ (err).code} ${err.message}`));
    req.on('end', () => events.push('req end'));
    req.on('close', () => events.push('req close'));
    res.on('finish', () => events.push('res finish'));
    res.on('close', () => events.push('res close'));
    req.on('data', begun.resolve);
    req.socket.on('close', () => setImmediate(closed.resolve));
  });
  const port = await listen(t, server);
  const peer = await dial(t, port);
  peer.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf');
  await begun.promise;
  peer.socket.destroy();
  await closed.promise;
  assert.deepStrictEqual(events, ['req aborted', 'res close', 'req error ECONNRESET aborted', 'req close']);
});

test('maxRequestsPerSocket announces the last response, and refuses what comes after it', options, async (t) => {
  const server = http.createServer((_req, res) => res.end(';'));
  server.maxRequestsPerSocket = 2;
  const port = await listen(t, server);
  const peer = await dial(t, port);
  const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
  peer.write(get);
  assert.match(await peer.read(';'), /\r\nConnection: keep-alive\r\nKeep-Alive: timeout=\d+, max=2\r\n/);
  peer.write(get);
  assert.match(await peer.read(';'), /\r\nConnection: close\r\n/);
  const dropped = await exchange(port, get.repeat(3));
  assert.strictEqual(dropped.match(/HTTP\/1.1 200 OK/g)?.length, 2);
  assert.match(dropped, /HTTP\/1.1 503 Service Unavailable\r\n/);
});
