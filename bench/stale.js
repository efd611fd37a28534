'use strict';

// node bench/stale.js: how many requests are lost to idle connections that their server has closed, with node:http and with ferrohttp in turn.
// The server closes each connection at a random moment up to 6 ms after its last answer, and each client sends again up to 6 ms after that, so
// that the two often cross. Requests whose connection was closed while they were on their way are lost whoever sends them.
//
//   --requests <n>  of each side in each round (20,000)
//   --rounds <n>    (2)
//   --busy <ms>     what the client computes between two requests (0): the longer, the later it hears of a close

const { fork } = require('node:child_process');
const { once } = require('node:events');
const net = require('node:net');
const { parseArgs } = require('node:util');

/** Idle connections are closed, and used again, within so many ms. */
const WITHIN = 6;
const SOCKETS = 50;
const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** @typedef {{ requests: number, answered: number, reused: number, lost: Record<string, number> }} Counts */

/** @param {string} name node or ferrohttp @param {number} port @param {number} requests @param {number} busy ms */
async function ask(name, port, requests, busy) {
  /** @type {typeof import('node:http')} */
  const http = name === 'node' ? require('node:http') : require('..');
  const agent = new http.Agent({ keepAlive: true, maxSockets: SOCKETS });
  /** @type {Counts} */
  const counts = { requests, answered: 0, reused: 0, lost: {} };
  const one = () =>
    new Promise((resolve) => {
      const req = http.get({ host: '127.0.0.1', port, agent }, (res) => {
        res.resume();
        res.on('end', () => counts.answered++);
        res.on('error', () => {});
      });
      req.on('error', (/** @type {any} */ err) => {
        const why = err.message === 'socket hang up' ? err.message : err.code;
        counts.lost[why] = (counts.lost[why] ?? 0) + 1;
      });
      req.on('close', () => {
        if (req.reusedSocket) counts.reused++;
        resolve(undefined);
      });
    });
  let left = requests;
  const worker = async () => {
    while (left-- > 0) {
      await one();
      const until = performance.now() + busy;
      while (performance.now() < until);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * WITHIN));
    }
  };
  await Promise.all(Array.from({ length: SOCKETS }, worker));
  agent.destroy();
  process.send?.(counts);
  process.disconnect?.();
}

async function compare() {
  const { values } = parseArgs({
    options: {
      requests: { type: 'string', default: '20000' },
      rounds: { type: 'string', default: '2' },
      busy: { type: 'string', default: '0' },
    },
  });
  const server = net.createServer((socket) => {
    /** @type {NodeJS.Timeout} */
    let timer;
    socket.on('error', () => {});
    socket.on('data', () => {
      clearTimeout(timer);
      socket.write(ANSWER);
      timer = setTimeout(() => socket.end(), Math.random() * WITHIN);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {net.AddressInfo} */ (server.address());
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const name of ['node', 'ferrohttp']) {
      const child = fork(__filename, ['--ask', name, String(port), values.requests, values.busy]);
      const [counts] = await once(child, 'message');
      const lost = Object.values(/** @type {Counts} */ (counts).lost).reduce((sum, count) => sum + count, 0);
      console.log(`${name.padEnd(10)} ${((100 * lost) / counts.requests).toFixed(2)}% lost  ${JSON.stringify(counts)}`);
    }
  }
  server.close();
}

const [, , mode, name, ...numbers] = process.argv;
if (mode === '--ask') ask(name, .../** @type {[number, number, number]} */ (numbers.map(Number)));
else compare();
