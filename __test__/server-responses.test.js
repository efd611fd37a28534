'use strict';

// What a server's handler says, as it goes over the wire.

const assert = require('node:assert');
const { test } = require('node:test');
const { http } = require('./support/http.js');
const { deferred, dial, exchange, listen } = require('./support/wire.js');

const HOST_MAJOR = Number.parseInt(process.versions.node, 10);
const options = { timeout: 60_000 };
const GET = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';

/**
 * What one handler answers to one request, with the date taken out.
 * @param {import('node:test').TestContext} t
 * @param {import('node:http').RequestListener} handler
 */
async function answer(t, handler, request = GET) {
  const text = await exchange(await listen(t, http.createServer(handler)), request);
  return text.replace(/\r\nDate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n/, '\r\nDate: now\r\n');
}

test('a body given to end() alone has a length, one that was written in pieces is chunked', options, async (t) => {
  assert.strictEqual(
    await answer(t, (_req, res) => res.end('whole ü')),
    'HTTP/1.1 200 OK\r\nDate: now\r\nConnection: close\r\nContent-Length: 8\r\n\r\nwhole \xc3\xbc',
  );
  assert.strictEqual(
    await answer(t, (_req, res) => {
      res.write('in ');
      res.write(Buffer.from('pieces'));
      res.end();
    }),
    'HTTP/1.1 200 OK\r\nDate: now\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nin \r\n6\r\npieces\r\n0\r\n\r\n',
  );
  assert.strictEqual(
    await answer(t, (_req, res) => res.end()),
    'HTTP/1.1 200 OK\r\nDate: now\r\nConnection: close\r\nContent-Length: 0\r\n\r\n',
  );
});

test('HTTP/1.0 gets its body until the end of the connection', options, async (t) => {
  const text = await answer(
    t,
    (_req, res) => {
      res.write('a');
      res.end('b');
    },
    'GET / HTTP/1.0\r\n\r\n',
  );
  assert.strictEqual(text, 'HTTP/1.1 200 OK\r\nDate: now\r\nConnection: close\r\n\r\nab');
});

test('HEAD, 204 and 304 have no body, whatever the handler writes', options, async (t) => {
  const head = await answer(t, (_req, res) => res.end('body'), GET.replace('GET', 'HEAD'));
  assert.match(head, /\r\nConnection: close\r\n(Content-Length: 4\r\n)?\r\n$/);
  for (const status of [204, 304]) {
    const text = await answer(t, (_req, res) => res.writeHead(status).end('body'));
    assert.match(text, /^HTTP\/1.1 [\s\S]*\r\nConnection: close\r\n\r\n$/);
    assert.doesNotMatch(text, /Transfer-Encoding|Content-Length/);
  }
});

test('trailers of a response that has no body are dropped, and the connection goes on', options, async (t) => {
  const both = await answer(
    t,
    (_req, res) => {
      res.setHeader('Transfer-Encoding', 'chunked');
      res.addTrailers({ 'X-Trailer': 'x' });
      res.end('body');
    },
    `HEAD / HTTP/1.1\r\nHost: a\r\n\r\n${GET}`,
  );
  assert.match(
    both,
    /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nHTTP\/1\.1 200 OK\r\n[\s\S]*\r\n4\r\nbody\r\n0\r\nX-Trailer: x\r\n\r\n$/,
  );
});

test('status, reason and headers are as given, in their order and case', options, async (t) => {
  const text = await answer(t, (_req, res) => {
    res.setHeader('X-Set', 'before');
    res.setHeader('Set-Cookie', ['a=1', 'b=2']);
    res.appendHeader('X-More', '1');
    res.appendHeader('X-More', '2');
    res.sendDate = false;
    res.writeHead(299, 'Quite Fine', { 'x-Head': 7, 'Content-Length': 2 });
    assert.deepStrictEqual(res.getHeaderNames(), ['x-set', 'set-cookie', 'x-more', 'x-head', 'content-length']);
    assert.strictEqual(res.headersSent, true);
    assert.throws(() => res.setHeader('Late', '1'), { code: 'ERR_HTTP_HEADERS_SENT' });
    res.end('ok');
  });
  assert.strictEqual(
    text,
    'HTTP/1.1 299 Quite Fine\r\nX-Set: before\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-More: 1\r\nX-More: 2\r\n' +
      'x-Head: 7\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok',
  );
});

