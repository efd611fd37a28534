'use strict';

// The client's pool: who shares a connection, who waits for one, and which are never used again.

const assert = require('node:assert');
const { once } = require('node:events');
const net = require('node:net');
const { test } = require('node:test');
const { http } = require('./support/http.js');
const { deferred, listen, rawServer, textOf } = require('./support/wire.js');

const options = { timeout: 60_000 };
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/**
 * @param {import('node:test').TestContext} t
 * @param {import('node:http').AgentOptions} [agentOptions]
 */
function agentFor(t, agentOptions) {
  const agent = new http.Agent({ keepAlive: true, ...agentOptions });
  t.after(() => agent.destroy());
  return agent;
}

/**
 * @param {import('node:http').Agent} agent @param {number} port
 * @param {import('node:http').RequestOptions} [request]
 */
async function fetchWith(agent, port, request) {
  const req = http.get({ port, host: '127.0.0.1', agent, ...request });
  const [res] = await once(req, 'response');
  const body = await textOf(res);

  return { req, body };
}

/** @param {Record<string, unknown[] | undefined>} table how many there are, by name */
const counts = (table) => Object.fromEntries(Object.entries(table).map(([name, list]) => [name, list?.length]));

/** Waits until `condition` holds, which an event already under way will bring about. @param {() => boolean} condition */
async function eventually(condition) {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

test('one connection serves one request after another', options, async (t) => {
  const server = http.createServer((req, res) => res.end(req.url));
  let connections = 0;
  server.on('connection', () => connections++);
  const port = await listen(t, server);
  const agent = agentFor(t);
  const name = agent.getName({ port, host: '127.0.0.1' });
  for (let i = 0; i < 10; i++) {
    const { req, body } = await fetchWith(agent, port, { path: `/${i}` });
    assert.strictEqual(body, `/${i}`);
    assert.strictEqual(req.reusedSocket, i > 0);
    await eventually(() => agent.freeSockets[name]?.length === 1);
    assert.deepStrictEqual([counts(agent.sockets), counts(agent.requests)], [{}, {}]);
  }
  assert.strictEqual(connections, 1);
});

test('maxSockets makes the others wait, in their order', options, async (t) => {
  // Of each connection: which of two is read first nobody promises, least of all I/O threads.
  /** @type {Map<any, number[]>} */
  const orders = new Map();
  const server = http.createServer((req, res) => {
    orders.get(req.socket)?.push(Number(req.url?.slice(1)));
    setImmediate(() => res.end('ok'));
  });
  server.on('connection', (socket) => orders.set(socket, []));
  const port = await listen(t, server);
  const agent = agentFor(t, { maxSockets: 2 });
  const name = agent.getName({ port, host: '127.0.0.1' });
  const all = Array.from({ length: 12 }, (_, i) => fetchWith(agent, port, { path: `/${i}` }));
  assert.deepStrictEqual([counts(agent.sockets), counts(agent.requests)], [{ [name]: 2 }, { [name]: 10 }]);
  assert.strictEqual(agent.totalSocketCount, 2);
  await Promise.all(all);
  assert.strictEqual(orders.size, 2);
  for (const order of orders.values())
    assert.deepStrictEqual(
      order,
      [...order].sort((a, b) => a - b),
    );
  assert.strictEqual([...orders.values()].flat().length, 12);
});

test('an agent without keepAlive closes each connection', options, async (t) => {
  const headers = [];
  const server = http.createServer((req, res) => {
    headers.push(req.headers.connection);
    res.end('ok');
  });
  let connections = 0;
  server.on('connection', () => connections++);
  const port = await listen(t, server);
  const agent = agentFor(t, { keepAlive: false });
  for (let i = 0; i < 3; i++) await fetchWith(agent, port);
  assert.strictEqual(connections, 3);
  assert.deepStrictEqual(headers, ['close', 'close', 'close']);
  assert.deepStrictEqual(counts(agent.freeSockets), {});
});

test('maxFreeSockets closes what is too many', options, async (t) => {
  const port = await listen(
    t,
    http.createServer((_req, res) => setImmediate(() => res.end('ok'))),
  );
  const agent = agentFor(t, { maxFreeSockets: 1 });
  const name = agent.getName({ port, host: '127.0.0.1' });
  await Promise.all(Array.from({ length: 5 }, () => fetchWith(agent, port)));
  await eventually(() => agent.freeSockets[name]?.length === 1 && agent.sockets[name] === undefined);
});

test('a connection the server has closed while it was idle is not used again', options, async (t) => {
  /** @type {import('node:net').Socket[]} */
  const far = [];
  const port = await rawServer(t, async (peer) => {
    far.push(peer.socket);
    for (;;) {
      await peer.read('\r\n\r\n');
      peer.write(OK);
    }
  });
  const agent = agentFor(t);
  const name = agent.getName({ port, host: '127.0.0.1' });
  for (const end of ['end', 'destroy', 'resetAndDestroy']) {
    await fetchWith(agent, port);
    await eventually(() => agent.freeSockets[name]?.length === 1);
    /** @type {any} */ (far.at(-1))[end]();
    await eventually(() => agent.freeSockets[name] === undefined);
    const { req, body } = await fetchWith(agent, port);
    assert.deepStrictEqual([req.reusedSocket, body], [false, 'ok']);
    agent.destroy();
    await eventually(() => agent.freeSockets[name] === undefined);
  }
});

test('bytes nobody asked for poison an idle connection', options, async (t) => {
  let far = /** @type {import('node:net').Socket | undefined} */ (undefined);
  const port = await rawServer(t, async (peer, index) => {
    far = peer.socket;
    for (;;) {
      await peer.read('\r\n\r\n');
      peer.write(`HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${index}`);
    }
  });
  const agent = agentFor(t);
  const name = agent.getName({ port, host: '127.0.0.1' });
  assert.strictEqual((await fetchWith(agent, port)).body, '0');
  await eventually(() => agent.freeSockets[name]?.length === 1);
  far?.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison');
  await eventually(() => agent.freeSockets[name] === undefined);
  assert.strictEqual((await fetchWith(agent, port)).body, '1');
});

test(
  'a request whose reused connection dies unanswered fails with ECONNRESET and says it was reused',
  options,
  async (t) => {
    const port = await rawServer(t, async (peer) => {
      await peer.read('\r\n\r\n');
      peer.write(OK);
      await peer.read('\r\n\r\n');
      peer.socket.destroy();
    });
    const agent = agentFor(t);
    const name = agent.getName({ port, host: '127.0.0.1' });
    await fetchWith(agent, port);
    await eventually(() => agent.freeSockets[name]?.length === 1);
    const req = http.get({ port, host: '127.0.0.1', agent });
    const [err] = await once(req, 'error');
    assert.deepStrictEqual([err.code, err.message, req.reusedSocket], ['ECONNRESET', 'socket hang up', true]);
  },
);

test(
  'a response that says close, or ends with its connection, is not followed by another on it',
  options,
  async (t) => {
    const answers = [
      'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok',
      'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok',
      'HTTP/1.1 200 OK\r\n\r\nok',
    ];
    const port = await rawServer(t, async (peer, index) => {
      await peer.read('\r\n\r\n');
      if (index < answers.length) peer.socket.end(answers[index]);
      else peer.write(OK);
    });
    const agent = agentFor(t);
    for (let i = 0; i <= answers.length; i++) {
      const { req, body } = await fetchWith(agent, port);
      assert.deepStrictEqual([body, req.reusedSocket], ['ok', false]);
    }
  },
);

test('the Keep-Alive hint of the server bounds how long a connection idles', options, async (t) => {
  const port = await rawServer(t, async (peer) => {
    for (;;) {
      await peer.read('\r\n\r\n');
      peer.write('HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: timeout=0\r\nContent-Length: 2\r\n\r\nok');
    }
  });
  const agent = agentFor(t);
  for (let i = 0; i < 2; i++) {
    const { req } = await fetchWith(agent, port);
    assert.strictEqual(req.reusedSocket, false);
    await eventually(() => Object.keys(agent.sockets).length === 0);
  }
});

test('free, and what a subclass overrides, are asked', options, async (t) => {
  const port = await listen(
    t,
    http.createServer((_req, res) => res.end('ok')),
  );
  const calls = [];
  class Counting extends http.Agent {
    /** @param {any} args */
    createConnection(...args) {
      calls.push('createConnection');
      return /** @type {any} */ (super.createConnection)(...args);
    }

    /** @param {any} socket */
    keepSocketAlive(socket) {
      calls.push('keepSocketAlive');
      return /** @type {any} */ (super.keepSocketAlive)(socket);
    }

    /** @param {any} socket @param {any} request */
    reuseSocket(socket, request) {
      calls.push('reuseSocket');
      return /** @type {any} */ (super.reuseSocket)(socket, request);
    }
  }
  const agent = new Counting({ keepAlive: true });
  t.after(() => agent.destroy());
  const name = agent.getName({ port, host: '127.0.0.1' });
  agent.on('free', () => calls.push('free'));
  await fetchWith(agent, port);
  await eventually(() => agent.freeSockets[name]?.length === 1);
  await fetchWith(agent, port);
  await eventually(() => agent.freeSockets[name]?.length === 1);
  assert.deepStrictEqual(calls, [
    ...['createConnection', 'keepSocketAlive', 'free'],
    ...['reuseSocket', 'keepSocketAlive', 'free'],
  ]);
});

test('createConnection may give any socket, at once or later', options, async (t) => {
  const port = await listen(
    t,
    http.createServer((req, res) => res.end(req.url)),
  );
  const at = () => net.connect(port, '127.0.0.1');
  for (const createConnection of [
    at,
    (/** @type {unknown} */ _options, /** @type {(err: null, socket: net.Socket) => void} */ callback) => {
      setImmediate(() => callback(null, at()));
    },
  ]) {
    const req = http.get({ path: '/mine', createConnection: /** @type {any} */ (createConnection), agent: undefined });
    const [res] = await once(req, 'response');
    assert.strictEqual(await textOf(res), '/mine');
  }
  http.globalAgent.destroy();
});

test('destroying an agent closes its connections, idle and in use', options, async (t) => {
  const used = deferred();
  const server = http.createServer((req, res) => (req.url === '/hang' ? used.resolve(undefined) : res.end('ok')));
  const port = await listen(t, server);
  const agent = agentFor(t);
  await fetchWith(agent, port);
  const hanging = http.get({ port, host: '127.0.0.1', path: '/hang', agent });
  const failed = once(hanging, 'error');
  await used.promise;
  agent.destroy();
  assert.strictEqual((await failed)[0].code, 'ECONNRESET');
  await eventually(() => Object.keys(agent.sockets).length + Object.keys(agent.freeSockets).length === 0);
});

test('a free socket shows no foreign data listener', options, async (t) => {
  const port = await listen(
    t,
    http.createServer((_req, res) => res.end('ok')),
  );
  const agent = agentFor(t);
  const name = agent.getName({ port, host: '127.0.0.1' });
  await fetchWith(agent, port);
  await eventually(() => agent.freeSockets[name]?.length === 1);
  const socket = /** @type {import('node:net').Socket} */ (agent.freeSockets[name]?.[0]);
  assert.strictEqual(socket.listenerCount('data'), 0);
  assert.strictEqual(socket.destroyed, false);
});

test('nor does one that is paused, and it serves again once it is resumed', options, async (t) => {
  let connections = 0;
  const server = http.createServer((_req, res) => void res.end('ok'));
  server.on('connection', () => connections++);
  const port = await listen(t, server);
  const agent = agentFor(t);
  const name = agent.getName({ port, host: '127.0.0.1' });
  await fetchWith(agent, port);
  await eventually(() => agent.freeSockets[name]?.length === 1);
  const socket = /** @type {import('node:net').Socket} */ (agent.freeSockets[name]?.[0]);
  socket.pause();
  assert.deepStrictEqual([socket.listenerCount('data'), socket.isPaused(), socket.readableFlowing], [0, true, false]);
  socket.resume();
  assert.strictEqual(socket.listenerCount('data'), 0);
  for (let round = 0; round < 2; round++) {
    assert.strictEqual((await fetchWith(agent, port)).body, 'ok');
    await eventually(() => agent.freeSockets[name]?.length === 1);
    assert.strictEqual(socket.listenerCount('data'), 0);
  }
  assert.strictEqual(connections, 1);
});
