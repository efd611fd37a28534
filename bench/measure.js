'use strict';

// One function for each kind of scenario. Each measures its sides in turn, round after round, so that what the machine does
// meanwhile meets all of them alike.

const net = require('node:net');
const path = require('node:path');
const { setTimeout: delay } = require('node:timers/promises');
const { apps, requestBody } = require('./apps');
const { load } = require('./load');
const { DISTURBED } = require('./summary');
const { NativeServer } = require('./native');
const { Child, machineCpu, ownCpu, runProgram } = require('./processes');
const { verifyAnswer, verifyServer } = require('./verify');

const WARM_UP = 2; // s; after one, V8 is still compiling and costs a third more
/** Connections before the idle ones, so that the code and the young generation have grown to their size. */
const FIRST_CONNECTIONS = 1000;
const REQUIRES_PER_ROUND = 3;
/** How often a round is taken again because it was disturbed. */
const MOST_REPEATS = 3;

/**
 * @typedef {import('./peers').Side} Side
 *
 * @typedef {object} Plan
 * @property {Side} target what the client scenarios' requests go to
 * @property {number} rounds
 * @property {boolean} calm rounds in which other programs took much of the machine are taken again
 * @property {number} seconds of load in each round
 * @property {'wrk' | 'autocannon'} generator
 *
 * @typedef {Record<string, number>} Figures of one round; see summary.js for their names and units
 * @typedef {import('./children/sample').Sample} Sample
 */

/**
 * Runs `measure` on every side in turn, in each of the plan's rounds.
 * @template S
 * @param {S[]} sides
 * @param {{ rounds: number, calm: boolean }} plan
 * @param {(side: S) => Promise<Figures>} measure
 * @returns {Promise<Figures[][]>} by side, then by round
 */
async function alternate(sides, { rounds, calm }, measure) {
  /** @type {Figures[][]} */
  const figures = sides.map(() => []);
  for (let round = 0; round < rounds; round += 1) {
    for (const [i, side] of sides.entries()) {
      let measured = await watched(() => measure(side));
      for (let again = 0; calm && measured.others > DISTURBED && again < MOST_REPEATS; again += 1) {
        measured = await watched(() => measure(side));
      }
      figures[i].push(measured);
    }
  }
  return figures;
}

/**
 * Adds to the figures how much of the machine other programs took meanwhile.
 * @param {() => Promise<Figures>} work
 * @returns {Promise<Figures>}
 */
async function watched(work) {
  const [start, machine, own] = [performance.now(), machineCpu(), ownCpu()];
  const figures = await work();
  const others = (machineCpu() - machine - (ownCpu() - own)) / (performance.now() - start);
  return Number.isNaN(others) ? figures : { ...figures, others: Math.max(0, others) };
}

/**
 * @param {Sample} before
 * @param {Sample} after
 * @param {number} requests
 * @param {number} seconds
 * @returns {Figures}
 */
function perRequest(before, after, requests, seconds) {
  const figures = { cpu: (after.cpu - before.cpu) / requests, rps: requests / seconds, rss: after.rss };
  if (before.mainCpu !== null && after.mainCpu !== null) figures.mainCpu = (after.mainCpu - before.mainCpu) / requests;
  if (before.crossings !== null && after.crossings !== null) {
    figures.crossings = (after.crossings - before.crossings) / requests;
  }
  return figures;
}

/** Stops all of `children`, whatever `work` comes to. */
async function withChildren(children, work) {
  try {
    return await work();
  } finally {
    await Promise.all(children.map((child) => child.stop()));
  }
}

/**
 * @param {Side} side
 * @param {string} appName
 * @param {{ exposeGc?: boolean }} [options]
 */
function serverChild(side, appName, { exposeGc } = {}) {
  const app = apps[appName];
  if (side.engine === 'native') {
    if (!app.native) throw new Error(`${side.label} cannot serve ${appName}`);
    return new NativeServer(side.command, app.native, app.body(Buffer.alloc(0)));
  }
  const register = side.engine === 'ferrohttp' && app.register === true;
  const args = [side.engine, appName, ...(register ? ['registered'] : [])];
  return new Child('server', args, { side, register, exposeGc });
}

/**
 * @param {import('./scenarios').Scenario} scenario
 * @param {Side[]} sides
 * @param {Plan} plan
 */
function measureServer(scenario, sides, plan) {
  const { seconds, generator } = plan;
  const app = apps[scenario.app];
  const servers = sides.map((side) => ({ label: side.label, child: serverChild(side, scenario.app), url: '' }));
  const least = app.body(requestBody(scenario.bodyBytes ?? 0)).length;

  const loaded = async ({ label, url }, duration) => {
    const result = await load(generator, scenario, url, duration);
    if (result.errors.length > 0) throw new Error(`${label}: ${result.errors.join(', ')}`);
    if (result.requests === 0) throw new Error(`${label}: no request was answered`);
    if (result.bytes / result.requests < least) {
      throw new Error(
        `${label}: answers of ${Math.floor(result.bytes / result.requests)} bytes on average, not ${least}`,
      );
    }
    return result;
  };

  return withChildren(
    servers.map(({ child }) => child),
    async () => {
      for (const server of servers) {
        server.url = `http://127.0.0.1:${await server.child.ask('start')}/`;
        await verifyServer(scenario, app, server.url);
        await loaded(server, WARM_UP);
      }
      const figures = await alternate(servers, plan, async (server) => {
        const before = await server.child.ask('sample');
        const result = await loaded(server, seconds);
        const figures = perRequest(before, await server.child.ask('sample'), result.requests, result.seconds);
        return { ...figures, p50: result.p50, p99: result.p99 };
      });
      for (const server of servers) await verifyServer(scenario, app, server.url);
      return figures;
    },
  );
}

