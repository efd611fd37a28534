'use strict';

// What arrives together is served in one batch. None of it may be seen by the others in it.

const assert = require('node:assert');
const { AsyncLocalStorage, createHook } = require('node:async_hooks');
const { once } = require('node:events');
const net = require('node:net');
const { Duplex } = require('node:stream');
const { test } = require('node:test');
const { registerArgs, run, startApp } = require('./support/child.js');
const { http, stock } = require('./support/http.js');
const { dial, listen } = require('./support/wire.js');

const options = { timeout: 120_000 };

/** @param {number} n */
const get = (n) => `GET /${n} HTTP/1.1\r\nHost: a\r\n\r\n`;

/**
 * Opens connections, and then writes to all of them within one turn, so that they are readable together.
 * @param {import('node:test').TestContext} t @param {number} port @param {number} count
 * @param {(n: number) => string} request
 */
async function together(t, port, count, request) {
  const peers = await Promise.all(Array.from({ length: count }, () => dial(t, port)));
  await Promise.all(peers.map(({ socket }) => socket.connecting && once(socket, 'connect')));
  for (const [n, peer] of peers.entries()) peer.write(request(n));
  return peers;
}

test('enterWith of one request is not seen by another, on one connection or many', options, async (t) => {
  const storage = new AsyncLocalStorage();
  const server = http.createServer((req, res) => {
    const before = storage.getStore();
    storage.enterWith(req.url);
    setImmediate(() => {
      process.nextTick(() => res.end(`${req.url} ${before} ${storage.getStore()};`));
    });
  });
  const port = await listen(t, server);
  const peers = await together(t, port, 20, (n) => [0, 1, 2].map((i) => get(n * 10 + i)).join(''));
  for (const [n, peer] of peers.entries()) {
    for (let i = 0; i < 3; i++) {
      const url = `/${n * 10 + i}`;
      const [seen, before, after] = (await peer.read(';')).split('\r\n\r\n')[1].slice(0, -1).split(' ');
      assert.deepStrictEqual([seen, after], [url, url]);
      // Node runs pipelined requests of one connection in one scope; another connection's must never be seen.
      if (before !== 'undefined')
        assert.ok(Math.floor(Number(before.slice(1)) / 10) === n && i > 0, `${url} saw ${before}`);
    }
  }
});

