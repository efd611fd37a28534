'use strict';

const assert = require('node:assert');
const { once } = require('node:events');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { Duplex } = require('node:stream');
const { test } = require('node:test');
const { http } = require('./support/http.js');
const { answer, closed, response, startPeer } = require('./support/peer.js');

/**
 * The head that a request puts on the wire.
 * @param {(port: number) => import('node:http').ClientRequest} make
 * @returns {Promise<string[]>} its lines, with PORT for the port
 */
async function headOf(make) {
  /** @type {(head: string) => void} */
  let resolve = () => {};
  const head = new Promise((/** @type {typeof resolve} */ done) => {
    resolve = done;
  });
  const peer = await startPeer((socket, text) => {
    resolve(text);
    socket.end(response(''));
  });
  const req = make(peer.port);
  req.on('response', (res) => res.resume());
  req.end();
  const lines = (await head).replaceAll(String(peer.port), 'PORT').split('\r\n');
  await closed(req);
  await peer.close();
  return lines;
}

test('url, options and both: options go before the url', async () => {
  assert.deepStrictEqual(await headOf((port) => http.request(`http://user:pass@127.0.0.1:${port}/a?b=c#d`)), [
    'GET /a?b=c HTTP/1.1',
    'Host: 127.0.0.1:PORT',
    'Authorization: Basic dXNlcjpwYXNz',
    'Connection: keep-alive',
  ]);
  const url = (/** @type {number} */ port) => new URL(`http://127.0.0.1:${port}/a`);
  assert.deepStrictEqual(
    await headOf((port) => http.request(url(port), { method: 'delete', path: '/b', headers: { 'X-A': ['1', '2'] } })),
    ['DELETE /b HTTP/1.1', 'X-A: 1', 'X-A: 2', 'Host: 127.0.0.1:PORT', 'Connection: keep-alive'],
  );
  assert.deepStrictEqual(
    await headOf((port) => http.request({ host: 'nowhere.invalid', hostname: '127.0.0.1', port, agent: false })),
    ['GET / HTTP/1.1', 'Host: 127.0.0.1:PORT', 'Connection: close'],
  );
});

test('headers as a list go out as they stand, and nothing is added to them but framing', async () => {
  const headers = ['X-A', '1', 'x-a', '2', 'Host', 'me'];
  assert.deepStrictEqual(
    await headOf((port) =>
      http.request({ host: '127.0.0.1', port, agent: false, headers: /** @type {any} */ (headers) }),
    ),
    ['GET / HTTP/1.1', 'X-A: 1', 'x-a: 2', 'Host: me', 'Connection: close'],
  );
  assert.deepStrictEqual(
    await headOf((port) => http.request({ host: '127.0.0.1', port, setDefaultHeaders: false, method: 'POST' })),
    ['POST / HTTP/1.1'],
  );
});

test('what is wrong with the options is thrown, with the code of node:http', () => {
  const wrong = /** @type {[any, string][]} */ ([
    [{ protocol: 'https:' }, 'ERR_INVALID_PROTOCOL'],
    [{ path: '/a b' }, 'ERR_UNESCAPED_CHARACTERS'],
    [{ method: 'GE T' }, 'ERR_INVALID_HTTP_TOKEN'],
    [{ method: 1 }, 'ERR_INVALID_ARG_TYPE'],
    [{ hostname: 1 }, 'ERR_INVALID_ARG_TYPE'],
    [{ agent: {} }, 'ERR_INVALID_ARG_TYPE'],
    [{ timeout: 'soon' }, 'ERR_INVALID_ARG_TYPE'],
    [{ timeout: -1 }, 'ERR_OUT_OF_RANGE'],
    [{ maxHeaderSize: 1.5 }, 'ERR_OUT_OF_RANGE'],
    [{ insecureHTTPParser: 1 }, 'ERR_INVALID_ARG_TYPE'],
    [{ joinDuplicateHeaders: 1 }, 'ERR_INVALID_ARG_TYPE'],
    [{ headers: { 'a b': '1' } }, 'ERR_INVALID_HTTP_TOKEN'],
    [{ headers: { a: 'b\n' } }, 'ERR_INVALID_CHAR'],
    [{ headers: { a: undefined } }, 'ERR_HTTP_INVALID_HEADER_VALUE'],
    [{ signal: 'none' }, 'ERR_INVALID_ARG_TYPE'],
  ]);
  for (const [options, code] of wrong) assert.throws(() => http.request(options), { code }, JSON.stringify(options));
  assert.throws(() => http.request('nonsense'), { code: 'ERR_INVALID_URL' });
  const agent = new http.Agent();
  const req = http.request({ agent, createConnection: () => new net.Socket() });
  req.on('error', () => {});
  assert.throws(() => {
    req.path = '/a b';
  }, /unescaped characters/);
  req.destroy();
});

