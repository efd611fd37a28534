'use strict';

// Servers and clients that do to each other's connections whatever comes into their heads, for FERROHTTP_STRESS_SECONDS (default 3): what was left
// alone must come through whole, and nothing may be left behind.

const assert = require('node:assert');
const crypto = require('node:crypto');
const { once } = require('node:events');
const fs = require('node:fs');
const net = require('node:net');
const { test } = require('node:test');
const { http } = require('./support/http.js');

const SECONDS = Number(process.env.FERROHTTP_STRESS_SECONDS || 3);
/** What is done beside each other. */
const ACTORS = 24;
const options = { timeout: SECONDS * 1000 + 120_000 };
const BODY = crypto.randomBytes(1 << 20);

const roll = (/** @type {number} */ sides) => crypto.randomInt(sides);
const soon = () => new Promise((resolve) => setTimeout(resolve, roll(4)));
/** A length: none, a few bytes, more than a ring's record, more than a kernel's buffer. */
const length = () => [0, 1 + roll(100), roll(20_000), 70_000 + roll(200_000), BODY.length][roll(5)];
const path = (/** @type {string} */ what, /** @type {number} */ size) => `/${what}/${size}`;

/** @param {any} stream paused and resumed at random while it is read @returns {Promise<Buffer>} */
async function read(stream) {
  const chunks = [];
  stream.on('data', (/** @type {Buffer} */ chunk) => {
    chunks.push(chunk);
    if (roll(4) > 0) return;
    stream.pause();
    soon().then(() => stream.resume());
  });
  await once(stream, 'end');
  return Buffer.concat(chunks);
}

/** What the path asks for, of a request that may break off at any time. */
async function serve(/** @type {any} */ req, /** @type {any} */ res) {
  const [, what, size] = req.url.split('/');
  req.on('error', () => {});
  res.on('error', () => {});
  switch (what) {
    case 'echo': {
      const body = await read(req);
      if (roll(2) > 0) return res.end(body);
      res.writeHead(200, { 'Content-Length': body.length });
      return res.end(body);
    }
    case 'get':
      if (roll(2) > 0) await soon();
      return res.end(BODY.subarray(0, Number(size)));
    case 'stream': {
      for (let at = 0; at < Number(size); at += 10_000) {
        if (!res.write(BODY.subarray(at, Math.min(at + 10_000, Number(size))))) await once(res, 'drain');
      }
      return res.end();
    }
    case 'raw':
      // Reads for himself: the engine gives the descriptor back in the midst of it.
      req.socket.on('data', () => {});
      return res.end(BODY.subarray(0, Number(size)));
    default:
      if (roll(2) > 0) await soon();
      return [
        () => req.socket.destroy(),
        () => res.destroy(),
        () => req.socket.resetAndDestroy(),
        () => req.socket.end(),
      ][roll(4)]();
  }
}

function startServer() {
  const server = http.createServer(
    { connectionsCheckingInterval: 50 },
    (/** @type {any} */ req, /** @type {any} */ res) => {
      serve(req, res).catch(() => {});
    },
  );
  server.on('clientError', (_err, socket) => socket.destroy());
  for (const event of ['upgrade', 'connect']) {
    server.on(event, (_req, socket, head) => {
      socket.on('error', () => {});
      socket.write(
        event === 'upgrade'
          ? 'HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: e\r\n\r\n'
          : 'HTTP/1.1 200 Go\r\n\r\n',
      );
      socket.write(head);
      socket.pipe(socket);
    });
  }
  return server;
}

/** Whole exchanges: what is asked for comes. */
async function exchange(/** @type {any} */ agent, /** @type {number} */ port) {
  const size = length();
  const what = ['get', 'stream', 'raw', 'echo'][roll(4)];
  const req = http.request({
    agent,
    port,
    host: '127.0.0.1',
    method: what === 'echo' ? 'POST' : 'GET',
    path: path(what, size),
  });
  const response = once(req, 'response');
  if (what !== 'echo') req.end();
  else {
    for (let at = 0; at < size; at += 100_000) {
      if (!req.write(BODY.subarray(at, Math.min(at + 100_000, size)))) await once(req, 'drain');
    }
    req.end();
  }
  const [res] = await response;
  const body = await read(res);
  assert.ok(body.equals(BODY.subarray(0, size)), `${what} of ${size}: ${body.length} came`);
}

