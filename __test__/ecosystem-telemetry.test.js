'use strict';

// One driver suffices: what is tested is who patches which module, and when; not how bytes move.

const assert = require('node:assert');
const path = require('node:path');
const { test } = require('node:test');
const { REGISTER_CJS, REGISTER_ESM, run } = require('./support/child.js');
const { stock } = require('./support/http.js');

const app = (/** @type {string} */ name) => path.join(__dirname, 'apps', name);
const SETUP = app('telemetry-setup.cjs');
/** As SETUP, and hooks import besides. */
const HOOK = app('telemetry-hook.mjs');

/** Preloads, in Node's order: every --require comes before the first --import. @type {string[][]} */
const ORDERS = [
  ['--require', REGISTER_CJS, '--require', SETUP],
  ['--require', SETUP, '--require', REGISTER_CJS],
  ['--require', SETUP, '--import', REGISTER_ESM],
  ['--require', REGISTER_CJS, '--import', HOOK],
  ['--import', REGISTER_ESM, '--import', HOOK],
  ['--import', HOOK, '--import', REGISTER_ESM],
];

/** The chain of spans: a client's is the parent of its server's, and a handler's requests are its server span's children. */
const parents = {
  'client /outer 200': null,
  'server /outer 200': 'client /outer 200',
  'client /inner 200': 'server /outer 200',
  'server /inner 200': 'client /inner 200',
};

/** @param {string[]} order */
const described = (order) => order.map((part) => (part.startsWith('--') ? part : path.basename(part))).join(' ');

for (const order of stock ? [['--import', HOOK]] : ORDERS) {
  test(`OpenTelemetry sees both sides of required and imported http: ${described(order)}`, {
    timeout: 120_000,
  }, async () => {
    for (const name of ['telemetry.cjs', 'telemetry.mjs']) {
      const { code, stdout, stderr } = await run([...order, app(name)]);
      assert.deepStrictEqual({ code, stderr: stderr.replace(/^\(.*\n/gm, '') }, { code: 0, stderr: '' });
      assert.deepStrictEqual(JSON.parse(stdout), { ferrohttp: !stock, text: 'true', traces: 1, parents }, name);
    }
  });
}

test('http that was loaded under a require hook before register is replaced all the same', {
  skip: stock,
}, async () => {
  const code = `
    require(${JSON.stringify(SETUP)});
    const host = require('http');
    require(${JSON.stringify(REGISTER_CJS)});
    const own = require(${JSON.stringify(path.dirname(REGISTER_CJS))});
    console.log([require('http'), require('node:http'), host].map((http) => http === own).join());`;
  const { stdout, stderr } = await run(['-e', code]);
  assert.deepStrictEqual({ stdout, stderr }, { stdout: 'true,true,false\n', stderr: '' });
});
