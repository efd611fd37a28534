'use strict';

// Node gives the kernel what a message ends with at once, and tells of it in a tick. Ours is sent with its batch: whoever looks in between, or destroys
// it, finds what he would find in Node.

const assert = require('node:assert');
const { once } = require('node:events');
const net = require('node:net');
const { test } = require('node:test');
const { registerArgs, run } = require('./support/child.js');
const { http } = require('./support/http.js');
const { dial, listen } = require('./support/wire.js');

const options = { timeout: 60_000 };
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const NOT_24 = process.versions.node.split('.')[0] < '24' && 'told otherwise before Node 24';

/**
 * What a client gets of a process that ends within a request.
 * @param {string} handler a function's text: what it is called with is `req` and `res`
 */
async function receivedOfExit(handler) {
  const { stdout, stderr } = await run([
    ...registerArgs,
    '-e',
    `const http = require('http'), { spawn } = require('child_process');
    const server = http.createServer((req, res) => { res.sendDate = false; (${handler})(req, res); });
    server.listen(0, '127.0.0.1', () => {
      const client = 'const s = require("net").connect(' + server.address().port + ', "127.0.0.1");' +
        's.on("error", () => {}).pipe(process.stdout); s.write("GET / HTTP/1.1\\\\r\\\\nHost: a\\\\r\\\\n\\\\r\\\\n");';
      spawn(process.execPath, ['-e', client], { stdio: ['ignore', 'inherit', 'inherit'] });
    });`,
  ]);
  assert.strictEqual(stderr, '');
  return stdout;
}

test("what an 'exit' listener answers is sent", options, async () => {
  const text = await receivedOfExit(
    "(req, res) => { process.on('exit', () => { res.end('late'); }); process.exit(); }",
  );
  assert.match(text, /^HTTP\/1.1 200 OK\r\n[\s\S]*\r\n\r\nlate$/);
});

test("a head that an 'exit' listener sends by itself is sent, and no part that waits for a tick", options, async () => {
  const text = await receivedOfExit(
    "(req, res) => { process.on('exit', () => { res.flushHeaders(); res.write('part'); }); process.exit(); }",
  );
  assert.match(text, /^HTTP\/1.1 200 OK\r\n[\s\S]*\r\n\r\n$/);
});

test('an exit that is only told of goes on as before', options, async (t) => {
  const port = await listen(
    t,
    http.createServer((_req, res) => {
      process.emit('exit', 0);
      res.end('x', () => {});
    }),
  );
  const client = await dial(t, port);
  for (let i = 0; i < 2; i++) {
    client.write(GET);
    assert.match(await client.read('\r\n\r\nx'), /^HTTP\/1.1 200 OK/);
  }
});

for (const [when, wait, isClosed] of /** @type {[string, (run: () => void) => void, boolean][]} */ ([
  ['in the same callback', (run) => run(), false],
  ['in its tick', (run) => process.nextTick(run), true],
  ['in its tick, which was asked for before', (run) => process.nextTick(run), true],
  ['in a later tick', (run) => process.nextTick(() => process.nextTick(run)), false],
  ['in a microtask', (run) => void Promise.resolve().then(run), false],
])) {
  test(`a pipelined response that is ended and destroyed ${when} ${isClosed ? 'closes the connection' : 'leaves it open'}`, {
    ...options,
    skip: when === 'in the same callback' && NOT_24,
  }, async (t) => {
    const port = await listen(
      t,
      http.createServer((req, res) => {
        if (req.url !== '/second') return res.end(req.url);
        const isBefore = when.endsWith('before');
        if (isBefore) wait(() => res.destroy());
        res.end('second');
        if (!isBefore) wait(() => res.destroy());
      }),
    );
    const client = await dial(t, port);
    client.write(GET + GET.replace('/', '/second'));
    await client.read('second');
    client.write(GET.replace('/', '/third'));
    const found = await client.read('/third').then(
      () => 'open',
      () => 'closed',
    );
    assert.strictEqual(found, isClosed ? 'closed' : 'open');
  });
}

test('an ended response says in a tick behind its end that it has finished, and not in one asked for before', {
  ...options,
  skip: NOT_24,
}, async (t) => {
  /** @type {string[]} */
  const notes = [];
  const server = http.createServer((req, res) => {
    const note = (/** @type {string} */ when) =>
      notes.push(`${req.url} ${when} ${res.writableFinished} ${res.socket === null} ${res.writableLength}`);
    process.nextTick(note, 'before');
    res.end('x');
    note('at once');
    process.nextTick(note, 'behind');
    process.nextTick(() => process.nextTick(note, 'far behind'));
    Promise.resolve('microtask').then(note);
  });
  const client = await dial(t, await listen(t, server));
  client.write(GET.replace('/', '/one'));
  await client.read('\r\n\r\nx');
  assert.deepStrictEqual(notes, [
    '/one at once false false 0',
    '/one before false false 0',
    '/one behind true true 0',
    '/one far behind true true 0',
    '/one microtask true true 0',
  ]);
});

