'use strict';

// Sockets killed at random, on both sides, under a pool: every request ends once, and in the end nothing is left.
// FERROHTTP_CHAOS is the number of requests; in the full run there are 100,000 of them.

const assert = require('node:assert');
const { setFlagsFromString } = require('node:v8');
const { test } = require('node:test');
const { runInNewContext } = require('node:vm');
const { http, stock } = require('./support/http.js');
const { randomFrom } = require('./support/fixtures.js');
const { response, startPeer, until } = require('./support/peer.js');

const TOTAL = Number(process.env.FERROHTTP_CHAOS || 3000);
const POOL = 50;
/** More than the pool, so that some requests wait for their socket. */
const AT_A_TIME = 80;

setFlagsFromString('--expose-gc');
/** @type {() => void} */
const collectGarbage = runInNewContext('gc');

/** What a peer does with one request. @param {import('node:net').Socket} socket @param {number} chance of 1000 @param {string} head */
function treat(socket, chance, head) {
  const answer = response(head.split(' ')[1]);
  if (chance < 10) socket.destroy();
  else if (chance < 20) socket.resetAndDestroy();
  else if (chance < 30) socket.end(answer.slice(0, -3));
  else if (chance < 40) socket.write('nonsense\r\n\r\n');
  else if (chance < 50) socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n');
  else if (chance < 60) socket.write(answer + response('/surplus'));
  else if (chance < 70) socket.end(`HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n${head.split(' ')[1]}`);
  else socket.write(answer);
  // And those that die idle, or under the next request.
  if (chance > 970) setTimeout(() => socket.end(), chance % 5);
  else if (chance > 960) setTimeout(() => socket.resetAndDestroy(), chance % 5);
}

test(`${TOTAL} requests, ${POOL} sockets, killed at random: each request ends, once, and nothing is left`, async () => {
  const random = randomFrom(20_261_125);
  const peer = await startPeer((socket, head) => treat(socket, random(1000), head));
  const agent = new http.Agent({ keepAlive: true, maxSockets: POOL });
  /** @type {string[]} */
  const warnings = [];
  const onWarning = (/** @type {Error} */ warning) => warnings.push(warning.message);
  process.on('warning', onWarning);
  let collected = 0;
  const registry = new FinalizationRegistry(() => collected++);
  const ends = { answered: 0, failed: 0, destroyed: 0 };
  /** @type {string[]} */
  const wrong = [];

  /** @param {number} number */
  const one = (number) =>
    new Promise((/** @type {(value?: unknown) => void} */ resolve) => {
      const seen = { response: 0, end: 0, error: 0, aborted: 0, close: 0 };
      const path = `/${number}`;
      let body = '';
      let isComplete = false;
      const chance = random(1000);
      const req = http.get({ host: '127.0.0.1', port: peer.port, agent, path }, (res) => {
        seen.response++;
        res.setEncoding('latin1');
        res.on('data', (part) => {
          body += part;
        });
        res.on('end', () => {
          seen.end++;
          isComplete = res.complete;
        });
        res.on('error', () => seen.aborted++);
        if (chance < 10) res.destroy();
        else if (chance < 20) req.socket.destroy();
      });
      if (number % 16 === 0) registry.register(req, undefined);
      req.on('error', () => seen.error++);
      if (chance > 990) req.destroy();
      else if (chance > 980) setTimeout(() => req.destroy(), chance % 3);
      else if (chance > 970) req.once('socket', (socket) => socket.destroy());
      req.on('close', () => {
        seen.close++;
        // What comes behind 'close' would come in the turns after it.
        setTimeout(() => {
          const isDestroyed = chance < 20 || chance > 970;
          const isAnswered = isComplete && seen.end === 1 && body === path;
          ends[isAnswered ? 'answered' : isDestroyed ? 'destroyed' : 'failed']++;
          const failures = seen.error + seen.aborted;
          const isTwice = Object.values(seen).some((count) => count > 1);
          const isLost = !isAnswered && failures === 0 && !isDestroyed;
          if (isTwice || isLost) wrong.push(`${JSON.stringify(seen)} ${isComplete} ${body === path} ${chance}`);
          resolve();
        }, 5);
      });
    });

  let next = 0;
  const worker = async () => {
    while (next < TOTAL) await one(next++);
  };
  /** Memory when a third is done, and in the end. @type {number[]} */
  const heaps = [];
  const sample = async () => {
    for (let i = 0; i < 4; i++) {
      collectGarbage();
      await new Promise((resolve) => setImmediate(resolve));
    }
    heaps.push(process.memoryUsage().heapUsed);
  };
  const workers = Promise.all(Array.from({ length: AT_A_TIME }, worker));
  await until(() => next >= TOTAL / 3);
  await sample();
  await workers;

  assert.deepStrictEqual(wrong, []);
  assert.strictEqual(ends.answered + ends.failed + ends.destroyed, TOTAL);
  assert.ok(ends.answered > TOTAL * 0.8 && ends.failed > 0 && ends.destroyed > 0, JSON.stringify(ends));

  agent.destroy();
  await until(() => agent.totalSocketCount === 0);
  assert.deepStrictEqual([agent.sockets, agent.freeSockets, agent.requests].map(Object.keys), [[], [], []]);
  await peer.close();
  await until(() => !process.getActiveResourcesInfo().some((name) => name.startsWith('TCP')));
  assert.deepStrictEqual(warnings, []);
  process.off('warning', onWarning);
  if (!stock) {
    const { connections } = require('../lib/internal/ring.js');
    assert.strictEqual(connections.filter(Boolean).length, 0, 'slots of the engine');
    // The next to come takes a slot that was given back.
    assert.ok(connections.length <= 4 * AT_A_TIME, `${connections.length} slots were needed`);
  }
  peer.sockets.length = 0;
  await sample();
  const registered = Math.ceil(TOTAL / 16);
  // The last few may still be in registers and on the stack.
  assert.ok(collected >= registered - 20, `${collected} of ${registered} requests were collected`);
  assert.ok(heaps[1] < heaps[0] + (8 << 20), `the heap grew from ${heaps[0]} to ${heaps[1]} bytes`);
  console.log(JSON.stringify({ ...ends, collected, of: registered, heaps }));
});
