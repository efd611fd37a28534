'use strict';

// node children/calls.js: the same requests in the same order, and how many calls they cost, as one line of JSON.
//
// Servers and clients share this process, so the machine's speed decides nothing: what is written on all connections in one turn
// is readable on all of them when the loop polls next, and makes one batch. Only a pause in the midst of a batch, when the machine
// is busy, makes the engine send earlier, at the cost of calls: hence many short passes, of which the cheapest counts.

const assert = require('node:assert');
const { once } = require('node:events');
const net = require('node:net');
const { apps } = require('../apps');
const { loadEngine } = require('./engine');
const { engineCalls } = require('./sample');

const PASSES = 100;
const HOST = '127.0.0.1';
const BODY = 'x'.repeat(1024);
const GET = 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n';
const POST = `POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;
const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, world!';

const http = loadEngine('ferrohttp', false);

/**
 * Does one pass.
 * @typedef {object} Case
 * @property {() => Promise<void>} pass
 * @property {number} requests in each pass
 * @property {() => Promise<unknown>} end
 */

/** @param {net.Socket} socket @param {number} answers that are to come before it resolves */
function answered(socket, answers) {
  return new Promise((resolve, reject) => {
    let seen = 0;
    const stop = () => {
      socket.off('data', onData);
      socket.off('close', onClose);
    };
    const onData = (/** @type {string} */ text) => {
      seen += text.split('HTTP/1.1 200 OK\r\n').length - 1;
      if (seen < answers) return;
      stop();
      resolve(undefined);
    };
    const onClose = () => reject(new Error(`closed after ${seen} of ${answers} answers`));
    socket.on('data', onData);
    socket.on('close', onClose);
  });
}

/** @param {net.Server} server @param {number} count @returns {Promise<net.Socket[]>} connected, and accepted */
async function connect(server, count) {
  const { port } = /** @type {net.AddressInfo} */ (server.address());
  let accepted = 0;
  const all = new Promise((resolve) => {
    server.on('connection', function onConnection() {
      accepted += 1;
      if (accepted < count) return;
      server.off('connection', onConnection);
      resolve(undefined);
    });
  });
  const sockets = Array.from({ length: count }, () => net.connect(port, HOST).setEncoding('latin1'));
  await Promise.all([all, ...sockets.map((socket) => once(socket, 'connect'))]);
  return sockets;
}

/**
 * In each of `turns` a request, or `depth` at once, on each connection.
 * @param {{ app: string, connections: number, turns: number, depth?: number, request?: string }} details
 * @returns {Promise<Case>}
 */
async function keptAlive({ app, connections, turns, depth = 1, request = GET }) {
  const server = await apps[app].start(http);
  const sockets = await connect(server, connections);
  const requests = request.repeat(depth);
  return {
    requests: connections * turns * depth,
    async pass() {
      for (let turn = 0; turn < turns; turn += 1) {
        const all = sockets.map((socket) => answered(socket, depth));
        for (const socket of sockets) socket.write(requests);
        await Promise.all(all);
      }
    },
    end() {
      for (const socket of sockets) socket.destroy();
      return closed(server);
    },
  };
}

/** A connection for each request. @param {{ connections: number }} details @returns {Promise<Case>} */
async function closing({ connections }) {
  const server = await apps.close.start(http);
  return {
    requests: connections,
    async pass() {
      const sockets = await connect(server, connections);
      const all = sockets.map((socket) => Promise.all([answered(socket, 1), once(socket, 'close')]));
      for (const socket of sockets) socket.write(GET);
      await Promise.all(all);
    },
    end: () => closed(server),
  };
}

/**
 * On each of the agent's sockets as many requests as there are `turns`, to a server that is none of ours: when all of the turn before are
 * answered, on idle sockets, or with `queued` each behind the answer before it, on a socket that goes straight to it.
 * @param {{ sockets: number, turns: number, body?: string, queued?: boolean }} details
 * @returns {Promise<Case>}
 */
async function client({ sockets, turns, body, queued = false }) {
  const request = body === undefined ? GET : POST;
  const server = net.createServer((socket) => {
    let head = '';
    socket.setEncoding('latin1').on('data', (text) => {
      head += text;
      // The heads differ in their fields, not in what follows them.
      const end = head.indexOf('\r\n\r\n');
      if (end < 0 || head.length < end + 4 + (body?.length ?? 0)) return;
      assert.strictEqual(head.slice(0, 4), request.slice(0, 4));
      head = '';
      socket.write(ANSWER);
    });
  });
  server.listen(0, HOST);
  await once(server, 'listening');
  const { port } = /** @type {net.AddressInfo} */ (server.address());
  const agent = new http.Agent({ keepAlive: true, maxSockets: sockets });
  const headers = body === undefined ? {} : { 'Content-Length': body.length };
  const options = { host: HOST, port, agent, headers, method: body === undefined ? 'GET' : 'POST' };
  const exchange = () =>
    new Promise((resolve, reject) => {
      const req = http.request(options, (res) => {
        res.on('data', () => {});
        res.on('end', resolve);
      });
      req.on('error', reject);
      req.end(body);
    });
  return {
    requests: sockets * turns,
    async pass() {
      if (queued) {
        await Promise.all(Array.from({ length: sockets * turns }, exchange));
        await new Promise(setImmediate);
        return;
      }
      for (let turn = 0; turn < turns; turn += 1) {
        await Promise.all(Array.from({ length: sockets }, exchange));
        await new Promise(setImmediate); // the sockets are back in the pool
      }
    },
    end() {
      agent.destroy();
      return closed(server);
    },
  };
}

/** @param {net.Server} server */
function closed(server) {
  server.close();
  return once(server, 'close');
}

/** @type {Record<string, () => Promise<Case>>} */
const cases = {
  'one connection': () => keptAlive({ app: 'hello', connections: 1, turns: 64 }),
  '64 connections': () => keptAlive({ app: 'hello', connections: 64, turns: 4 }),
  '8 connections, pipelined ×16': () => keptAlive({ app: 'hello', connections: 8, turns: 2, depth: 16 }),
  'POST 1 KiB on 64 connections': () => keptAlive({ app: 'echo', connections: 64, turns: 4, request: POST }),
  'after setImmediate, 64 connections': () => keptAlive({ app: 'immediate', connections: 64, turns: 4 }),
  'after await, 64 connections': () => keptAlive({ app: 'awaiting', connections: 64, turns: 4 }),
  'Connection: close': () => closing({ connections: 64 }),
  'client GET, 32 sockets': () => client({ sockets: 32, turns: 4 }),
  'client POST 1 KiB, 32 sockets': () => client({ sockets: 32, turns: 4, body: BODY }),
  'client GET, 32 sockets, queued': () => client({ sockets: 32, turns: 4, queued: true }),
};

async function main() {
  const results = {};
  for (const [name, make] of Object.entries(cases)) {
    const { pass, requests, end } = await make();
    await pass(); // code loaded, connections made
    /** @type {Record<string, number>} */
    const least = {};
    for (let i = 0; i < PASSES; i += 1) {
      const before = engineCalls();
      await pass();
      const after = engineCalls();
      for (const key of Object.keys(after)) {
        least[key] = Math.min(least[key] ?? Number.POSITIVE_INFINITY, (after[key] - before[key]) / requests);
      }
    }
    await end();
    results[name] = least;
  }
  console.log(JSON.stringify(results));
}

main();