test('a body’s events never see the store of another request', options, async (t) => {
  const storage = new AsyncLocalStorage();
  const server = http.createServer((req, res) => {
    storage.run(req.url, () => {
      // Node promises the store of the listener to nobody here, and so it may be none; it may not be another's.
      const seen = new Set();
      req.on('data', () => seen.add(storage.getStore() ?? req.url));
      req.on('end', () => {
        seen.add(storage.getStore() ?? req.url);
        setImmediate(() => res.end(`${[...seen].join()};`));
      });
    });
  });
  const port = await listen(t, server);
  const body = 'x'.repeat(100_000);
  const peers = await together(
    t,
    port,
    10,
    (n) => `POST /${n} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  for (const [n, peer] of peers.entries()) assert.strictEqual((await peer.read(';')).split('\r\n\r\n')[1], `/${n};`);
});

test('promises and ticks of one request run before the next connection’s request', options, async (t) => {
  const order = [];
  const server = http.createServer((req, res) => {
    order.push(`begin ${req.url}`);
    process.nextTick(() => order.push(`tick ${req.url}`));
    Promise.resolve().then(() => order.push(`promise ${req.url}`));
    res.end(';');
  });
  const port = await listen(t, server);
  const peers = await together(t, port, 10, get);
  for (const peer of peers) await peer.read(';');
  assert.strictEqual(order.length, 30);
  for (let i = 0; i < order.length; i += 3) {
    const url = order[i].slice('begin '.length);
    assert.deepStrictEqual(order.slice(i, i + 3), [`begin ${url}`, `tick ${url}`, `promise ${url}`]);
  }
});

test('an exception in a handler reaches uncaughtException, and loses no other request', options, async (t) => {
  const app = await startApp('throws.cjs', { execArgv: registerArgs });
  const peers = await together(t, app.port, 10, (n) => get(n) + get(n + 100));
  const answered = await Promise.all(
    peers.map(async (peer, n) => {
      // Every third handler throws at its first request: its connection stays open and unanswered, as in Node.
      if (n % 3 === 0) return 'thrown';
      return (await peer.read(`/${n + 100};`)).replace(/[\s\S]*?\r\n\r\n(\/\d+;)/g, '$1');
    }),
  );
  assert.deepStrictEqual(
    answered,
    Array.from({ length: 10 }, (_, n) => (n % 3 === 0 ? 'thrown' : `/${n};/${n + 100};`)),
  );
  // The server goes on.
  const late = await dial(t, app.port);
  late.write(get(1));
  await late.read('/1;');
  const { thrown } = await app.send('report');
  for (const n of [0, 3, 6, 9]) assert.ok(thrown.includes(`thrown by /${n}`), `${n} in ${thrown}`);
  for (const peer of [...peers, late]) peer.socket.destroy();
  const { code, stderr } = await app.stop();
  assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: '' });
});

test(
  'what throws while a message is read ends its connection’s reading: more bytes are an error',
  options,
  async (t) => {
    const app = await startApp('throws-while-reading.cjs', { execArgv: registerArgs });
    const asker = await dial(t, app.port);
    /** @param {string[]} expected waits for as many notes */
    const expectNotes = async (expected) => {
      /** @type {string[]} */
      const notes = [];
      while (notes.length < expected.length) {
        asker.write('GET /report HTTP/1.1\r\nHost: a\r\n\r\n');
        const [, text] = (await asker.read(';')).slice(0, -1).split('\r\n\r\n');
        if (text !== '') notes.push(...text.split(', '));
      }
      assert.deepStrictEqual(notes, expected);
    };
    const head = (target) => `POST ${target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n`;
    const body = '1\r\na\r\n1\r\nb\r\n0\r\n\r\n';

    // A listener of 'request', which the parser calls: the body that came along is lost.
    const first = await dial(t, app.port);
    first.write(head('/request') + body + head('/2') + body);
    await expectNotes(['request', 'uncaught request']);
    first.write(head('/3') + body);
    assert.strictEqual(await first.rest(), '');
    await expectNotes(['clientError HPE_CB_HEADERS_COMPLETE']);

    // A listener of 'data' that is called as the body's parts are read.
    const second = await dial(t, app.port);
    second.write(head('/data'));
    await expectNotes(['request']);
    second.write(body);
    await expectNotes(['data a', 'uncaught data']);
    second.write(head('/3') + body);
    assert.strictEqual(await second.rest(), '');
    await expectNotes(['clientError HPE_JS_EXCEPTION']);

    // 'end' comes when all has been read.
    const third = await dial(t, app.port);
    third.write(head('/end') + body);
    await expectNotes(['request', 'data a', 'data b', 'end', 'uncaught end']);
    third.write(head('/3') + body);
    await expectNotes(['request', 'data a', 'data b', 'end']);
    for (const peer of [asker, third]) peer.socket.destroy();
    const { code, stderr } = await app.stop();
    assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: '' });
  },
);

test('ticks behind each part of a body run before what came along with it', options, async (t) => {
  const order = [];
  const server = http.createServer((req, res) => {
    req.on('data', (chunk) => {
      order.push(`${chunk}`);
      // As deep as no single tick reaches.
      process.nextTick(() =>
        Promise.resolve().then(() => process.nextTick(() => order.push(`behind ${chunk}, complete: ${req.complete}`))),
      );
    });
    req.on('end', () => {
      order.push('end');
      res.end(';');
    });
  });
  const port = await listen(t, server);
  const peer = await dial(t, port);
  peer.write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
  await once(server, 'request');
  peer.write('1\r\na\r\n1\r\nb\r\n0\r\n\r\n');
  await peer.read(';');
  assert.deepStrictEqual(order, ['a', 'behind a, complete: false', 'b', 'behind b, complete: false', 'end']);
});

test('answers do not wait for the slow handlers of other connections behind them', options, async (t) => {
  const app = await startApp('slow.cjs', { execArgv: registerArgs, args: ['300'] });
  /** @type {{ n: number, at: number }[]} */
  const arrived = [];
  const peers = await together(t, app.port, 6, get);
  const begun = await Promise.all(
    peers.map(async (peer, n) => {
      const text = await peer.read(';');
      arrived.push({ n, at: Date.now() });
      return { n, at: Number(/begun (\d+);/.exec(text)?.[1]) };
    }),
  );
  // The first answer was here before the last handler began.
  const first = Math.min(...arrived.map(({ at }) => at));
  const last = Math.max(...begun.map(({ at }) => at));
  assert.ok(first < last, `the first answer came ${first - last} ms after the last handler had begun`);
  for (const peer of peers) peer.socket.destroy();
  await app.stop();
});

test('a reader that stops does not hold up the others', options, async (t) => {
  const server = http.createServer((req, res) => {
    if (req.url !== '/0') return res.end('small;');
    const chunk = Buffer.alloc(1 << 16);
    const more = () => {
      while (!res.destroyed && res.write(chunk));
    };
    res.on('drain', more);
    more();
  });
  const port = await listen(t, server);
  const stuck = net.connect(port, '127.0.0.1');
  t.after(() => stuck.destroy());
  stuck.write(get(0));
  await once(stuck, 'readable');
  const peers = await together(t, port, 10, (n) => get(n + 1));
  for (const peer of peers) await peer.read('small;');
});

test(
  'what is told of a response, or of room for more of it, comes in the context of its own writes',
  options,
  async (t) => {
    const storage = new AsyncLocalStorage();
    const count = 4;
    /** @type {string[]} */
    const seen = [];
    /** @type {(() => void)[]} */
    const waiting = [];
    const server = http.createServer((req, res) => {
      const tell = (/** @type {string} */ name) => seen.push(`${name} ${req.url} ${storage.getStore()}`);
      storage.run(req.url ?? '', async () => {
        await new Promise((resolve) => {
          waiting.push(() => resolve(undefined));
          // All go on in one turn: what they write is sent in one tick, which one of them has asked for.
          if (waiting.length === count) for (const go of waiting) go();
        });
        if (!res.write(Buffer.alloc(4 << 20))) await once(res, 'drain');
        res.write(Buffer.alloc(4 << 20));
        res.on('drain', () => {
          tell('drain');
          res.end();
          // Nobody listened when it ended.
          for (const name of ['finish', 'close']) res.on(name, () => tell(name));
        });
      });
    });
    const closed = new Promise((resolve) => {
      let left = count;
      server.on('request', (_req, res) => res.socket.on('close', () => --left || resolve(undefined)));
    });
    const port = await listen(t, server);
    const peers = await together(t, port, count, (n) => `GET /${n} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    for (const { socket } of peers) socket.resume();
    await closed;
    assert.strictEqual(seen.length, 3 * count);
    for (const line of seen) assert.match(line, /^\w+ (\/\d) \1$/);
  },
);

/** One end of a connection, which tells of each `first /…` and `last /…` that is written to it. */
class Noting extends Duplex {
  /** @param {(text: string) => void} note */
  constructor(note) {
    super();
    this.note = note;
  }
  _read() {}
  /** @param {Buffer} chunk @param {string} _encoding @param {() => void} callback */
  _write(chunk, _encoding, callback) {
    for (const [text] of String(chunk).matchAll(/(first|last) \/[ab]/g)) this.note(text);
    callback();
  }
  /** @param {{ chunk: Buffer }[]} chunks @param {() => void} callback */
  _writev(chunks, callback) {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), '', callback);
  }
}