test('headers that would split a response are refused', options, async (t) => {
  const text = await answer(t, (_req, res) => {
    assert.throws(() => res.setHeader('X-Bad', 'a\r\nSet-Cookie: b'), { code: 'ERR_INVALID_CHAR' });
    assert.throws(() => res.setHeader('X Bad', 'a'), { code: 'ERR_INVALID_HTTP_TOKEN' });
    assert.throws(() => res.writeHead(200, 'a\r\nb'), { code: 'ERR_INVALID_CHAR' });
    // What was refused is not remembered as a line that was composed.
    assert.throws(() => res.writeHead(200, 'a\r\nb'), { code: 'ERR_INVALID_CHAR' });
    assert.throws(() => res.writeHead(42), { code: 'ERR_HTTP_INVALID_STATUS_CODE' });
    res.statusCode = 200;
    res.statusMessage = 'OK';
    res.end('unsplit');
  });
  assert.match(text, /^HTTP\/1.1 200 OK\r\n[\s\S]*unsplit$/);
  assert.doesNotMatch(text, /Set-Cookie/);
});

test('trailers follow a chunked body', options, async (t) => {
  const text = await answer(t, (_req, res) => {
    res.writeHead(200, { Trailer: 'X-Sum' });
    res.write('body');
    res.addTrailers({ 'X-Sum': 'abc' });
    res.end();
  });
  assert.match(text, /\r\n\r\n4\r\nbody\r\n0\r\nX-Sum: abc\r\n\r\n$/);
});

test('early hints, processing and continue go before the response', options, async (t) => {
  const text = await answer(t, (_req, res) => {
    res.writeContinue();
    res.writeProcessing();
    res.writeEarlyHints({ link: ['</a.css>; rel=preload', '</b.js>; rel=preload'], 'x-trace': '1' });
    res.end('then');
  });
  assert.match(
    text,
    /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 102 Processing\r\n\r\nHTTP\/1.1 103 Early Hints\r\nLink: <\/a.css>; rel=preload, <\/b.js>; rel=preload\r\nx-trace: 1\r\n\r\nHTTP\/1.1 200 OK\r\n[\s\S]*then$/,
  );
});

test('flushHeaders sends the head before there is a body', options, async (t) => {
  const finish = deferred();
  const port = await listen(
    t,
    http.createServer((_req, res) => {
      res.flushHeaders();
      finish.promise.then(() => res.end('late'));
    }),
  );
  const peer = await dial(t, port);
  peer.write(GET);
  assert.match(await peer.read('\r\n\r\n'), /^HTTP\/1.1 200 OK\r\n/);
  finish.resolve(undefined);
  assert.strictEqual(await peer.rest(), '4\r\nlate\r\n0\r\n\r\n');
});

test('each write arrives before the next is made', options, async (t) => {
  const response = deferred();
  const port = await listen(
    t,
    http.createServer((_req, res) => response.resolve(res)),
  );
  const peer = await dial(t, port);
  peer.write(GET);
  const res = await response.promise;
  for (let i = 0; i < 10; i++) {
    res.write(`piece ${i}`);
    await peer.read(`piece ${i}\r\n`);
  }
  res.end();
  await peer.rest();
});

test('finish, then close, and end and write callbacks come once and in order', options, async (t) => {
  const events = [];
  const closed = deferred();
  const port = await listen(
    t,
    http.createServer((req, res) => {
      req.resume();
      req.on('end', () => events.push('req end'));
      req.on('close', () => events.push('req close'));
      res.on('prefinish', () => events.push('prefinish'));
      res.on('finish', () => events.push('finish'));
      res.on('close', () => {
        events.push('close');
        setImmediate(closed.resolve);
      });
      res.write('a', () => events.push('written'));
      res.end('b', () => events.push('ended'));
      assert.strictEqual(res.writableEnded, true);
      events.push('handled');
    }),
  );
  await exchange(port, GET);
  await closed.promise;
  assert.deepStrictEqual(
    events.filter((event) => !event.startsWith('req')),
    // Before Node 24 end()'s callback is one of those who listen for 'finish'.
    ['prefinish', 'handled', 'written', ...(HOST_MAJOR < 24 ? ['finish', 'ended'] : ['ended', 'finish']), 'close'],
  );
  assert.deepStrictEqual(
    events.filter((event) => event.startsWith('req')),
    ['req end', 'req close'],
  );
});

test('writing after the end, and ending twice, are errors of the response alone', options, async (t) => {
  const failed = deferred();
  const text = await answer(t, (_req, res) => {
    res.on('error', failed.resolve);
    res.end('once');
    res.write('twice');
  });
  assert.match(text, /once$/);
  assert.strictEqual((await failed.promise).code, 'ERR_STREAM_WRITE_AFTER_END');
});

