'use strict';

// What its user does to a client's socket that is still connecting: it comes behind what the request has written by then, in the order of the calls, and
// is counted and told as by node:http.

const assert = require('node:assert');
const { once } = require('node:events');
const net = require('node:net');
const { Readable } = require('node:stream');
const { test } = require('node:test');
const stock = require('node:http');
const { http } = require('./support/http.js');
const { listen } = require('./support/wire.js');

const options = { timeout: 60_000 };

/** On `fed` the engine gives the stream what Node keeps corked as soon as something comes behind it: it is under way then, and fails as that does. */
const hasUnderWay = process.env.FERROHTTP_DRIVER === 'fed' && 'fed has under way what Node has corked';
/** Where that shows. */
const CORKED = [
  'behind a part of a body',
  'behind a part of a body, corked by then',
  'not at all, behind a head and a part of a body',
];

/**
 * @param {import('node:test').TestContext} t
 * @param {number} port
 * @param {object} [more]
 */
async function connecting(t, port, more) {
  const req = http.request({
    port,
    host: '127.0.0.1',
    agent: false,
    method: 'POST',
    headers: { 'Content-Length': 8 },
    ...more,
  });
  t.after(() => req.destroy());
  const socket = await new Promise((resolve) => req.once('socket', resolve));
  return { req, socket };
}

/** @typedef {(req: import('..').ClientRequest, socket: import('node:net').Socket & Record<string, any>) => any} Play */

/** @type {Play} */
async function writeLater(req, socket) {
  const write = socket.write.bind(socket);
  req.flushHeaders();
  await once(socket, 'ready');
  await new Promise(setImmediate);
  req.write('aaaa');
  write('RAW');
  req.end('bbbb');
}

/** '#': the head. @type {Record<string, [wire: string, play: Play]>} */
const PLAYS = {
  'behind a head': [
    '#RAWaaaabbbb',
    (req, socket) => {
      req.flushHeaders();
      socket.write('RAW');
      req.end('aaaabbbb');
    },
  ],
  'behind a part of a body': [
    '#aaaaRAWbbbb',
    (req, socket) => {
      req.write('aaaa');
      socket.write('RAW');
      req.end('bbbb');
    },
  ],
  'behind a whole message': [
    '#aaaabbbbRAW',
    (req, socket) => {
      req.end('aaaabbbb');
      socket.write('RAW');
    },
  ],
  'before a head that is written later': [
    'RAW#aaaabbbb',
    (req, socket) => {
      socket.write('RAW');
      req.end('aaaabbbb');
    },
  ],
  'in turn with the request': [
    '#0aa1aa2bb3bb4',
    async (req, socket) => {
      req.flushHeaders();
      socket.write('0');
      req.write('aa');
      socket.write('1');
      req.write('aa');
      socket.write('2');
      await null;
      req.write('bb');
      process.nextTick(() => {
        socket.write('3');
        req.end('bb');
        socket.write('4');
      });
    },
  ],
  'in encodings of its own': [
    '#aaRAV\u00e9',
    (req, socket) => {
      req.flushHeaders();
      req.write('aa');
      socket.write('5241', 'hex');
      socket.write('V', /** @type {any} */ (null));
      socket.write(Buffer.from('\u00e9', 'latin1'));
    },
  ],
  'corked by its user': [
    '#RAWaaaabbbb',
    (req, socket) => {
      req.flushHeaders();
      socket.cork();
      socket.write('RAW');
      req.write('aaaa');
      socket.uncork();
      req.end('bbbb');
    },
  ],
  'corked by its user behind a part of a body': [
    '#aaaaRAWbbbb',
    async (req, socket) => {
      req.write('aaaa');
      socket.cork();
      socket.write('RAW');
      socket.uncork();
      await null;
      req.end('bbbb');
    },
  ],
  'from a stream that is piped': [
    '#aaaaRAWbbbb',
    async (req, socket) => {
      req.write('aaaa');
      const source = Readable.from(['R', 'AW']);
      source.pipe(socket, { end: false });
      await once(source, 'end');
      req.end('bbbb');
    },
  ],
  'from a listener of its connecting': [
    '#aaaaccRAWbb',
    (req, socket) => {
      req.write('aaaa');
      socket.on('connect', () => {
        req.write('cc');
        socket.write('RAW');
        req.end('bb');
      });
    },
  ],
  'from a listener of its being ready': [
    '#aaaaRAWbbbb',
    (req, socket) => {
      req.write('aaaa');
      socket.on('ready', () => {
        socket.write('RAW');
        req.end('bbbb');
      });
    },
  ],
  'with its end': [
    '#RAW.',
    (req, socket) => {
      req.flushHeaders();
      socket.end('RAW');
    },
  ],
  'with its end, behind a whole message': [
    '#aaaabbbbRAW.',
    (req, socket) => {
      req.end('aaaabbbb');
      socket.write('R');
      socket.end('4157', 'hex');
    },
  ],
  'with an end alone': [
    '#aaaabbbb.',
    (req, socket) => {
      req.end('aaaabbbb');
      socket.end();
    },
  ],
  'with destroySoon': [
    '#aaaabbbb.',
    (req, socket) => {
      req.end('aaaabbbb');
      socket.destroySoon();
    },
  ],
  'by a write that was taken while it was connecting, once it is connected': ['#aaaaRAWbbbb', writeLater],
  'by a write that was taken while it was connecting, once others read the socket': [
    '#aaaaRAWbbbb',
    (req, socket) =>
      writeLater(
        req,
        socket.on('data', () => {}),
      ),
  ],
  'by an end that was taken while it was connecting, once it is connected': [
    '#aaaaRAW.',
    async (req, socket) => {
      const end = socket.end.bind(socket);
      req.flushHeaders();
      await once(socket, 'ready');
      await new Promise(setImmediate);
      req.write('aaaa');
      end('RAW');
    },
  ],
};