test('a stream is written to in the context of what writes, whoever else writes in that turn', options, async () => {
  const storage = new AsyncLocalStorage();
  /** @type {string[]} */
  const seen = [];
  const note = (/** @type {string} */ text) => seen.push(`${text} in ${storage.getStore()}`);
  /** @type {(() => void)[]} */
  const waiting = [];
  const server = http.createServer((req, res) => {
    waiting.push(() =>
      storage.run(`${req.url}`, () => {
        res.write(`first ${req.url}`);
        setImmediate(() => res.end(`last ${req.url}`));
      }),
    );
    // All write in one turn.
    if (waiting.length === 2)
      setImmediate(() => {
        for (const go of waiting) go();
      });
  });
  const sockets = ['/a', '/b'].map((url) => {
    const socket = new Noting(note);
    server.emit('connection', socket);
    socket.push(`GET ${url} HTTP/1.1\r\nHost: a\r\n\r\n`);
    return socket;
  });
  while (seen.length < 4) await new Promise((resolve) => setImmediate(resolve));
  assert.deepStrictEqual(seen, ['first /a in /a', 'first /b in /b', 'last /a in /a', 'last /b in /b']);
  for (const socket of sockets) socket.destroy();
});

test('a request that is written to a stream is written in its own context', options, async () => {
  const storage = new AsyncLocalStorage();
  /** @type {string[]} */
  const seen = [];
  const note = (/** @type {string} */ text) => seen.push(`${text} in ${storage.getStore()}`);
  const requests = ['/a', '/b'].map((path) =>
    storage.run(path, () =>
      http
        .request({ path, method: 'POST', createConnection: () => /** @type {any} */ (new Noting(note)) })
        .on('error', () => {}),
    ),
  );
  await Promise.all(requests.map((req) => once(req, 'socket')));
  await new Promise((resolve) => setImmediate(resolve));
  for (const req of requests) storage.run(req.path, () => req.write(`first ${req.path}`));
  await new Promise((resolve) => setImmediate(resolve));
  for (const req of requests) storage.run(req.path, () => req.end(`last ${req.path}`));
  while (seen.length < 4) await new Promise((resolve) => setImmediate(resolve));
  assert.deepStrictEqual(seen, ['first /a in /a', 'first /b in /b', 'last /a in /a', 'last /b in /b']);
  for (const req of requests) req.destroy();
});