test('strictContentLength refuses what would not fit the length announced', options, async (t) => {
  const text = await answer(t, (_req, res) => {
    res.strictContentLength = true;
    res.writeHead(200, { 'Content-Length': 4 });
    assert.throws(() => res.write('too long'), { code: 'ERR_HTTP_CONTENT_LENGTH_MISMATCH' });
    res.end('just');
  });
  assert.match(text, /\r\n\r\njust$/);
});

test('destroying a response cuts the connection', options, async (t) => {
  const text = await answer(t, (_req, res) => {
    res.writeHead(200, { 'Content-Length': 100 });
    res.write('part', () => res.destroy());
  });
  assert.match(text, /\r\n\r\npart$/);
});

test('a raw write of the socket keeps its place among the responses', options, async (t) => {
  const server = http.createServer((_req, res) => {
    res.write('one');
    res.socket?.write('raw');
    res.end('two');
  });
  const port = await listen(t, server);
  const text = await exchange(port, GET);
  assert.match(text, /\r\n\r\n3\r\none\r\nraw3\r\ntwo\r\n0\r\n\r\n$/);
});

test('who listens hears that a response has been sent before what was asked for behind end()', options, async (t) => {
  const order = [];
  const server = http.createServer((_req, res) => {
    res.on('finish', () => order.push('finish'));
    res.write('a', () => order.push('first'));
    res.write('b', () => order.push('second'));
    res.end(';');
    process.nextTick(() => order.push('tick'));
    Promise.resolve().then(() => order.push('reaction'));
  });
  const port = await listen(t, server);
  const client = await dial(t, port);
  client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await client.read('0\r\n\r\n');
  assert.deepStrictEqual(order, ['first', 'second', 'finish', 'tick', 'reaction']);
});

test(
  'who listens hears that a response has been sent behind the ticks that were asked for before end()',
  options,
  async (t) => {
    /** @type {string[]} */
    const order = [];
    const note = (/** @type {string} */ what) => () => order.push(what);
    await answer(t, (_req, res) => {
      setImmediate(() => {
        res.flushHeaders();
        process.nextTick(note('before'));
        res.on('finish', note('finish'));
        res.end('x');
        process.nextTick(note('behind'));
      });
    });
    assert.deepStrictEqual(order, ['before', 'finish', 'behind']);
  },
);

test(
  'a write beyond the high-water mark is followed by drain and then by its callback, and what is written until then waits too',
  options,
  async (t) => {
    /** @type {string[]} */
    const order = [];
    await answer(t, (_req, res) => {
      assert.strictEqual(
        res.write(Buffer.alloc(100_000), () => order.push('called')),
        false,
      );
      assert.strictEqual(res.write('more'), false);
      res.on('drain', () => {
        order.push('drain');
        assert.strictEqual(res.writableNeedDrain, false);
        res.end();
      });
    });
    assert.deepStrictEqual(order, ['drain', 'called']);
  },
);

test(
  'drain comes though a callback has written meanwhile, and each callback before the next drain',
  options,
  async (t) => {
    /** @type {string[]} */
    const order = [];
    let left = 4;
    const text = await answer(t, (_req, res) => {
      const more = () => {
        if (left-- === 0) return res.end();
        res.write(Buffer.alloc(70_000, 'x'), () => {
          order.push('called');
          if (left > 0) res.write('small');
        });
      };
      res.on('drain', () => {
        order.push('drain');
        more();
      });
      more();
    });
    assert.strictEqual(text.match(/x/g)?.length, 280_000);
    assert.strictEqual(text.match(/small/g)?.length, 2);
    assert.deepStrictEqual(order, Array(4).fill(['drain', 'called']).flat());
  },
);

test('a response that is written to while another is told to drain hears of its own drain', options, async (t) => {
  /** @type {any[]} */
  const responses = [];
  const server = http.createServer((_req, res) => {
    if (responses.push(res) < 2) return;
    for (const [at, each] of responses.entries()) {
      each.write(Buffer.alloc(70_000));
      each.on('drain', () => {
        const other = responses[1 - at];
        if (!other.writableEnded) other.write('more');
        each.end();
      });
    }
  });
  const port = await listen(t, server);
  const answers = await Promise.all([exchange(port, GET), exchange(port, GET)]);
  for (const each of answers) assert.match(each, /\r\n0\r\n\r\n$/);
});

test('trailers that are refused leave those before them', options, async (t) => {
  const text = await answer(t, (_req, res) => {
    res.write('x');
    assert.throws(() => res.addTrailers({ 'X-Good': '1', 'X-Bad': '\n' }), { code: 'ERR_INVALID_CHAR' });
    res.end();
  });
  assert.match(text, /\r\n0\r\nX-Good: 1\r\n\r\n$/);
});