for (const [name, [expected, play]] of Object.entries(PLAYS)) {
  test(`what a user writes to a connecting socket keeps its place: ${name}`, options, async (t) => {
    const server = net.createServer();
    const port = await listen(t, server);
    const accepted = once(server, 'connection');
    const req = http.request({
      port,
      host: '127.0.0.1',
      agent: false,
      method: 'POST',
      headers: { 'Content-Length': 8 },
    });
    req.on('error', () => {});
    t.after(() => req.destroy());
    const played = new Promise((resolve, reject) =>
      req.once('socket', (socket) => Promise.resolve(play(req, socket)).then(resolve, reject)),
    );
    const [peer] = await accepted;
    t.after(() => peer.destroy());
    peer.setEncoding('latin1').on('error', () => {});
    let text = '';
    await new Promise((resolve) => {
      const look = () => {
        const seen = text.replace(/POST[\s\S]*?\r\n\r\n/, '#');
        if (seen.includes('#') && seen.length >= expected.length) resolve(undefined);
      };
      peer.on('data', (part) => {
        text += part;
        look();
      });
      peer.on('end', () => {
        text += '.';
        look();
      });
    });
    await played;
    assert.strictEqual(text.replace(/POST[\s\S]*?\r\n\r\n/, '#'), expected);
  });
}

test(
  'a write that was put over a connecting socket’s sees what is written behind it, and no head that was before',
  options,
  async (t) => {
    const server = net.createServer((peer) => peer.resume().on('error', () => {}));
    const port = await listen(t, server);
    const { req, socket } = await connecting(t, port);
    req.on('error', () => {});
    const seen = [];
    req.flushHeaders();
    const { write } = socket;
    socket.write = function (data, ...rest) {
      if (data.length > 0) seen.push(String(data));
      return write.call(this, data, ...rest);
    };
    socket.write('RAW');
    req.write('aaaa');
    await new Promise((resolve) => req.end('bbbb', () => resolve(undefined)));
    assert.deepStrictEqual(seen, ['RAW', 'aaaa', 'bbbb']);
  },
);