/** One that somebody breaks off. */
async function broken(/** @type {any} */ agent, /** @type {number} */ port) {
  const what = ['break', 'stream', 'get', 'echo'][roll(4)];
  const req = http.request({ agent, port, host: '127.0.0.1', method: 'POST', path: path(what, length()) });
  req.on('error', () => {});
  req.on('response', (res) => {
    res.on('error', () => {});
    if (roll(2) > 0) res.resume();
  });
  const closed = new Promise((resolve) => req.on('close', resolve));
  req.write(BODY.subarray(0, length()));
  if (roll(2) > 0) await soon();
  if (what !== 'break' || roll(2) > 0) req.destroy();
  else req.end();
  await soon();
  req.destroy();
  await closed;
}

/** Another protocol, with bytes right behind the head. */
async function upgrade(/** @type {any} */ _agent, /** @type {number} */ port) {
  const isConnect = roll(2) > 0;
  const req = http.request({
    agent: false,
    port,
    host: '127.0.0.1',
    ...(isConnect ? { method: 'CONNECT', path: 'a:1' } : { headers: { Connection: 'upgrade', Upgrade: 'e' } }),
  });
  const answered = once(req, isConnect ? 'connect' : 'upgrade');
  req.end();
  const [, socket, head] = await answered;
  const sent = BODY.subarray(0, 1 + length());
  socket.end(sent);
  const chunks = [head];
  for await (const chunk of socket) chunks.push(chunk);
  assert.ok(Buffer.concat(chunks).equals(sent), 'the other protocol');
}

/** Requests in one go, answered in order; or cut off, or half closed. */
async function pipelined(/** @type {any} */ _agent, /** @type {number} */ port) {
  const sizes = Array.from({ length: 1 + roll(20) }, () => roll(2000));
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', () => {});
  const last = `GET ${path('get', 5)} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
  const text = sizes.map((size) => `GET ${path('get', size)} HTTP/1.1\r\nHost: a\r\n\r\n`).join('') + last;
  const cut = roll(4) === 0 ? roll(text.length) : text.length;
  socket.write(text.slice(0, cut));
  if (cut < text.length) {
    await soon();
    socket[roll(2) > 0 ? 'destroy' : 'resetAndDestroy']();
    return;
  }
  let received = '';
  socket.setEncoding('latin1').on('data', (chunk) => {
    received += chunk;
  });
  await new Promise((resolve) => socket.on('close', resolve));
  const answers = received.split(/(?=HTTP\/1\.1 200 OK\r\n)/);
  const bodies = answers.map((answer) => answer.slice(answer.indexOf('\r\n\r\n') + 4).length);
  assert.deepStrictEqual(bodies, [...sizes, 5]);
}

/** Open sockets of this process, where the system tells. */
function sockets() {
  if (!fs.existsSync('/proc/self/fd')) return 0;
  return fs.readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:');
    } catch {
      return false;
    }
  }).length;
}

test(`connections that are destroyed, upgraded and paused at random, for ${SECONDS} s`, options, async () => {
  const before = sockets();
  const server = startServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
  const end = Date.now() + SECONDS * 1000;
  const deeds = [exchange, exchange, broken, upgrade, pipelined];
  const counts = new Map(deeds.map((deed) => [deed, 0]));
  await Promise.all(
    Array.from({ length: ACTORS }, async () => {
      while (Date.now() < end) {
        const deed = deeds[roll(deeds.length)];
        // Whole exchanges on connections of their own as well as on those that others have used, but not on one that others break.
        const uses = deed === broken && roll(2) > 0 ? new http.Agent() : deed === broken ? false : agent;
        await deed(uses, port);
        counts.set(deed, (counts.get(deed) ?? 0) + 1);
      }
    }),
  );
  for (const [deed, count] of counts) assert.ok(count > 0, `no ${deed.name} came to its end`);
  agent.destroy();
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
  for (let tries = 0; sockets() > before && tries < 500; tries++)
    await new Promise((resolve) => setTimeout(resolve, 10));
  assert.strictEqual(sockets(), before, 'no descriptor is left');
});
