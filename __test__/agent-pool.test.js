'use strict';

const assert = require('node:assert');
const { AsyncLocalStorage } = require('node:async_hooks');
const { once } = require('node:events');
const net = require('node:net');
const path = require('node:path');
const { test } = require('node:test');
const { http, stock } = require('./support/http.js');
const { answer, response, startPeer, until } = require('./support/peer.js');

/** @typedef {import('node:http').AgentOptions} AgentOptions */

/**
 * A peer that answers each request with its target, and an Agent for it.
 * @param {AgentOptions} [options]
 * @param {string} [fields]
 */
async function pool(options, fields) {
  const peer = await startPeer((socket, head) => socket.write(response(head.split(' ')[1], fields)));
  const agent = new http.Agent({ keepAlive: true, ...options });
  const target = { host: '127.0.0.1', port: peer.port, agent };
  return {
    peer,
    agent,
    name: agent.getName(target),
    get: (/** @type {string} */ path) => http.get({ ...target, path }),
    async close() {
      agent.destroy();
      await peer.close();
    },
  };
}

test('a socket is used again, and its listeners do not gather', async () => {
  const { agent, name, get, close } = await pool();
  const counts = [];
  const first = get('/');
  await answer(first);
  const { socket } = first;
  for (let i = 0; i < 12; i++) {
    await until(() => agent.freeSockets[name]);
    const req = get(`/${i}`);
    const { body } = await answer(req);
    assert.strictEqual(body, `/${i}`);
    assert.strictEqual(req.socket, socket);
    assert.strictEqual(req.reusedSocket, true);
    counts.push(
      socket
        .eventNames()
        .map((event) => `${String(event)} ${socket.listenerCount(event)}`)
        .sort()
        .join(),
    );
  }
  assert.strictEqual(new Set(counts).size, 1);
  await until(() => agent.freeSockets[name]);
  assert.deepStrictEqual(
    ['readable', 'drain', 'error', 'end', 'timeout'].map((event) => socket.listenerCount(event)),
    [0, 0, 1, 1, 1],
  );
  // A stream that is read through its events cannot hide it.
  if (process.env.FERROHTTP_DRIVER !== 'fed') assert.strictEqual(socket.listenerCount('data'), 0);
  await close();
});

test('a socket that the server closed while it lay idle is not handed out', async () => {
  const { peer, agent, name, get, close } = await pool();
  await answer(get('/one'));
  await until(() => agent.freeSockets[name]);
  const [socket] = agent.freeSockets[name];
  peer.sockets[0].end();
  await until(() => socket.destroyed);
  const req = get('/two');
  assert.strictEqual((await answer(req)).body, '/two');
  assert.strictEqual(req.reusedSocket, false);
  await close();
});

test('bytes on an idle socket are never taken for a response', async () => {
  const { peer, agent, name, get, close } = await pool();
  await answer(get('/one'));
  await until(() => agent.freeSockets[name]);
  const [socket] = agent.freeSockets[name];
  peer.sockets[0].write(response('poison'));
  await until(() => socket.destroyed);
  const { body } = await answer(get('/two'));
  assert.strictEqual(body, '/two');
  await close();
});

/** Stock http is not asked for it. */
const skip = stock;

test('bytes that came on an idle socket are seen before the loop has told of them', { skip }, async () => {
  const { peer, agent, name, get, close } = await pool();
  await answer(get('/one'));
  await until(() => agent.freeSockets[name]);
  // In a turn of its own: what is read together is looked at but once.
  await new Promise((resolve) => setTimeout(resolve, 5));
  // It is with the kernel when write() returns, and nobody has had a turn to read it when the next request asks for a socket.
  peer.sockets[0].write(response('poison'));
  const req = get('/two');
  const { body } = await answer(req);
  assert.deepStrictEqual({ body, reused: req.reusedSocket }, { body: '/two', reused: false });
  await close();
});

