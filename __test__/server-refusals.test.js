const assert = require('node:assert');
const { once } = require('node:events');
const net = require('node:net');
const { test } = require('node:test');
const { http } = require('./support/http.js');
const { listen, request, statuses, talk } = require('./support/wire.js');

/** @param {import('node:http').ServerOptions} options */
async function withServer(options, run) {
  const server = http.createServer(options, (req, res) => {
    req.resume();
    req.on('end', () => res.end('x'));
  });
  const port = await listen(server);
  try {
    await run(port, server);
  } finally {
    server.closeAllConnections();
    await server[Symbol.asyncDispose]();
  }
}

test('what is no HTTP gets 400', () =>
  withServer({}, async (port) => {
    assert.strictEqual(await talk(port, 'nonsense\r\n\r\n'), 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
  }));

test('a head beyond maxHeaderSize gets 431', () =>
  withServer({ maxHeaderSize: 1000 }, async (port) => {
    assert.deepStrictEqual(statuses(await talk(port, request('/', `A: ${'a'.repeat(1000)}\r\n`))), [431]);
  }));

test('chunk extensions beyond their limit get 413', () =>
  withServer({}, async (port) => {
    const head = request('/', 'Transfer-Encoding: chunked\r\n', 'POST');
    assert.deepStrictEqual(statuses(await talk(port, `${head}1;${'a'.repeat(20_000)}`)), [413]);
  }));

test('a request of HTTP/1.1 without Host gets 400, unless requireHostHeader is false', async () => {
  const text = 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n';
  await withServer({}, async (port) => assert.deepStrictEqual(statuses(await talk(port, text)), [400]));
  await withServer({ requireHostHeader: false }, async (port) =>
    assert.deepStrictEqual(statuses(await talk(port, text)), [200]),
  );
});

test('a clientError listener answers in the server’s place', () =>
  withServer({}, async (port, server) => {
    server.on('clientError', (err, socket) => {
      assert.strictEqual(err.code, 'HPE_INVALID_METHOD');
      assert.ok(Buffer.isBuffer(err.rawPacket));
      assert.strictEqual(typeof err.bytesParsed, 'number');
      socket.end('HTTP/1.1 499 Mine\r\n\r\n');
    });
    assert.strictEqual(await talk(port, 'nonsense\r\n\r\n'), 'HTTP/1.1 499 Mine\r\n\r\n');
  }));

test('a request that does not arrive in time gets 408', () =>
  withServer({ headersTimeout: 50, requestTimeout: 100, connectionsCheckingInterval: 10 }, async (port) => {
    assert.deepStrictEqual(statuses(await talk(port, 'GET / HTTP/1.1\r\n')), [408]);
    assert.deepStrictEqual(statuses(await talk(port, request('/', 'Content-Length: 5\r\n', 'POST'))), [408]);
  }));

test('an idle connection is closed after keepAliveTimeout and its buffer', () =>
  withServer({ keepAliveTimeout: 20, keepAliveTimeoutBuffer: 20 }, async (port) => {
    const before = performance.now();
    assert.deepStrictEqual(statuses(await talk(port, request('/'))), [200]);
    assert.ok(performance.now() - before >= 38);
  }));

test('a timeout listener keeps an idle connection', () =>
  withServer({ keepAliveTimeout: 20, keepAliveTimeoutBuffer: 0 }, async (port, server) => {
    const timedOut = once(server, 'timeout');
    const socket = net.connect(port, '127.0.0.1');
    socket.write(request('/'));
    await timedOut;
    socket.write(request('/', 'Connection: close\r\n'));
    let answer = '';
    for await (const chunk of socket) answer += chunk;
    assert.deepStrictEqual(statuses(answer), [200, 200]);
  }));

test('Expect: 100-continue is answered before the request is handled, or left to checkContinue', () =>
  withServer({}, async (port, server) => {
    const text = request('/', 'Expect: 100-continue\r\nConnection: close\r\nContent-Length: 1\r\n', 'POST');
    assert.deepStrictEqual(statuses(await talk(port, `${text}x`)), [100, 200]);
    server.on('checkContinue', (_req, res) => res.writeHead(403, { Connection: 'close' }).end());
    assert.deepStrictEqual(statuses(await talk(port, text)), [403]);
  }));

test('another expectation gets 417, or is left to checkExpectation', () =>
  withServer({}, async (port, server) => {
    const text = request('/', 'Expect: more\r\nConnection: close\r\n');
    assert.deepStrictEqual(statuses(await talk(port, text)), [417]);
    server.on('checkExpectation', (_req, res) => res.writeHead(200, { Connection: 'close' }).end());
    assert.deepStrictEqual(statuses(await talk(port, text)), [200]);
  }));
