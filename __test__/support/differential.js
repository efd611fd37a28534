'use strict';

const assert = require('node:assert');
const fc = require('fast-check');
const stock = require('node:http');
const ferrohttp = require('../..');

/** How often both are asked again before they are said to differ: a turn of the loop more or less is nobody's fault. What node:http does at any time is right. */
const TRIES = 8;

/** A differential test's options: programs are many, and the releases differ among themselves. */
const differential = {
  timeout: 600_000,
  skip: process.versions.node.startsWith('24.') ? false : 'other releases differ among themselves',
};

/**
 * Plays programs made up at random with node:http and with ferrohttp: FERROHTTP_PROGRAMS of them, by FERROHTTP_SEED. The smallest that shows a difference fails.
 * @template T
 * @param {fc.Arbitrary<T>} programs
 * @param {(http: any, program: T) => Promise<string>} play what could be seen
 */
async function playsTheSame(programs, play) {
  const same = fc.asyncProperty(programs, async (program) => {
    const expected = new Set([await play(stock, program)]);
    let actual = await play(ferrohttp, program);
    for (let tries = 1; !expected.has(actual) && tries < TRIES; tries++) {
      expected.add(await play(stock, program));
      actual = await play(ferrohttp, program);
    }
    if (!expected.has(actual)) assert.strictEqual(actual, [...expected][0]);
  });
  const { FERROHTTP_PROGRAMS: numRuns = 60, FERROHTTP_SEED: seed = 24 } = process.env;
  await fc.assert(same, { numRuns: Number(numRuns), seed: Number(seed), interruptAfterTimeLimit: 500_000 });
}

module.exports = { differential, playsTheSame };