test('who writes to a connecting socket and its request is called in the order of the calls', options, async (t) => {
  const server = net.createServer((peer) => peer.resume().on('error', () => {}));
  const port = await listen(t, server);
  const { req, socket } = await connecting(t, port);
  req.on('error', () => {});
  const log = [];
  const told = (name) => (error) => log.push(error ? `${name} ${error.code}` : name);
  req.flushHeaders();
  req.write('aa', told('1'));
  socket.write('RAW', told('2'));
  req.write('aa', told('3'));
  await null;
  socket.cork();
  socket.write('RAW', told('4'));
  req.write('bb', told('5'));
  socket.uncork();
  socket.write('RAW', 'latin1', told('6'));
  await new Promise((resolve) => {
    req.on('finish', () => resolve(log.push('finish')));
    req.end('bb');
  });
  assert.deepStrictEqual(log, ['1', '2', '3', '4', '5', '6', 'finish']);
});

/** What a request has written by then, without its head: [what it is, the bytes it has]. @type {Record<string, [play: Play, size: number]>} */
const WRITTEN = {
  nothing: [() => {}, 0],
  'a head': [(req) => req.flushHeaders(), 0],
  'a part of a body': [(req) => req.write('aaaa'), 4],
  'a whole message': [(req) => req.end('aaaabbbb'), 8],
};

for (const [name, [play, size]] of Object.entries(WRITTEN)) {
  test(`a connecting socket counts ${name} and what its user has written`, options, async (t) => {
    const server = net.createServer((peer) => peer.resume().on('error', () => {}));
    const port = await listen(t, server);
    let seen;
    const req = http.request({
      port,
      host: '127.0.0.1',
      agent: false,
      method: 'POST',
      headers: { 'Content-Length': 8 },
    });
    req.on('error', () => {});
    t.after(() => req.destroy());
    const socket = await new Promise((resolve) => {
      req.once('socket', (/** @type {any} */ socket) => {
        play(req, socket);
        const figures = () => [socket.writableLength, socket.bytesWritten, socket.bufferSize, req.writableLength];
        const head = req.headersSent || size > 0 ? req._header.length : 0;
        seen = [head, figures()];
        const isAccepted = socket.write('RAW');
        seen.push(isAccepted, socket.writableNeedDrain, figures(), Object.keys(socket).includes('write'));
        resolve(socket);
      });
    });
    const [head, before, ...rest] = seen;
    const own = req.headersSent && name !== 'nothing' ? head + size : 0;
    assert.deepStrictEqual(before, [own, own, own, own]);
    const both = own + 3;
    assert.deepStrictEqual(rest, [true, false, [both, both, both, both], false]);
    await once(socket, 'connect');
    while (socket.writableLength > 0) await new Promise(setImmediate);
    assert.ok(socket.bytesWritten >= both);
    assert.deepStrictEqual([socket.bufferSize, req.writableLength], [0, 0]);
  });
}

test(
  'a connecting socket that has more to write than it wants says so, and tells when it has written it',
  options,
  async (t) => {
    const server = net.createServer((peer) => peer.resume().on('error', () => {}));
    const port = await listen(t, server);
    for (const isMine of [false, true]) {
      const { req, socket } = await connecting(t, port);
      req.on('error', () => {});
      const log = [];
      socket.on('drain', () => log.push(`socket ${socket.writableLength} ${socket.writableNeedDrain}`));
      req.on('drain', () => log.push('request'));
      req.removeHeader('Content-Length');
      const much = 'x'.repeat(2 * socket.writableHighWaterMark);
      assert.strictEqual(req.write(much), false);
      // Fed, the stream has it by then.
      for (let ticks = 0; ticks < 2; ticks++) await new Promise(process.nextTick);
      assert.deepStrictEqual([socket.writableNeedDrain, req.writableNeedDrain], [true, true]);
      assert.ok(socket.writableLength >= much.length && socket.bytesWritten >= much.length);
      if (isMine) assert.strictEqual(socket.write('RAW'), false);
      assert.ok(socket.connecting);
      await once(req, 'drain');
      await new Promise(setImmediate);
      assert.deepStrictEqual(log, ['request', 'socket 0 false']);
      assert.strictEqual(socket.writableNeedDrain, false);
      req.destroy();
    }
  },
);