test('of pipelined responses each is done with before the next has been sent', options, async (t) => {
  const order = [];
  const server = http.createServer((req, res) => {
    const name = req.url?.slice(1);
    res.on('finish', () => order.push(`finish ${name}`));
    res.on('close', () => order.push(`close ${name}`));
    if (name === '1') setImmediate(() => setImmediate(() => res.end(';')));
    else setImmediate(() => res.end(';'));
  });
  const port = await listen(t, server);
  const client = await dial(t, port);
  client.write([1, 2, 3].map((n) => `GET /${n} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''));
  for (let i = 0; i < 3; i++) await client.read(';');
  while (order.length < 6) await new Promise(setImmediate);
  assert.deepStrictEqual(order, ['finish 1', 'close 1', 'finish 2', 'close 2', 'finish 3', 'close 3']);
});

test('a response that is destroyed behind its end leaves the connection to the next', options, async (t) => {
  const server = http.createServer(async (_req, res) => {
    res.end('x;');
    await null;
    res.destroy();
  });
  const port = await listen(t, server);
  const client = await dial(t, port);
  for (let i = 0; i < 2; i++) {
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.read('x;');
  }
});

test('what a corked response has written is counted in writableLength', options, async (t) => {
  /** @type {number[]} */
  const lengths = [];
  await answer(t, (_req, res) => {
    res.setHeader('Content-Length', 3);
    res.cork();
    for (const part of ['a', 'b', 'c']) {
      res.write(part);
      lengths.push(res.writableLength);
    }
    res.uncork();
    res.end();
  });
  assert.ok(lengths[0] > 'Content-Length: 3'.length, `${lengths}`);
  assert.deepStrictEqual(lengths, [lengths[0], lengths[0] + 1, lengths[0] + 2]);
});

test("a 'finish' listener that is put before all others finds the response on its socket", options, async (t) => {
  /** @type {string[]} */
  const log = [];
  const server = http.createServer((_req, res) => {
    const { socket } = res;
    const look = (/** @type {string} */ name) => () =>
      log.push(`${name}: ${res.socket === socket}, ${/** @type {any} */ (socket)._httpMessage === res}`);
    res.on('finish', look('behind'));
    res.prependListener('finish', look('before'));
    res.prependOnceListener('finish', look('once'));
    res.on('close', () => log.push('close'));
    res.end('a');
  });
  const client = await dial(t, await listen(t, server));
  for (let count = 0; count < 2; count++) {
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.read('\r\n\r\na');
    while (log.length === 0 || log.at(-1) !== 'close') await new Promise(setImmediate);
    assert.deepStrictEqual(log.splice(0), ['once: true, true', 'before: true, true', 'behind: false, false', 'close']);
  }
});

// Before Node 24 a callback of end is a listener as others are.
for (const who of HOST_MAJOR < 24 ? ['listener'] : ['listener', 'callback']) {
  test(
    `a response whose first ${who} throws when it has gone keeps its connection, and those behind it wait`,
    options,
    async (t) => {
      /** @type {string[]} */
      const log = [];
      const thrown = new Error('as a test wants it');
      const onUncaught = (/** @type {Error} */ error) => log.push(error === thrown ? 'thrown' : `${error.stack}`);
      const others = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException').on('uncaughtException', onUncaught);
      t.after(() => {
        process.removeListener('uncaughtException', onUncaught);
        for (const other of others) process.on('uncaughtException', other);
      });
      const fail = () => {
        throw thrown;
      };
      let isLast = false;
      const server = http.createServer((req, res) => {
        log.push(`${req.method} ${req.url}`);
        res.on('close', () => log.push('close'));
        if (isLast) res.setHeader('Connection', 'close');
        if (req.url === '/1' && who === 'listener') res.prependListener('finish', fail);
        res.end('a', req.url === '/1' && who === 'callback' ? fail : undefined);
      });
      const port = await listen(t, server);
      for (isLast of [false, true]) {
        const client = await dial(t, port);
        client.write('GET /1 HTTP/1.1\r\nHost: a\r\n\r\n');
        await client.read('\r\n\r\na');
        while (!log.includes('thrown')) await new Promise(setImmediate);
        client.write('GET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n');
        while (!log.includes('GET /3')) await new Promise(setImmediate);
        for (let turns = 0; turns < 10; turns++) await new Promise(setImmediate);
        assert.deepStrictEqual(log, ['GET /1', 'thrown', 'GET /2', 'GET /3']);
        client.socket.end();
        assert.strictEqual(await client.rest(), '');
        while (!log.includes('close')) await new Promise(setImmediate);
        log.length = 0;
      }
    },
  );
}