test('they are seen from a write’s callback too, long after the socket was read', { skip }, async () => {
  const { peer, agent, name, get, close } = await pool();
  const other = await pool();
  await answer(other.get('/'));
  await until(() => other.agent.freeSockets[other.name]);
  await answer(get('/one'));
  await until(() => agent.freeSockets[name]);
  await new Promise((resolve) => setTimeout(resolve, 5));
  const slow = http.request({ host: '127.0.0.1', port: other.peer.port, agent: other.agent, method: 'POST' });
  const second = new Promise((resolve) => {
    // Nothing has been read since the response to '/one', when this is called.
    slow.write('x', () => {
      peer.sockets[0].write(response('poison'));
      resolve(get('/two'));
    });
  });
  const req = await second;
  const { body } = await answer(req);
  assert.deepStrictEqual({ body, reused: req.reusedSocket }, { body: '/two', reused: false });
  slow.on('error', () => {});
  slow.destroy();
  await other.close();
  await close();
});

test('a request that waited is not given a socket with bytes on it', { skip }, async () => {
  const { peer, agent, get, close } = await pool({ maxSockets: 1 });
  const first = get('/one');
  const second = answer(get('/two'));
  const [res] = await once(first, 'response');
  // Read late, so that what follows is no part of the same reading.
  await new Promise((resolve) => setTimeout(resolve, 5));
  res.on('end', () => peer.sockets[0].write(response('poison')));
  res.resume();
  assert.strictEqual((await second).body, '/two');
  assert.strictEqual(agent.totalSocketCount, 1);
  await close();
});

test('a second response to one request is never the answer to the next', async () => {
  const peer = await startPeer((socket, _head, count) => {
    socket.write(count === 1 ? response('one') + response('poison') : response('two'));
  });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const target = { host: '127.0.0.1', port: peer.port, agent };
  const both = await Promise.all([answer(http.get(target)), answer(http.get(target))]);
  assert.deepStrictEqual(
    both.map(({ body }) => body),
    ['one', 'two'],
  );
  agent.destroy();
  await peer.close();
});

test('requests over maxSockets wait, each with its own async context', async () => {
  const storage = new AsyncLocalStorage();
  const { agent, name, get, close } = await pool({ maxSockets: 1 });
  const seen = [];
  const all = ['/a', '/b', '/c'].map((path) =>
    storage.run(path, async () => {
      const req = get(path);
      for (const event of ['socket', 'finish', 'response', 'close']) {
        req.on(event, () => seen.push(`${event} ${storage.getStore()}`));
      }
      req.on('response', (res) => {
        res.on('data', () => seen.push(`data ${storage.getStore()}`));
        res.on('end', () => seen.push(`end ${storage.getStore()}`));
      });
      await once(req, 'close');
    }),
  );
  assert.strictEqual(agent.sockets[name].length, 1);
  assert.strictEqual(agent.requests[name].length, 2);
  await Promise.all(all);
  for (const path of ['/a', '/b', '/c']) {
    const events = seen.filter((entry) => entry.endsWith(` ${path}`)).map((entry) => entry.split(' ')[0]);
    assert.deepStrictEqual(events, ['socket', 'finish', 'response', 'data', 'end', 'close']);
  }
  await close();
});

for (const scheduling of /** @type {const} */ (['lifo', 'fifo'])) {
  test(`scheduling '${scheduling}'`, async () => {
    const { agent, name, get, close } = await pool({ scheduling });
    const [one, two] = [get('/1'), get('/2')];
    await Promise.all([answer(one), answer(two)]);
    await until(() => agent.freeSockets[name]?.length === 2);
    const [first, last] = agent.freeSockets[name];
    const req = get('/3');
    await answer(req);
    assert.strictEqual(req.socket, scheduling === 'fifo' ? first : last);
    await close();
  });
}