test(
  'a connecting socket whose user writes too much tells him and the request when it has written it',
  options,
  async (t) => {
    const server = net.createServer((peer) => peer.resume().on('error', () => {}));
    const port = await listen(t, server);
    const { req, socket } = await connecting(t, port);
    req.on('error', () => {});
    req.flushHeaders();
    const drained = once(socket, 'drain');
    assert.strictEqual(socket.write('x'.repeat(socket.writableHighWaterMark)), false);
    assert.strictEqual(socket.writableNeedDrain, true);
    assert.strictEqual(req.write('aaaa'), false);
    await drained;
    assert.deepStrictEqual([socket.writableLength, socket.writableNeedDrain, req.writableNeedDrain], [0, false, false]);
    assert.strictEqual(req.write('bbbb'), true);
  },
);

/** A port that refuses, and that no other test is given meanwhile: tcpmux's, which nobody serves. */
const REFUSING = 1;

/** @typedef {(name: string) => (error?: any) => void} Told */

/** @type {Record<string, (req: import('..').ClientRequest, socket: any, told: Told) => any>} */
const FAILING = {
  'behind a head': (req, socket, told) => {
    req.flushHeaders();
    socket.write('raw', told('1'));
    req.write('aa', told('2'));
    socket.write('raw', told('3'));
  },
  'behind a part of a body': (req, socket, told) => {
    req.write('aa', told('1'));
    socket.write('raw', told('2'));
    req.write('aa', told('3'));
  },
  'behind a head and a part of a body': (req, socket, told) => {
    req.flushHeaders();
    req.write('aa', told('1'));
    socket.write('raw', told('2'));
  },
  'behind a head, and parts of a body, each in a tick': async (req, socket, told) => {
    req.flushHeaders();
    await new Promise(process.nextTick);
    req.write('aa', told('1'));
    await new Promise(process.nextTick);
    req.write('aa', told('2'));
    await new Promise(process.nextTick);
    socket.write('raw', told('3'));
  },
  'behind a part of a body that was sent in a tick': async (req, socket, told) => {
    req.write('aa', told('1'));
    await new Promise(process.nextTick);
    await new Promise(process.nextTick);
    req.write('aa', told('2'));
    socket.write('raw', told('3'));
  },
  'behind a whole message': (req, socket, told) => {
    req.write('aaaa', told('1'));
    req.end('bbbb', told('end'));
    socket.write('raw', told('2'));
    socket.write('raw', told('3'));
  },
  'behind a whole message, ended': (req, socket, told) => {
    req.end('aaaabbbb', told('end'));
    socket.end('raw', told('1'));
  },
  'behind what was written before it had a socket': async (req, socket, told) => {
    await new Promise(process.nextTick);
    req.write('bb', told('1'));
    socket.write('raw', told('2'));
  },
  'before a head': (req, socket, told) => {
    socket.write('raw', told('1'));
    req.write('aa', told('2'));
    socket.write('raw', told('3'));
  },
  'behind a part of a body, corked by then': (req, socket, told) => {
    req.write('aa', told('1'));
    socket.cork();
    socket.write('raw', told('2'));
    req.write('aa', told('3'));
    socket.uncork();
    socket.write('raw', told('4'));
  },
  'not at all, behind a part of a body': (req, _socket, told) => {
    req.write('aa', told('1'));
  },
  'not at all, behind a head and a part of a body': (req, _socket, told) => {
    req.flushHeaders();
    req.write('aa', told('1'));
  },
  'not at all, behind a head and a part of a body, in ticks': async (req, _socket, told) => {
    req.flushHeaders();
    await new Promise(process.nextTick);
    req.write('aa', told('1'));
    await new Promise(process.nextTick);
    await new Promise(process.nextTick);
    req.end('aa', told('2'));
  },
  'not at all, behind a head and an end': (req, _socket, told) => {
    req.flushHeaders();
    req.end('aaaabbbb', told('1'));
  },
  corked: (req, socket, told) => {
    req.flushHeaders();
    socket.cork();
    socket.write('raw', told('1'));
    req.write('aa', told('2'));
    socket.uncork();
  },
};

