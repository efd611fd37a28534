const assert = require('node:assert');
const { once } = require('node:events');
const net = require('node:net');
const { test } = require('node:test');
const { http } = require('./support/http.js');
const { listen, request, statuses, talk } = require('./support/raw.js');

const HOST_MAJOR = Number.parseInt(process.versions.node, 10);

/** @param {number} port */
async function connect(port) {
  const socket = net.connect(port, '127.0.0.1');
  socket.setEncoding('latin1');
  await once(socket, 'connect');
  return socket;
}

test('close ends idle connections, and waits for those that are being served', async () => {
  /** @type {import('node:http').ServerResponse | undefined} */
  let held;
  const server = http.createServer((req, res) => {
    if (req.url === '/held') held = res;
    else res.end('x');
    if (req.url === '/held') server.emit('held');
  });
  const port = await listen(server);
  const idle = await connect(port);
  idle.write(request('/'));
  await once(idle, 'data');
  const busy = await connect(port);
  busy.write(request('/held'));
  await once(server, 'held');

  const closed = once(server, 'close');
  server.close();
  idle.resume();
  await once(idle, 'close');
  assert.strictEqual(busy.readyState, 'open');
  held?.setHeader('Connection', 'close');
  held?.end('y');
  const [answer] = await once(busy, 'data');
  assert.deepStrictEqual(statuses(answer), [200]);
  await closed;
});

test('closeAllConnections ends requests in the middle', async () => {
  const server = http.createServer(() => server.emit('begun'));
  const port = await listen(server);
  const socket = await connect(port);
  socket.on('error', () => {});
  socket.write(request('/'));
  await once(server, 'begun');
  server.closeAllConnections();
  await once(socket, 'close');
  await server[Symbol.asyncDispose]();
});

test('a client that goes away aborts its request and closes the response', async () => {
  const server = http.createServer((req, res) => {
    const gone = Promise.all([
      once(req, 'aborted'),
      once(req, 'error').then(([err]) => assert.strictEqual(err.code, 'ECONNRESET')),
      once(res, 'close'),
    ]);
    gone.then(() => server.emit('gone', req, res));
    client.destroy();
  });
  const port = await listen(server);
  const client = await connect(port);
  client.write(request('/', 'Content-Length: 10\r\n', 'POST'));
  const [req, res] = await once(server, 'gone');
  assert.deepStrictEqual([req.aborted, req.complete, res.destroyed, res.writableFinished], [true, false, true, false]);
  await server[Symbol.asyncDispose]();
});

test('after maxRequestsPerSocket requests clients are told to go, and further ones are dropped with 503', async () => {
  const dropped = [];
  const server = http.createServer({ keepAliveTimeout: 20, keepAliveTimeoutBuffer: 0 }, (_req, res) => res.end('x'));
  server.maxRequestsPerSocket = 2;
  server.on('dropRequest', (req) => dropped.push(req.url));
  const port = await listen(server);
  const answer = await talk(port, request('/1') + request('/2') + request('/3'));
  assert.deepStrictEqual(statuses(answer), [200, 200, 503]);
  assert.deepStrictEqual(answer.match(/Connection: .*/g), [
    'Connection: keep-alive',
    'Connection: close',
    'Connection: close',
  ]);
  assert.deepStrictEqual(dropped, ['/3']);
  assert.match(answer, /Keep-Alive: timeout=0, max=2\r\n/);
  await server[Symbol.asyncDispose]();
});

test('the response closes after it has finished, in that order', async () => {
  const order = [];
  const server = http.createServer((_req, res) => {
    res.on('prefinish', () => order.push('prefinish'));
    res.on('finish', () => order.push(`finish ${res.writableFinished} ${res.socket === null}`));
    res.on('close', () => order.push(`close ${res.destroyed}`));
    res.end('x', () => order.push('end callback'));
  });
  const port = await listen(server);
  await talk(port, request('/', 'Connection: close\r\n'));
  await server[Symbol.asyncDispose]();
  // Before Node 24 end()'s callback is one of those who listen for 'finish'.
  const both = HOST_MAJOR < 24 ? ['finish true true', 'end callback'] : ['end callback', 'finish true true'];
  assert.deepStrictEqual(order, ['prefinish', ...both, 'close true']);
});

/**
 * When an answer is given, how much later it is destroyed, and how many answers its connection has then carried.
 * @type {Record<string, [number, (end: () => void, destroy: () => void) => void]>}
 */
const DESTROYED = {
  'in the same callback': [
    1,
    (end, destroy) => {
      end();
      destroy();
    },
  ],
  'in the same callback, later': [
    1,
    (end, destroy) =>
      void setImmediate(() => {
        end();
        destroy();
      }),
  ],
  'in the same callback, behind an await': [
    1,
    async (end, destroy) => {
      await null;
      end();
      destroy();
    },
  ],
  'in a tick': [
    2,
    (end, destroy) => {
      end();
      process.nextTick(destroy);
    },
  ],
  'in an immediate': [
    2,
    (end, destroy) => {
      end();
      setImmediate(destroy);
    },
  ],
  'in a tick, later': [
    2,
    (end, destroy) =>
      void setImmediate(() => {
        end();
        process.nextTick(destroy);
      }),
  ],
};

