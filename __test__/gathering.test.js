'use strict';

// Answers that are given in one turn of the event loop, in a callback each: the engine may send them together. Nothing that can be seen tells of it.

const assert = require('node:assert');
const { AsyncLocalStorage } = require('node:async_hooks');
const { once } = require('node:events');
const { test } = require('node:test');
const { Worker } = require('node:worker_threads');
const { registerArgs, startApp } = require('./support/child.js');
const { http } = require('./support/http.js');
const { dial, listen } = require('./support/wire.js');

const options = { timeout: 120_000 };
const COUNT = 8;

const get = (/** @type {number} */ n) => `GET /${n} HTTP/1.1\r\nHost: a\r\n\r\n`;

/** @typedef {{ req: any, res: any }} Exchange */

/**
 * Serves `COUNT` connections with a request each, which have all come when `answer` is called for each in an immediate of its own, in order, and `more`
 * in those behind.
 * @param {import('node:test').TestContext} t
 * @param {(exchange: Exchange, n: number) => void} answer
 * @param {((exchanges: Exchange[]) => void)[]} more
 * @param {(n: number) => string} [request]
 */
async function inOneTurn(t, answer, more, request = get) {
  /** @type {Exchange[]} */
  const exchanges = [];
  let come = 0;
  const server = http.createServer((req, res) => {
    exchanges[Number(/** @type {string} */ (req.url).slice(1))] = { req, res };
    if (++come < COUNT) return;
    setImmediate(() => {
      for (const [n, exchange] of exchanges.entries()) setImmediate(answer, exchange, n);
      for (const each of more) setImmediate(each, exchanges);
    });
  });
  const port = await listen(t, server);
  const peers = await Promise.all(Array.from({ length: COUNT }, () => dial(t, port)));
  for (const [n, peer] of peers.entries()) peer.write(request(n));
  return { peers, server };
}

test('a response is done with before the next callback runs', options, async (t) => {
  /** @type {any[]} */
  const seen = [];
  /** @type {any[]} */
  const sockets = [];
  /** @type {any} */
  let last;
  const look = () => {
    if (last === undefined) return;
    const { req, res } = last;
    seen.push([
      res.writableFinished,
      res.destroyed,
      res.socket === null,
      req.socket.writableLength,
      req.socket._httpMessage,
    ]);
  };
  const { peers } = await inOneTurn(
    t,
    (exchange, n) => {
      look();
      sockets.push(exchange.req.socket);
      exchange.res.sendDate = false;
      exchange.res.end(`/${n};`);
      last = exchange;
    },
    [look, () => seen.push(sockets.map((socket) => socket.bytesWritten))],
  );
  const received = [];
  for (const [n, peer] of peers.entries()) received.push((await peer.read(`/${n};`)).length);
  const lengths = seen.pop();
  for (const each of seen) assert.deepStrictEqual(each, [true, true, true, 0, null]);
  assert.strictEqual(seen.length, COUNT);
  assert.deepStrictEqual(lengths, received);
});

test(
  'who begins to listen behind end() is told before the next callback, in its context; who comes later is not',
  options,
  async (t) => {
    const storage = new AsyncLocalStorage();
    /** @type {string[]} */
    const seen = [];
    const { peers } = await inOneTurn(
      t,
      ({ res }, n) => {
        seen.push(`answer ${n}`);
        storage.run(n, () => {
          res.end(`/${n};`);
          if (n % 2 === 1)
            for (const event of ['finish', 'close'])
              res.on(event, () => seen.push(`${event} in ${storage.getStore()}`));
        });
        process.nextTick(() => seen.push(`tick ${n}`));
      },
      [
        (exchanges) => {
          for (const { res } of exchanges)
            for (const event of ['finish', 'close']) res.on(event, () => seen.push(`late ${event}`));
        },
      ],
    );
    for (const [n, peer] of peers.entries()) await peer.read(`/${n};`);
    const expected = [];
    for (let n = 0; n < COUNT; n++) {
      expected.push(`answer ${n}`);
      const own = [`finish in ${n}`, `close in ${n}`];
      expected.push(...(n % 2 === 1 ? [`tick ${n}`, ...own] : [`tick ${n}`]));
    }
    // In which of its ticks the callback hears of it goes by who asked first.
    const sorted = (/** @type {string[]} */ all) =>
      all
        .join('\n')
        .split(/\n(?=answer)/)
        .map((one) => one.split('\n').sort().join());
    assert.deepStrictEqual(sorted(seen), sorted(expected));
  },
);

test('answers reach peers whose connection a later callback destroys, ends or writes to', options, async (t) => {
  const { peers } = await inOneTurn(t, ({ res }, n) => res.end(`/${n};`), [
    (exchanges) => {
      for (const [n, { req }] of exchanges.entries()) {
        if (n % 3 === 0) req.socket.destroy();
        else if (n % 3 === 1) req.socket.end();
        else req.socket.write('raw.');
      }
    },
  ]);
  for (const [n, peer] of peers.entries()) {
    const text = await peer.read(n % 3 === 2 ? 'raw.' : `/${n};`);
    assert.ok(text.endsWith(n % 3 === 2 ? `/${n};raw.` : `/${n};`), text);
    // It may have ended while others were read.
    if (n % 3 !== 2 && !peer.socket.readableEnded) await once(peer.socket.resume(), 'end');
  }
});

