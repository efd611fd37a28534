'use strict';

// node children/server.js <engine> <app> [registered]: serves one application of apps.js.

const { setTimeout: delay } = require('node:timers/promises');
const { apps } = require('../apps');
const { answerParent } = require('../processes');
const { loadEngine } = require('./engine');
const { sample } = require('./sample');

const MOST_COLLECTIONS = 20;
const SETTLED = 64 * 1024; // bytes

const [engine, name, registered] = process.argv.slice(2);

answerParent({
  async start() {
    const server = await apps[name].start(loadEngine(engine, registered === 'registered'));
    return /** @type {import('node:net').AddressInfo} */ (server.address()).port;
  },
  sample: () => sample(engine),
  /** What is resident once nothing more is given back, and how much of it V8's heap uses. */
  async collectedSample() {
    let resident = Number.POSITIVE_INFINITY;
    for (let i = 0; i < MOST_COLLECTIONS; i += 1) {
      globalThis.gc?.();
      await delay(50); // pages are given back by another thread
      const { rss } = process.memoryUsage();
      if (Math.abs(rss - resident) < SETTLED) break;
      resident = rss;
    }
    return { ...sample(engine), heap: process.memoryUsage().heapUsed };
  },
});