for (const [when, [count, act]] of Object.entries(DESTROYED)) {
  for (const isHeard of [false, true]) {
    const kept = count > 1 ? 'keeps' : 'closes';
    test(`an answer that is ended and destroyed ${when} ${kept} its connection, ${isHeard ? 'heard' : 'unheard'}`, async () => {
      const server = http.createServer((req, res) => {
        if (req.url === '/last') return void res.setHeader('Connection', 'close').end('x');
        if (isHeard) res.on('finish', () => {});
        act(
          () => res.end('x'),
          () => res.destroy(),
        );
      });
      const client = await connect(await listen(server));
      let text = '';
      client.on('error', () => {});
      client.on('data', (part) => {
        if (text === '') client.write(request('/last'));
        text += part;
      });
      client.write(request('/first'));
      // Not by `once`, which takes the error of one who writes to a closed connection for its own.
      await new Promise((resolve) => client.on('close', resolve));
      await server[Symbol.asyncDispose]();
      assert.strictEqual(statuses(text).length, count);
      assert.ok(text.endsWith('x'));
    });
  }
}

/**
 * What is done with the last answer of a connection, and what its client gets behind the head.
 * @type {Record<string, [string, (req: import('node:http').IncomingMessage, res: import('node:http').ServerResponse) => void]>}
 */
const LAST_ANSWERS = {
  'ended at once': ['x', (_req, res) => res.end('x')],
  'ended later': ['x', (_req, res) => setImmediate(() => res.end('x'))],
  'written, then ended': ['xy', (_req, res) => void res.write('x', () => res.end('y'))],
  'ended with a callback': ['x', (_req, res) => res.end('x', () => {})],
  'followed by bytes of its user': [
    'xy',
    (req, res) => {
      res.end('x');
      req.socket.write('y');
    },
  ],
  'followed by bytes when it has gone': [
    'xy',
    (req, res) => {
      res.write('x', () => req.socket.write('y'));
      res.end();
    },
  ],
  'on a socket that nobody shuts down': [
    'x',
    (req, res) => {
      req.socket.destroySoon = () => {};
      res.end('x');
      req.socket.on('end', () => req.socket.destroy());
    },
  ],
  'on a socket that is destroyed when it has gone': [
    'x',
    (req, res) => void res.on('finish', () => req.socket.destroy()).end('x'),
  ],
};

for (const [what, [expected, answer]] of Object.entries(LAST_ANSWERS)) {
  test(`the last answer of a connection comes whole: ${what}`, async () => {
    const server = http.createServer((req, res) => {
      res.setHeader('Connection', 'close');
      res.setHeader('Content-Length', what.startsWith('written') ? 2 : 1);
      answer(req, res);
    });
    const socket = await connect(await listen(server));
    socket.write(request('/'));
    let got = '';
    socket.on('data', (data) => {
      got += data;
      // Ends it, where the server does not.
      if (got.endsWith(`\r\n\r\n${expected}`)) socket.end();
    });
    await once(socket, 'close');
    assert.strictEqual(got.split('\r\n\r\n')[1], expected);
    await server[Symbol.asyncDispose]();
  });
}

/**
 * Chunked answers whose user ends the socket along with them.
 * @type {Record<string, (res: import('node:http').ServerResponse, socket: any) => void>}
 */
const ENDED_WITH_THE_SOCKET = {
  'by end': (res, socket) => {
    res.write('abc');
    setImmediate(() => {
      res.end();
      socket.end();
    });
  },
  'by destroySoon': (res, socket) => {
    res.write('abc');
    setImmediate(() => {
      res.end();
      socket.destroySoon();
    });
  },
  'in the turn of a part': (res, socket) => {
    res.write('abc');
    res.end();
    socket.end();
  },
  'behind a part that is sent from where it lies': (res, socket) => {
    res.write('abc');
    res.end(Buffer.alloc(20_000, 'x'));
    socket.end();
  },
  'behind more than the kernel takes': (res, socket) => {
    res.write('abc');
    res.end(Buffer.alloc(8_000_000, 'x'));
    socket.end();
  },
};

for (const [how, answer] of Object.entries(ENDED_WITH_THE_SOCKET)) {
  test(`the end of a chunked answer goes before the socket’s: ${how}`, async () => {
    const server = http.createServer((req, res) => {
      res.setHeader('Connection', 'close');
      answer(res, req.socket);
    });
    const socket = await connect(await listen(server));
    socket.write(request('/'));
    let got = '';
    socket.on('data', (data) => (got += data));
    await once(socket, 'close');
    assert.strictEqual(got.slice(-7), '\r\n0\r\n\r\n');
    await server[Symbol.asyncDispose]();
  });
}