test('what a later callback finds idle, and closes, has its answer', options, async (t) => {
  const { peers, server } = await inOneTurn(t, ({ res }, n) => res.end(`/${n};`), [() => server.close()]);
  const closed = once(server, 'close');
  for (const [n, peer] of peers.entries()) {
    await peer.read(`/${n};`);
    peer.socket.end();
  }
  await closed;
});

test(
  'pipelined requests are answered in order, and with those that close and stream, in whatever order that was',
  options,
  async (t) => {
    /** @type {any[]} */
    const waiting = [];
    const server = http.createServer((req, res) => {
      waiting.push({ req, res });
      if (waiting.length < 3 * COUNT) return;
      setImmediate(() => {
        // Those of one connection backwards.
        waiting.sort((a, b) => (a.req.url < b.req.url ? 1 : -1));
        for (const exchange of waiting) setImmediate(answer, exchange);
      });
    });
    /** @param {Exchange} exchange */
    function answer({ req, res }) {
      const n = Number(req.url.slice(1));
      if (n % 3 === 2 && n % 2 === 0) res.setHeader('Connection', 'close');
      if (n % 3 === 1) res.write('part ');
      res.end(`${req.url};`);
    }
    const port = await listen(t, server);
    const peers = await Promise.all(Array.from({ length: COUNT }, () => dial(t, port)));
    for (const [n, peer] of peers.entries())
      peer.write([10, 11, 12].map((i) => get(n * 30 + i * 3 + (i % 10))).join(''));
    for (const [n, peer] of peers.entries()) {
      for (const i of [10, 11, 12]) {
        const url = `/${n * 30 + i * 3 + (i % 10)};`;
        const text = await peer.read(url);
        assert.strictEqual(text.match(/HTTP\/1\.1 200 OK/g)?.length, 1, text);
      }
    }
  },
);

test('an answer is not kept back behind callbacks that go on to be slow', options, async (t) => {
  const arrived = new Int32Array(new SharedArrayBuffer(4));
  /** @type {any[]} */
  const waiting = [];
  /** @type {string[]} */
  const seen = [];
  let round = 0;
  // Until answers have been kept back behind one that was only slow: none may have been when the turn took long in itself, and on some drivers none ever is.
  let isLearning = true;
  const server = http.createServer((_req, res) => {
    waiting.push(res);
    if (waiting.length < COUNT) return;
    const all = waiting.splice(0);
    const expected = ++round * COUNT;
    const isLast = seen.length === 1;
    setImmediate(() => {
      for (const res of all) setImmediate(() => res.end(isLast ? 'end;' : 'ok;'));
      // Nothing of this thread runs meanwhile.
      setImmediate(() => {
        const ends = Date.now() + (isLearning ? 200 : 60_000);
        for (let n = arrived[0]; n < expected && Date.now() < ends; n = Atomics.load(arrived, 0))
          Atomics.wait(arrived, 0, n, 5);
        const count = Atomics.load(arrived, 0);
        if (isLearning) isLearning = count === expected && round < 20;
        else seen.push(`${expected - count} kept back`);
      });
    });
  });
  const port = await listen(t, server);
  const peers = new Worker(
    `const { workerData: { port, arrived, count, request } } = require('node:worker_threads');
    for (let i = 0; i < count; i++) {
      const socket = require('node:net').connect(port, '127.0.0.1');
      let text = '';
      socket.write(request);
      socket.on('data', (data) => {
        text += data;
        if (!/(ok|end);$/.test(text)) return;
        const isLast = text.endsWith('end;');
        text = '';
        Atomics.add(arrived, 0, 1);
        Atomics.notify(arrived, 0);
        if (isLast) socket.end();
        else socket.write(request);
      });
    }`,
    { eval: true, workerData: { port, arrived, count: COUNT, request: get(1) } },
  );
  await once(peers, 'exit');
  assert.deepStrictEqual(seen, ['0 kept back', '0 kept back']);
});

for (const how of ['exits', 'throws', 'leaves', 'unreferences'])
  test(`answers reach their peers when a later callback ${how}`, options, async (t) => {
    const app = await startApp('answers-and-ends.cjs', { execArgv: registerArgs, args: [how, String(COUNT)] });
    const peers = await Promise.all(Array.from({ length: COUNT }, () => dial(t, app.port)));
    for (const [n, peer] of peers.entries()) peer.write(get(n));
    for (const [n, peer] of peers.entries()) assert.ok((await peer.read(`/${n};`)).startsWith('HTTP/1.1 200 OK'));
  });