/**
 * All sides ask the same target, in a process of its own.
 * @param {import('./scenarios').Scenario} scenario
 * @param {Side[]} sides
 * @param {Plan} plan
 */
function measureClient(scenario, sides, plan) {
  const { seconds, target: targetSide } = plan;
  const { app: appName, connections, method = 'GET', bodyBytes = 0 } = scenario;
  const expected = apps[appName].body(requestBody(bodyBytes));
  const target = serverChild(targetSide, appName);
  const clients = sides.map((side) => new Child('client', [side.engine], { side }));

  const run = async (client, duration) => {
    const result = await client.ask('run', { connections, seconds: duration, answerBytes: expected.length });
    if (result.errors.length > 0) throw new Error(`${client.name}: ${result.errors.join('; ')}`);
    return result;
  };

  return withChildren([target, ...clients], async () => {
    const port = await target.ask('start');
    for (const client of clients) {
      await client.ask('prepare', { port, connections, method, bodyBytes });
      const { status, body } = await client.ask('once');
      verifyAnswer(status, Buffer.from(body, 'latin1'), expected);
      await run(client, WARM_UP);
    }
    return alternate(clients, plan, async (client) => {
      const result = await run(client, seconds);
      return perRequest(result.before, result.after, result.requests, result.seconds);
    });
  });
}

/**
 * RSS, after a collection, that each keep-alive connection adds once it has been answered and rests.
 * @param {import('./scenarios').Scenario} scenario
 * @param {Side[]} sides
 * @param {Plan} plan
 */
function measureMemory(scenario, sides, plan) {
  return alternate(sides, plan, (side) => {
    const server = serverChild(side, scenario.app, { exposeGc: true });
    return withChildren([server], async () => {
      const port = await server.ask('start');
      const answer = apps[scenario.app].body(Buffer.alloc(0));
      return rest(port, FIRST_CONNECTIONS, answer, async () => {
        const before = await server.ask('collectedSample');
        return rest(port, scenario.connections, answer, async () => {
          const after = await server.ask('collectedSample');
          const figures = { idleRss: (after.rss - before.rss) / scenario.connections };
          if (after.heap !== undefined) figures.idleHeap = (after.heap - before.heap) / scenario.connections;
          return figures;
        });
      });
    });
  });
}

/**
 * Opens `count` connections, has one request answered on each, and keeps them open during `work`.
 * @template T
 * @param {number} port
 * @param {number} count
 * @param {Buffer} answer
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
async function rest(port, count, answer, work) {
  /** @type {net.Socket[]} */
  const sockets = [];
  try {
    for (let i = 0; i < count; i += 1) {
      const socket = net.connect(port, '127.0.0.1');
      sockets.push(socket);
      await answered(socket, answer);
    }
    await delay(200);
    return await work();
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

/**
 * @param {net.Socket} socket
 * @param {Buffer} answer
 */
function answered(socket, answer) {
  return new Promise((resolve, reject) => {
    let received = '';
    socket.setEncoding('latin1');
    socket.on('data', (text) => {
      received += text;
      if (!received.endsWith(`\r\n\r\n${answer.toString('latin1')}`)) return;
      socket.setTimeout(0);
      if (received.startsWith('HTTP/1.1 200 ')) resolve(undefined);
      else reject(new Error(`wrong answer: ${received.slice(0, 40)}`));
    });
    socket.setTimeout(10_000, () => reject(new Error(`no whole answer within 10 s: ${received.slice(0, 200)}`)));
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('an idle connection was closed')));
    socket.write('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
  });
}

/**
 * @param {import('./scenarios').Scenario} _scenario
 * @param {Side[]} sides
 * @param {Plan} plan
 */
function measureRequire(_scenario, sides, plan) {
  const script = path.join(__dirname, 'children', 'require.js');
  return alternate(sides, { ...plan, rounds: plan.rounds * REQUIRES_PER_ROUND }, async ({ engine, command }) => ({
    require: Number(await runProgram(command, [script, engine])),
  }));
}

const measures = { server: measureServer, client: measureClient, memory: measureMemory, require: measureRequire };

/**
 * @param {import('./scenarios').Scenario} scenario
 * @param {Side[]} sides
 * @param {Plan} plan
 * @returns {Promise<Figures[][]>} by side, then by round; rejects when anything went wrong, for then no figure counts
 */
function measure(scenario, sides, plan) {
  return measures[scenario.kind](scenario, sides, plan);
}

module.exports = { measure, serverChild };