test('the context of a write to a stream that is handed over before it ends too', options, async (t) => {
  /** @type {Set<number>} */
  const living = new Set();
  let begun = 0;
  const hook = createHook({
    init(id, type) {
      if (type !== 'HTTPOUTGOINGMESSAGE') return;
      living.add(id);
      begun++;
    },
    destroy: (id) => void living.delete(id),
  });
  t.after(() => hook.disable());
  const server = http.createServer((_req, res) => void res.write('x', () => {}));
  const upgraded = once(server, 'upgrade');
  const socket = new Noting(() => {});
  server.emit('connection', socket);
  hook.enable();
  socket.push(`${get(1)}GET /2 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n`);
  await upgraded;
  if (!stock) assert.ok(begun > 0);
  // For ever, if one is kept.
  while (living.size > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  socket.destroy();
});

test(
  'what Node calls back synchronously, as a Blob’s reader, runs no ticks in the midst of another',
  options,
  async (t) => {
    const order = [];
    const server = http.createServer((req, res) => {
      Promise.resolve().then(() => {
        // Its reader has the first part at once.
        const text = new Blob(['x'.repeat(10)]).text();
        process.nextTick(() => order.push(`${req.url} tick`));
        const other = new Blob(['y']).text();
        order.push(`${req.url} on`);
        Promise.all([text, other]).then((texts) => res.end(`${texts.join()};`));
      });
    });
    const port = await listen(t, server);
    const peers = await together(t, port, 3, get);
    for (const peer of peers) assert.match(await peer.read(';'), /\r\n\r\nxxxxxxxxxx,y;$/);
    for (const n of [0, 1, 2]) {
      assert.deepStrictEqual(
        order.filter((entry) => entry.startsWith(`/${n} `)),
        [`/${n} on`, `/${n} tick`],
      );
    }
  },
);

test('nothing warns under --pending-deprecation', options, async () => {
  const program = `
    const http = require('http');
    const server = http.createServer((req, res) => Promise.resolve().then(() => res.end('ok'))).listen(0, () => {
      http.get({ port: server.address().port, agent: false }, (res) => res.resume().on('end', () => server.close()));
    });`;
  const { code, stderr } = await run(['--pending-deprecation', ...registerArgs, '-e', program]);
  assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: '' });
});

