'use strict';

// What `write` is given goes out in a tick, as Node corks the socket until then. Who destroys it before has sent nothing of it.

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const net = require('node:net');
const { Readable, getDefaultHighWaterMark } = require('node:stream');
const { test } = require('node:test');
const { registerArgs } = require('./support/child.js');
const { http, stock } = require('./support/http.js');
const { listen } = require('./support/wire.js');

const options = { timeout: 60_000 };
const SMALL = 'hello';
const LARGE = Buffer.alloc(40_000, 'l');

/**
 * What a client gets until the connection ends.
 * @param {import('node:test').TestContext} t
 * @param {(req: any, res: any) => void} handler
 * @param {number} [requests] in one segment
 */
async function received(t, handler, requests = 1) {
  const port = await listen(t, http.createServer(handler));
  const socket = net.connect(port, '127.0.0.1');
  t.after(() => socket.destroy());
  let text = '';
  socket.on('error', () => {});
  socket.on('data', (part) => {
    text += part;
  });
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(requests));
  await once(socket, 'close');
  return text;
}

for (const [name, part] of /** @type {const} */ ([
  ['small', SMALL],
  ['large', LARGE],
])) {
  test(`a ${name} part is lost, and its head, when the response is destroyed in the same tick`, options, async (t) => {
    const told = [];
    const text = await received(t, (_req, res) => {
      res.write(part, (error) => told.push(error?.code));
      res.destroy();
    });
    assert.strictEqual(text, '');
    assert.deepStrictEqual(told, ['ERR_STREAM_DESTROYED']);
  });

  test(`a ${name} part is sent when the response is destroyed in a later tick`, options, async (t) => {
    const text = await received(t, (_req, res) => {
      res.write(part);
      process.nextTick(() => res.destroy());
    });
    assert.match(text, /^HTTP\/1.1 200 OK\r\n/);
    assert.ok(text.includes(part.toString()));
  });

  test(`a stream's error behind its first ${name} part, in its tick, sends nothing`, options, async (t) => {
    const text = await received(t, (_req, res) => {
      const source = new Readable({
        read() {
          this.push(part);
          source.destroy(new Error('no more'));
        },
      });
      source.on('error', () => res.destroy());
      source.pipe(res);
    });
    assert.strictEqual(text, '');
  });

  test(`what ended before in the same tick is sent, and a ${name} part behind it is not`, options, async (t) => {
    let first = true;
    const text = await received(
      t,
      (_req, res) => {
        if (first) {
          first = false;
          res.end('first');
        } else {
          process.nextTick(() => {
            res.write(part);
            _req.socket.destroy();
          });
        }
      },
      2,
    );
    assert.match(text, /first$/);
    assert.strictEqual(text.match(/HTTP\/1.1/g)?.length, 1);
  });

  test(`a request's ${name} part is lost when the request is destroyed in the same tick`, options, async (t) => {
    let text = '';
    const server = net.createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', (data) => {
        text += data;
        if (request.destroyed) return;
        request.write(part);
        request.destroy();
      });
      socket.on('close', () => server.emit('over'));
    });
    const port = await listen(t, server);
    const request = http.request({ port, method: 'POST', agent: false });
    request.on('error', () => {});
    request.flushHeaders();
    await once(server, 'over');
    assert.match(text, /\r\n\r\n$/);
  });
}

for (const [name, parts] of /** @type {const} */ ([
  ['a large part and a small one', [LARGE, SMALL]],
  ['two large parts', [LARGE, LARGE]],
  ['more small parts than a ring holds', Array(400).fill('x'.repeat(1000))],
  ['more text than a ring holds', ['x'.repeat(400_000)]],
])) {
  test(`${name} are lost when the response is destroyed in the same tick`, options, async (t) => {
    const text = await received(t, (_req, res) => {
      for (const part of parts) res.write(part);
      res.destroy();
    });
    assert.strictEqual(text, '');
  });
}

test('who writes much in one tick is told to wait by all that he has written', options, async (t) => {
  /** @type {any[]} */
  const told = [];
  const text = await received(t, (_req, res) => {
    res.setHeader('Connection', 'close');
    for (let i = 0; i < 6; i++) told.push(res.write(Buffer.alloc(17_000)));
    res.on('drain', () => {
      told.push('drain');
      res.end();
    });
  });
  const most = Math.ceil(getDefaultHighWaterMark(false) / 17_000);
  assert.deepStrictEqual(told, [...Array.from({ length: 6 }, (_, i) => i + 1 < most), 'drain']);
  assert.ok(text.length > 6 * 17_000);
});

test(
  'what a process that exits has written in the same tick is lost, and what it has ended is sent',
  options,
  async () => {
    const program = `
    const http = require('http');
    const net = require('net');
    let first = true;
    const server = http.createServer((req, res) => {
      if (first) { first = false; res.end('ended'); return; }
      process.nextTick(() => { res.write('written'); process.exit(); });
    }).listen(0, () => process.send(server.address().port));`;
    const child = spawn(process.execPath, [...registerArgs, '-e', program], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const [port] = await once(child, 'message');
    const socket = net.connect(port, '127.0.0.1');
    let text = '';
    socket.setEncoding('latin1').on('data', (part) => {
      text += part;
    });
    socket.on('error', () => {});
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(2));
    await once(socket, 'close');
    assert.match(text, /ended$/);
  },
);

// What is fed to a stream is copied when it is written.
const skip = process.env.FERROHTTP_DRIVER === 'fed';

test('a large part is what it is when its tick comes', { ...options, skip }, async (t) => {
  const text = await received(t, (_req, res) => {
    const part = Buffer.alloc(40_000, 'a');
    res.setHeader('Connection', 'close');
    res.write(part);
    part.fill('b');
    setImmediate(() => res.end());
  });
  assert.ok(text.includes('b'.repeat(40_000)));
});

// Stock sends the frame of a part without the part.
test('a large part whose memory is given away before its tick ends the connection', {
  ...options,
  skip: skip || stock,
}, async (t) => {
  const text = await received(t, (_req, res) => {
    const part = Buffer.from(new ArrayBuffer(40_000));
    res.write(part);
    structuredClone(part.buffer, { transfer: [part.buffer] });
    res.end('tail');
  });
  assert.doesNotMatch(text, /tail/);
});

test('several large parts of one tick arrive in order with what is between them', options, async (t) => {
  const text = await received(t, (_req, res) => {
    res.useChunkedEncodingByDefault = false;
    res.setHeader('Connection', 'close');
    for (const letter of 'abc') {
      res.write(letter);
      res.write(Buffer.alloc(20_000, letter.toUpperCase()));
    }
    res.end('z');
  });
  const body = text.slice(text.indexOf('\r\n\r\n') + 4);
  assert.strictEqual(body, `${['a', 'b', 'c'].map((l) => l + l.toUpperCase().repeat(20_000)).join('')}z`);
});
