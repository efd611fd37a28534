'use strict';

// V8 keeps an object as a dictionary once properties of it were deleted in another order than they came: all that touches it is then slower, which no
// other test would notice.

const assert = require('node:assert');
const { once } = require('node:events');
const { test } = require('node:test');
const { setFlagsFromString } = require('node:v8');
const stock = require('node:http');
const { http: ours } = require('./support/http.js');
const { listen } = require('./support/wire.js');

setFlagsFromString('--allow-natives-syntax');
const isFast = /** @type {(object: object) => boolean} */ (new Function('object', 'return %HasFastProperties(object)'));

/**
 * @param {import('..')} http
 * @param {import('node:test').TestContext} t
 * @param {boolean} keepAlive
 * @returns {Promise<Record<string, boolean>>} whether each is fast behind an exchange, by its name
 */
async function exchange(http, t, keepAlive) {
  const server = http.createServer();
  const port = await listen(t, server);
  const agent = new http.Agent({ keepAlive });
  t.after(() => agent.destroy());
  const result = {};
  // The first of its kind may be different.
  for (let count = 0; count < 4; count++) {
    const req = http.request({ port, host: '127.0.0.1', agent, method: 'POST' });
    const [socket] = await once(req, 'socket');
    // While somebody listens for that, too.
    if (count > 1) socket.on('connect', () => {});
    req.write('a');
    req.end('b');
    const [incoming, answer] = await once(server, 'request');
    const near = incoming.socket;
    incoming.resume();
    answer.end('hello');
    const [response] = await once(req, 'response');
    response.resume();
    await once(response, 'end');
    Object.assign(result, {
      'client’s socket': isFast(socket),
      'server’s socket': isFast(near),
      'client’s request': isFast(req),
      'server’s request': isFast(incoming),
      'server’s response': isFast(answer),
      'client’s response': isFast(response),
    });
  }
  return result;
}

/** There the socket's own methods lie under ours, and are uncovered in the end. */
const isCovered = process.env.FERROHTTP_DRIVER === 'fed' && 'a fed socket has properties deleted';

for (const keepAlive of [true, false]) {
  const way = keepAlive ? 'is kept alive' : 'ends';
  test(`what an exchange is made of is as fast to V8 as node:http’s, on a connection that ${way}`, {
    timeout: 60_000,
    skip: isCovered,
  }, async (t) => {
    const expected = await exchange(stock, t, keepAlive);
    const actual = await exchange(ours, t, keepAlive);
    const slower = Object.keys(expected).filter((name) => expected[name] && !actual[name]);
    assert.deepStrictEqual(slower, []);
  });
}
