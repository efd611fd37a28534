'use strict';

// One driver suffices: it is about the way into the engine, before there are connections.

const assert = require('node:assert');
const { test } = require('node:test');
const { setFlagsFromString } = require('node:v8');
const { runInNewContext } = require('node:vm');
const { Worker } = require('node:worker_threads');
const { startEngine } = require('../lib/internal/native');

/** An engine of its own, beside the one of ring.js. It must not keep the process. */
function start(drain = () => {}) {
  const engine = startEngine(drain, new ArrayBuffer(1 << 16), new ArrayBuffer(1 << 16), new ArrayBuffer(1 << 16));
  engine.setReferenced(false);
  return engine;
}

test('what is of another type than it should be is refused, and the engine goes on', () => {
  const engine = start();
  assert.throws(() => engine.flush('8', false), { code: 'NumberExpected' });
  assert.throws(() => engine.flush(0), { code: 'BooleanExpected' });
  assert.throws(() => engine.flushWith(0, 0, 0, 0, 'text'), { code: 'InvalidArg' });
  assert.throws(() => engine.isIdle(7), /^Error: ferrohttp: /);
  assert.strictEqual(engine.flush(0, false), undefined);
});

test('a call within a call of the engine’s finds it free', () => {
  const engine = start();
  assert.strictEqual(
    engine.attempt(() => engine.flush(0, false)),
    true,
  );
});

/** Two engines that nobody has any more, and one of which only a function is left. */
function lost() {
  const engines = [start(), start(), start()];
  return { gone: engines.map(({ flush }) => new WeakRef(flush)), stats: engines[2].stats };
}

test('a function of an engine has it for as long as there is that function', { timeout: 60_000 }, async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  const { gone, stats } = lost();
  while (gone.some((reference) => reference.deref() !== undefined)) {
    // What was looked at in this turn is kept until its end.
    await new Promise(setImmediate);
    collect();
  }
  assert.strictEqual(stats().length, 4);
});

test('a thread that ends takes its engines down, also one that was called a moment ago', async () => {
  const source = `
    const { parentPort } = require('node:worker_threads');
    const { startEngine } = require(${JSON.stringify(require.resolve('../lib/internal/native'))});
    const memory = () => new ArrayBuffer(1 << 16);
    const engines = [0, 1, 2].map(() => startEngine(() => {}, memory(), memory(), memory()));
    parentPort.postMessage('started');
    for (;;) for (const engine of engines) engine.flush(0, false);
  `;
  const worker = new Worker(source, { eval: true });
  assert.strictEqual(await new Promise((resolve) => worker.once('message', resolve)), 'started');
  assert.strictEqual(await worker.terminate(), 1);
});