test("the server's Keep-Alive hint limits how long a socket is kept", async () => {
  const hinted = await pool({ timeout: 60_000 }, 'Keep-Alive: timeout=5\r\n');
  await answer(hinted.get('/'));
  await until(() => hinted.agent.freeSockets[hinted.name]);
  assert.strictEqual(hinted.agent.freeSockets[hinted.name][0].timeout, 4000);
  await hinted.close();

  const tooShort = await pool({}, 'Keep-Alive: timeout=1\r\n');
  const req = tooShort.get('/');
  await answer(req);
  await until(() => req.socket.destroyed);
  assert.strictEqual(tooShort.agent.freeSockets[tooShort.name], undefined);
  await tooShort.close();
});

test('a response that comes before the request is finished frees the socket only afterwards', async () => {
  const peer = await startPeer((socket, head, count) => {
    if (head.startsWith('POST') || count > 1) socket.write(response(head.split(' ')[1]));
  });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const target = { host: '127.0.0.1', port: peer.port, agent };
  const post = http.request({ ...target, method: 'POST', path: '/post', headers: { 'Content-Length': 8 } });
  post.write('half');
  await answer(post);
  const get = http.get({ ...target, path: '/get' });
  const answered = answer(get);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.strictEqual(get.socket, null);
  post.end('half');
  await once(get, 'socket');
  assert.strictEqual(get.reusedSocket, false);
  agent.destroy();
  await assert.rejects(Promise.race([answered, once(get, 'never')]), { code: 'ECONNRESET' });
  await peer.close();
});

test('createConnection may give its socket later, through the callback', async () => {
  class Later extends http.Agent {
    /** @param {any} options @param {any} callback @returns {any} */
    createConnection(options, callback) {
      const socket = net.connect(options);
      socket.once('connect', () => callback(null, socket));
    }
  }
  const peer = await startPeer((socket) => socket.write(response('late')));
  const agent = new Later();
  assert.strictEqual((await answer(http.get({ host: '127.0.0.1', port: peer.port, agent }))).body, 'late');
  await peer.close();
});

test("an error of createConnection is the request's", async () => {
  class Failing extends http.Agent {
    /** @param {any} options @param {any} callback @returns {any} */
    createConnection(_options, callback) {
      process.nextTick(callback, new Error('no way'));
    }
  }
  const req = http.get({ host: '127.0.0.1', port: 1, agent: new Failing() });
  const [err] = await once(req, 'error');
  assert.strictEqual(err.message, 'no way');
});

test('maxTotalSockets holds over all names', async () => {
  const one = await pool({ maxTotalSockets: 1 });
  const other = await startPeer((socket) => socket.write(response('other')));
  const bodies = Promise.all([
    answer(one.get('/here')),
    answer(http.get({ host: '127.0.0.1', port: other.port, agent: one.agent })),
  ]);
  assert.strictEqual(one.agent.totalSocketCount, 1);
  assert.deepStrictEqual(
    (await bodies).map(({ body }) => body),
    ['/here', 'other'],
  );
  await other.close();
  await one.close();
});

test('two copies of the package may share an Agent', async (t) => {
  const peer = await startPeer((socket) => socket.write(response('ok')));
  t.after(() => peer.close());
  const theirs = stock ? http : anotherCopy();
  for (const { Agent } of [http, theirs]) {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const get = (/** @type {any} */ copy) => body(copy.get({ port: peer.port, host: '127.0.0.1', agent }));
    for (const copy of [http, theirs, http, http, theirs]) assert.strictEqual(await get(copy), 'ok');
    // Straight from one request to the next.
    const all = await Promise.all([http, theirs, theirs, http].map(get));
    assert.deepStrictEqual(all, ['ok', 'ok', 'ok', 'ok']);
    agent.destroy();
  }
  assert.strictEqual(peer.sockets.length, 2);
});

/** ferrohttp, loaded once more. */
function anotherCopy() {
  const root = path.dirname(require.resolve('..'));
  for (const file of Object.keys(require.cache))
    if (file.startsWith(root) && !file.startsWith(__dirname)) delete require.cache[file];
  return require('..');
}

/** @param {any} req @returns {Promise<string>} its response's body */
async function body(req) {
  const [res] = await once(req, 'response');
  let text = '';
  for await (const part of res) text += part;
  return text;
}