test('a polluted Object.prototype chooses nothing', async () => {
  const prototype = /** @type {any} */ (Object.prototype);
  prototype.socketPath = '/nonexistent';
  prototype.method = 'DELETE';
  try {
    assert.match((await headOf((port) => http.request({ host: '127.0.0.1', port, agent: false })))[0], /^GET/);
  } finally {
    delete prototype.socketPath;
    delete prototype.method;
  }
});

test('an upload larger than every buffer arrives whole, and waits for its reader', async () => {
  const size = 8 << 20;
  const server = http.createServer((req, res) => {
    req.pause();
    setTimeout(() => req.resume(), 50);
    let length = 0;
    req.on('data', (chunk) => {
      length += chunk.length;
    });
    req.on('end', () => res.end(String(length)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {net.AddressInfo} */ (server.address());
  const req = http.request({ host: '127.0.0.1', port, method: 'POST', agent: false });
  const answered = answer(req);
  let refused = 0;
  for (let sent = 0; sent < size; sent += 1 << 16) {
    if (req.write(Buffer.alloc(1 << 16))) continue;
    refused++;
    await once(req, 'drain');
  }
  req.end();
  assert.strictEqual((await answered).body, String(size));
  assert.ok(refused > 0);
  server.close();
});

test('a stream of any kind serves as connection', async () => {
  class Answering extends Duplex {
    _read() {}
    /** @param {Buffer} chunk @param {string} _encoding @param {() => void} callback */
    _write(chunk, _encoding, callback) {
      if (chunk.includes('\r\n\r\n')) this.push(response('from a stream'));
      callback();
    }
  }
  const req = http.get({ path: '/', createConnection: () => /** @type {any} */ (new Answering()) });
  assert.strictEqual((await answer(req)).body, 'from a stream');
});

test('a Unix socket', { skip: process.platform === 'win32' }, async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ferrohttp-'));
  const socketPath = path.join(folder, 'socket');
  const server = http.createServer((req, res) => res.end(req.url)).listen(socketPath);
  await once(server, 'listening');
  const agent = new http.Agent({ keepAlive: true });
  for (const target of ['/one', '/two']) {
    assert.strictEqual((await answer(http.get({ socketPath, path: target, agent }))).body, target);
  }
  agent.destroy();
  server.close();
  await once(server, 'close');
  fs.rmdirSync(folder);
});

test('the response to HEAD has no body, whatever it announces', async () => {
  const peer = await startPeer((socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n'));
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  for (let i = 0; i < 2; i++) {
    const req = http.request({ host: '127.0.0.1', port: peer.port, agent, method: 'HEAD' });
    req.end();
    const { res, body } = await answer(req);
    assert.strictEqual(res.headers['content-length'], '1000');
    assert.strictEqual(body, '');
  }
  assert.strictEqual(peer.sockets.length, 1);
  agent.destroy();
  await peer.close();
});

test('maxHeaderSize and httpValidation are the request’s own, on a socket used before', async () => {
  const big = `X-Big: ${'x'.repeat(3000)}\r\n`;
  const peer = await startPeer((socket, head) =>
    socket.write(response('ok', head.includes('/big') ? big : 'X-Odd: \x01\r\n')),
  );
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const target = { host: '127.0.0.1', port: peer.port, agent };
  assert.strictEqual((await answer(http.get({ ...target, path: '/big' }))).body, 'ok');
  assert.strictEqual((await answer(http.get({ ...target, path: '/odd', insecureHTTPParser: true }))).body, 'ok');
  assert.strictEqual(peer.sockets.length, 1);
  const [overflow] = await once(http.get({ ...target, path: '/big', maxHeaderSize: 1000 }), 'error');
  assert.strictEqual(overflow.code, 'HPE_HEADER_OVERFLOW');
  const [odd] = await once(http.get({ ...target, path: '/odd' }), 'error');
  assert.strictEqual(odd.code, 'HPE_INVALID_HEADER_TOKEN');
  agent.destroy();
  await peer.close();
});

test("diagnostics channels tell of a request's life, when somebody subscribes", async () => {
  const { subscribe, unsubscribe } = require('node:diagnostics_channel');
  const names = ['request.created', 'request.start', 'response.finish', 'request.error'];
  /** @type {string[]} */
  const seen = [];
  const listeners = names.map((name) => () => seen.push(name));
  for (const [i, name] of names.entries()) subscribe(`http.client.${name}`, listeners[i]);
  const peer = await startPeer((socket, _head, count) => (count === 1 ? socket.end(response('')) : socket.destroy()));
  await answer(http.get({ host: '127.0.0.1', port: peer.port, agent: false }));
  const req = http.get({ host: '127.0.0.1', port: peer.port, agent: false });
  req.on('error', () => {});
  await closed(req);
  for (const [i, name] of names.entries()) unsubscribe(`http.client.${name}`, listeners[i]);
  assert.deepStrictEqual(seen, [...names.slice(0, 3), ...names.slice(0, 2), 'request.error']);
  await peer.close();
});
