'use strict';

const assert = require('node:assert');
const path = require('node:path');
const { test } = require('node:test');
const { run } = require('./support/child.js');

/** On fed libuv reads by itself, and has not been told that the descriptor is closed. */
const WHY_NOT =
  process.platform !== 'linux'
    ? 'it needs numbers of descriptors that are given out from the lowest'
    : process.env.FERROHTTP_DRIVER === 'fed' && 'the engine has no descriptor';

// Whether the loop comes round once more before the thread has ended is a matter of moments.
const TRIES = 8;

test('a thread that is terminated as it accepts reads from no descriptor that is another by now', {
  timeout: 300_000,
  skip: WHY_NOT,
}, async () => {
  for (let tries = 0; tries < TRIES; tries++) {
    const { stdout, stderr } = await run([path.join(__dirname, 'support/terminated.js')]);
    if (stdout !== 'the number is taken') assert.strictEqual(stdout, 'precious', stderr);
  }
});
