'use strict';

// node children/server.js <engine> <app> [registered]: serves one application of apps.js.

const { apps } = require('../apps');
const { answerParent } = require('../processes');
const { loadEngine } = require('./engine');
const { sample } = require('./sample');

const [engine, name, registered] = process.argv.slice(2);

answerParent({
  async start() {
    const server = await apps[name].start(loadEngine(engine, registered === 'registered'));
    return /** @type {import('node:net').AddressInfo} */ (server.address()).port;
  },
  sample: () => sample(engine),
  collectedSample: () => {
    globalThis.gc?.();
    return sample(engine);
  },
});
