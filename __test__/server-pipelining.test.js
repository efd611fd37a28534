const assert = require('node:assert');
const { once } = require('node:events');
const net = require('node:net');
const { test } = require('node:test');
const { http } = require('./support/http.js');
const { listen, request: get, talk } = require('./support/raw.js');

/** @param {string} answer */
const bodies = (answer) => [...answer.matchAll(/\[(.*?)\]/g)].map((match) => match[1]);

test('pipelined requests are answered in their order, whatever the order of the answers', async () => {
  /** @type {import('node:http').ServerResponse[]} */
  const responses = [];
  const server = http.createServer((_req, res) => {
    responses.push(res);
    if (responses.length < 3) return;
    for (const [i, each] of responses.entries()) assert.strictEqual(each.socket !== null, i === 0);
    for (const each of responses.reverse()) each.end(`[${each.req.url}]`);
  });
  const port = await listen(server);
  const answer = await talk(port, get('/1') + get('/2') + get('/3', 'Connection: close\r\n'));
  assert.deepStrictEqual(bodies(answer), ['/1', '/2', '/3']);
  await server[Symbol.asyncDispose]();
});

test('a waiting response sends what it has written when its turn comes, and streams from there', async () => {
  const server = http.createServer((req, res) => {
    if (req.url === '/slow') {
      setImmediate(() => res.end('[slow]'));
      return;
    }
    res.write('[early]');
    res.once('socket', () => setImmediate(() => res.end('[late]')));
  });
  const port = await listen(server);
  const answer = await talk(port, get('/slow') + get('/fast', 'Connection: close\r\n'));
  assert.deepStrictEqual(bodies(answer), ['slow', 'early', 'late']);
  await server[Symbol.asyncDispose]();
});

test("a response that waited with more than the high-water mark tells 'drain' when all of it has gone", async () => {
  const server = http.createServer((req, res) => {
    if (req.url === '/slow') {
      setImmediate(() => res.end('[slow]'));
      return;
    }
    // Large pieces, which the engine takes one by one from where they lie.
    while (res.write(Buffer.alloc(16 * 1024, 'x')));
    let isGiven = false;
    res.on('drain', () => {
      assert.strictEqual(res.writableLength, 0);
      res.end(`[${isGiven ? 'later' : 'at once'}]`);
    });
    res.assignSocket = (socket) => {
      http.ServerResponse.prototype.assignSocket.call(res, socket);
      isGiven = true;
    };
  });
  const port = await listen(server);
  const answer = await talk(port, get('/slow') + get('/fast', 'Connection: close\r\n'));
  assert.deepStrictEqual(bodies(answer), ['slow', 'later']);
  await server[Symbol.asyncDispose]();
});

test('no more requests are read while waiting responses hold more than the high-water mark', async () => {
  let begun = 0;
  const total = 200;
  /** @type {import('node:http').ServerResponse | undefined} */
  let first;
  const server = http.createServer((_req, res) => {
    begun++;
    if (first === undefined) {
      first = res;
      return;
    }
    res.end(Buffer.alloc(16 * 1024, 'x'));
  });
  const port = await listen(server);
  const socket = net.connect(port, '127.0.0.1');
  // One at a time, so that reads can stop between them.
  for (let i = 0; i < total; i++) {
    const last = i === total - 1 ? 'Connection: close\r\n' : '';
    await new Promise((resolve) => socket.write(get(`/${i}`, last), resolve));
    await new Promise(setImmediate);
  }
  const held = begun;
  assert.ok(held < total, `${held} of ${total} were begun`);
  first?.end();
  for await (const _ of socket);
  assert.strictEqual(begun, total);
  await server[Symbol.asyncDispose]();
});

test('a socket that closes aborts all requests that wait for their answer', async () => {
  /** @type {string[]} */
  const events = [];
  /** @param {string} event */
  const note = (event) => {
    if (events.push(event) === 6) server.emit('all');
  };
  const server = http.createServer((req, res) => {
    req.on('aborted', () => note(`${req.url} aborted`));
    req.on('error', (err) => note(`${req.url} ${/** @type {any} */ (err).code}`));
    res.on('close', () => note(`${req.url} close`));
    if (req.url === '/2') socket.destroy();
  });
  const port = await listen(server);
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(get('/1') + get('/2'));
  await once(server, 'all');
  assert.deepStrictEqual(events.sort(), [
    '/1 ECONNRESET',
    '/1 aborted',
    '/1 close',
    '/2 ECONNRESET',
    '/2 aborted',
    '/2 close',
  ]);
  await server[Symbol.asyncDispose]();
});

test('a response whose user tells of its finish later keeps the socket until then', async () => {
  /** @type {string[]} */
  const order = [];
  const server = http.createServer((req, res) => {
    const { emit } = res;
    res.emit = function (event, ...args) {
      if (event === 'close') order.push(`close ${req.url}`);
      if (event !== 'finish' || req.url !== '/1') return emit.call(this, event, ...args);
      setTimeout(() => {
        order.push(res.socket === null ? 'detached' : 'attached');
        emit.call(this, event, ...args);
        order.push(res.socket === null ? 'detached' : 'attached');
      }, 50);
      return true;
    };
    res.end(`[${req.url}]`);
  });
  const port = await listen(server);
  const answer = await talk(port, get('/1') + get('/2', 'Connection: close\r\n'));
  assert.deepStrictEqual(bodies(answer), ['/1', '/2']);
  assert.deepStrictEqual(order, ['attached', 'detached', 'close /1', 'close /2']);
  await server[Symbol.asyncDispose]();
});