test('a head that is sent by itself does not wait in the response, and a part does', options, async (t) => {
  /** @type {number[][]} */
  const lengths = [];
  const server = http.createServer((req, res) => {
    const note = () => lengths.push([res.writableLength, req.socket.writableLength]);
    res.flushHeaders();
    note();
    res.write('part');
    note();
    process.nextTick(() => {
      note();
      res.end();
    });
  });
  const client = await dial(t, await listen(t, server));
  client.write(GET);
  await client.read('\r\n0\r\n\r\n');
  assert.deepStrictEqual(lengths, [
    [0, 0],
    [9, 9],
    [0, 0],
  ]);
});

test('a head that was sent by itself is not lost with the part behind it', options, async (t) => {
  const server = http.createServer((_req, res) => {
    res.flushHeaders();
    res.write('part');
    res.destroy();
  });
  const client = await dial(t, await listen(t, server));
  client.write(GET);
  assert.match(await client.read('\r\n\r\n'), /^HTTP\/1.1 200 OK/);
  await once(client.socket, 'end');
});

const MUCH = Buffer.alloc(20 << 20);

/** What those hear who wait when a response is destroyed, by what it does. @type {Record<string, [(res: any, note: (name: string) => any) => void, string]>} */
const LOST = {
  'that was written': [
    (res, note) => {
      setImmediate(() => {
        res.write('a', note('write'));
        res.destroy(new Error('mine'));
      });
    },
    'write mine, socket error, close',
  ],
  'that was written, without an error': [
    (res, note) => {
      res.write('a', note('write'));
      res.destroy();
    },
    'write ERR_STREAM_DESTROYED, close',
  ],
  'that was written behind what has gone': [
    (res, note) => {
      res.write('a', note('first'));
      setImmediate(() => {
        res.write('b', note('second'));
        res.destroy(new Error('mine'));
      });
    },
    'first ok, second mine, socket error, close',
  ],
  'that is sent': [
    (res, note) => {
      res.write('a', note('write'));
      res.end('b', note('end'));
      res.destroy(new Error('mine'));
    },
    'write ok, end mine, socket error, close',
  ],
  'that the kernel has not taken': [
    (res, note) => {
      res.end(MUCH, note('end'));
      setImmediate(() => res.destroy(new Error('mine')));
    },
    'socket error, end ECANCELED, close',
  ],
};

for (const [what, [handle, expected]] of Object.entries(LOST)) {
  test(`who waits for a part ${what} hears of its end in Node's order`, { ...options, skip: NOT_24 }, async (t) => {
    /** @type {string[]} */
    const notes = [];
    const note = (/** @type {string} */ name) => (/** @type {any} */ error) =>
      notes.push(`${name} ${error ? (error.code ?? error.message) : 'ok'}`);
    /** @type {Promise<unknown> | undefined} */
    let closed;
    const server = http.createServer((req, res) => {
      req.on('error', () => {});
      req.socket.on('error', () => notes.push('socket error'));
      closed = once(res, 'close').then(() => notes.push('close'));
      handle(res, note);
    });
    const client = net.connect(await listen(t, server), '127.0.0.1').on('error', () => {});
    t.after(() => client.destroy());
    client.pause();
    client.write(GET);
    await once(server, 'request');
    await closed;
    assert.strictEqual(notes.join(', '), expected);
  });
}

test('who has written to a request that is aborted hears so before its error', {
  ...options,
  skip: NOT_24,
}, async (t) => {
  /** @type {string[]} */
  const notes = [];
  const server = http.createServer();
  const port = await listen(t, server);
  const controller = new AbortController();
  const { signal } = controller;
  const req = http.request({ port, host: '127.0.0.1', method: 'POST', signal, agent: false });
  req.on('error', (/** @type {any} */ error) => notes.push(`error ${error.code}`));
  req.flushHeaders();
  await once(server, 'request');
  req.write('part', (/** @type {any} */ error) => notes.push(`write ${error.code}`));
  controller.abort();
  await new Promise((resolve) => req.on('close', resolve));
  assert.deepStrictEqual(notes, ['write ABORT_ERR', 'error ABORT_ERR']);
});

test("'finish' does not wait for who has written nothing", options, async (t) => {
  /** @type {string[]} */
  const notes = [];
  const server = http.createServer((_req, res) => {
    res.setHeader('Content-Length', 0);
    res.flushHeaders();
    setImmediate(() => {
      res.on('finish', () => notes.push('finish'));
      res.write(Buffer.alloc(0), () => notes.push('written'));
      res.end();
      res.on('close', () => notes.push('close'));
    });
  });
  const client = await dial(t, await listen(t, server));
  client.write(GET);
  await client.read('\r\n\r\n');
  client.write(GET);
  await client.read('\r\n\r\n');
  assert.deepStrictEqual(notes.slice(0, 3), ['finish', 'written', 'close']);
});