/** Runs a program, in which `http` is, and `ask()` asks its `server` once. @param {string} program @param {string[]} [flags] */
function runServer(program, flags = []) {
  const whole = `
    const http = require('http');
    const ask = () => {
      const req = http.get({ port: server.address().port, agent: false }, (res) => res.resume());
      req.on('error', () => {});
    };
    ${program}`;
  // A process that aborts leaves no core behind.
  const args = ['-c', 'ulimit -c 0; exec "$0" "$@"', process.execPath, ...flags, ...registerArgs, '-e', whole];
  return run(args, { command: 'sh' });
}

test('a global named domain is nothing to a server while domains are in use', options, async () => {
  const { stdout, code } = await runServer(`
    globalThis.domain = 'example.com';
    require('domain').create();
    const server = http.createServer((req, res) => {
      console.log('asked');
      res.end();
      server.close();
    }).listen(0, ask);`);
  assert.deepStrictEqual({ stdout, code }, { stdout: 'asked\n', code: 0 });
});

test('no listener of uncaughtException runs on the global object', options, async () => {
  const { stdout, code } = await runServer(`
    const { executionAsyncResource } = require('async_hooks');
    executionAsyncResource();
    let caught = 0;
    process.on('uncaughtException', () => {
      const resource = executionAsyncResource();
      console.log(resource === globalThis);
      setImmediate(++caught < 2 ? ask : () => process.exit());
    });
    const server = http.createServer((req, res) => {
      res.end();
      throw new Error('on purpose');
    }).listen(0, ask);`);
  assert.deepStrictEqual({ stdout, code }, { stdout: 'false\nfalse\n', code: 0 });
});

const aborting = '--abort-on-uncaught-exception';

test(`what a domain handles ends no process under ${aborting}, and what nobody handles does`, options, async () => {
  const handled = await runServer(
    `const domain = require('domain').create().on('error', (error) => {
      console.log(error.message);
      setImmediate(() => setImmediate(() => process.exit()));
    });
    const server = http.createServer(() => domain.run(() => {
      throw new Error('on purpose');
    })).listen(0, ask);`,
    [aborting],
  );
  assert.deepStrictEqual([handled.stdout, handled.code, handled.signal], ['on purpose\n', 0, null], handled.stderr);
  const unhandled = await runServer(
    `process.on('uncaughtException', () => process.exit());
    const server = http.createServer(() => {
      throw new Error('on purpose');
    }).listen(0, ask);`,
    [aborting],
  );
  assert.notStrictEqual(unhandled.signal, null, 'it lives');
});

test(`a tick that throws in a domain ends no process under ${aborting}`, options, async () => {
  const { stdout, code, signal, stderr } = await runServer(
    `const domain = require('domain').create().on('error', (error) => console.log(error.message));
    let asked = 0;
    const server = http.createServer((req, res) => {
      res.end();
      if (++asked === 3) return server.close();
      domain.run(() => process.nextTick(() => {
        setImmediate(ask);
        throw new Error('on purpose');
      }));
    }).listen(0, ask);`,
    [aborting],
  );
  assert.deepStrictEqual([stdout, code, signal], ['on purpose\non purpose\n', 0, null], stderr);
});