/** How the connecting fails. @type {Record<string, { before?: (socket: net.Socket) => void, behind?: (socket: net.Socket) => void }>} */
const FAILURES = {
  'is refused': {},
  'is destroyed': { behind: (socket) => socket.destroy() },
  'is destroyed for an error': { behind: (socket) => socket.destroy(Object.assign(new Error(), { code: 'MINE' })) },
  'is destroyed in a tick': { behind: (socket) => process.nextTick(() => socket.destroy()) },
  'is destroyed before': { before: (socket) => socket.destroy() },
};

/** @param {any} http @param {typeof FAILING['']} play @param {typeof FAILURES['']} failure @param {boolean} isEarly */
async function fail(http, play, { before, behind }, isEarly) {
  const log = [];
  const told = (/** @type {string} */ name) => (/** @type {any} */ error) => log.push(`${name} ${error?.code}`);
  const req = http.request({
    port: REFUSING,
    host: '127.0.0.1',
    agent: false,
    method: 'POST',
    headers: { 'Content-Length': 8 },
  });
  req.on('error', told('error'));
  if (isEarly) req.write('aa', told('0'));
  let socket;
  req.once('socket', (given) => {
    socket = given;
    socket.on('error', told('socket error'));
    socket.on('close', () => log.push('socket close'));
    before?.(socket);
    play(req, socket, told);
    log.push(`waits: ${socket.writableLength > 0}`);
    behind?.(socket);
  });
  await new Promise((resolve) => req.on('close', resolve));
  log.push('close');
  // What is told behind it.
  for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
  log.push(`left: ${socket.writableLength}`);
  return log;
}

for (const [end, failure] of Object.entries(FAILURES)) {
  for (const [name, play] of Object.entries(FAILING)) {
    test(`who writes to a socket whose connecting ${end} is told as by node:http: ${name}`, {
      ...options,
      skip: CORKED.includes(name) && hasUnderWay,
    }, async () => {
      const isEarly = name === 'behind what was written before it had a socket';
      const expected = await fail(stock, play, failure, isEarly);
      assert.deepStrictEqual(await fail(http, play, failure, isEarly), expected);
    });
  }
}

test(
  'a socket whose class has a write of its own is written to past that, as net.Socket has it once it connects',
  options,
  async (t) => {
    const calls = [];
    class Own extends net.Socket {
      /** @param {any[]} args */
      write(...args) {
        calls.push(args[0]);
        return super.write(.../** @type {[any]} */ (args));
      }
    }
    const server = stock.createServer((req, res) => void req.resume().on('end', () => res.end('x')));
    const port = await listen(t, server);
    const req = http.request({ method: 'POST', createConnection: () => new Own().connect(port, '127.0.0.1') });
    req.write('a');
    req.once('socket', () => req.end('b'));
    const [res] = await once(req, 'response');
    await once(res.resume(), 'end');
    assert.deepStrictEqual(calls, []);
  },
);

test(
  'a socket that its user has written to before its request begins says once that more may follow',
  options,
  async (t) => {
    const far = net.createServer((socket) => void socket.on('error', () => {}).resume());
    const port = await listen(t, far);
    const drains = [];
    const req = http.request({
      method: 'POST',
      host: 'x',
      createConnection() {
        const socket = net.connect(port, '127.0.0.1');
        socket.write('before');
        return socket;
      },
    });
    t.after(() => req.destroy());
    req.on('error', () => {});
    const [socket] = await once(req, 'socket');
    socket.on('drain', () => drains.push(socket.writableLength));
    assert.strictEqual(req.write('x'.repeat(90_000)), false);
    await once(req, 'drain');
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepStrictEqual(drains, [0]);
  },
);

test('the end of a request fails with the head that it goes with, where nothing connects', {
  ...options,
  // Before Node 24 its callback waits for a 'finish' that never comes.
  skip: Number.parseInt(process.versions.node, 10) < 24 || hasUnderWay,
}, async (t) => {
  const req = http.request({ port: REFUSING, host: '127.0.0.1', agent: false, method: 'POST' });
  t.after(() => req.destroy());
  req.on('error', () => {});
  req.flushHeaders();
  /** @type {any} */
  const error = await new Promise((resolve) => req.once('socket', () => req.end('body', resolve)));
  assert.strictEqual(error?.code, 'ERR_SOCKET_CLOSED_BEFORE_CONNECTION');
});
