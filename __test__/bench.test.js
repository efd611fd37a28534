'use strict';

// One driver suffices: what the benchmarks make of their figures is tested here, on figures made up for that.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { compare, updated } = require('../bench/counts');
const { toPeersSvg, toSvg, toText, toVerdicts } = require('../bench/report');
const { check, summarize } = require('../bench/summary');

const side = (label) => /** @type {any} */ ({ label });

/** @param {any} about @param {Record<string, any[]>} rounds by label, the base first @returns {any} a result */
const result = (about, rounds) => ({
  scenario: 'made up',
  kind: 'server',
  ...about,
  sides: summarize(Object.keys(rounds).map(side), Object.values(rounds)),
});

test('a count is worse only beyond the tolerance', () => {
  const verdicts = (now) => compare({ a: { calls: 100 } }, { a: { calls: now } }, 0.03).map(({ verdict }) => verdict);
  assert.deepEqual(verdicts(102), ['ok']);
  assert.deepEqual(verdicts(104), ['worse']);
  assert.deepEqual(verdicts(98), ['ok']);
  assert.deepEqual(verdicts(96), ['better']);
});

test('a count of none is worse as soon as there is one', () => {
  assert.equal(compare({ a: { calls: 0 } }, { a: { calls: 1 } }, 0.5)[0].verdict, 'worse');
  assert.equal(compare({ a: { calls: 0 } }, { a: { calls: 0 } }, 0.5)[0].verdict, 'ok');
});

test('what is counted and not recorded is told, and what is recorded and not counted', () => {
  const findings = compare({ a: { calls: 1 } }, { b: { calls: 1 } }, 0.01);
  assert.deepEqual(
    findings.map(({ verdict }) => verdict),
    ['new', 'gone'],
  );
});

test('an update leaves alone what has not really changed', () => {
  const recorded = { a: { calls: 100 }, b: { calls: 100 }, c: { calls: 1 } };
  const counted = { a: { calls: 101 }, b: { calls: 50 }, d: { calls: 7 } };
  assert.deepEqual(updated(recorded, counted, 0.03), { a: { calls: 100 }, b: { calls: 50 }, d: { calls: 7 } });
});

test('a ratio is held against the target round by round', () => {
  const targets = [{ figure: 'cpu', least: 2 }];
  // The second round was slowed on both sides; the third reached less.
  const base = [{ cpu: 20 }, { cpu: 80 }, { cpu: 20 }];
  const [verdict] = check('default', [result({ targets }, { base, ours: [{ cpu: 10 }, { cpu: 40 }, { cpu: 20 }] })]);
  assert.equal(verdict.ok, true);
  assert.equal(verdict.measured, '2.00× (1.00–2.00)');
  const [missed] = check('default', [result({ targets }, { base, ours: [{ cpu: 11 }, { cpu: 41 }, { cpu: 10 }] })]);
  assert.equal(missed.ok, false);
});

test('a target may be about another side than the base', () => {
  const targets = [{ figure: 'cpu', least: 1, to: 'other' }];
  const rounds = (other) => ({ base: [{ cpu: 50 }], ours: [{ cpu: 10 }], other: [{ cpu: other }] });
  assert.equal(check('default', [result({ targets }, rounds(11))])[0].ok, true);
  assert.equal(check('default', [result({ targets }, rounds(9))])[0].ok, false);
  assert.equal(check('default', [result({ targets }, { base: [{ cpu: 50 }], ours: [{ cpu: 10 }] })])[0].ok, false);
});

test('a target may be a most, or a most above the base; what stands still reaches none', () => {
  const crossings = [{ figure: 'crossings', below: 0.2 }];
  const rounds = (seen) => ({ base: [{ cpu: 1 }], ours: [{ cpu: 1, crossings: seen }] });
  assert.equal(check('default', [result({ targets: crossings }, rounds(0.1))])[0].ok, true);
  assert.equal(check('default', [result({ targets: crossings }, rounds(0.2))])[0].ok, false);
  assert.equal(check('default', [result({ targets: crossings }, rounds(0))])[0].ok, false);
  const first = [{ figure: 'require', over: 10 }];
  assert.equal(
    check('default', [result({ targets: first }, { base: [{ require: 4 }], ours: [{ require: 14 }] })])[0].ok,
    true,
  );
  assert.equal(
    check('default', [result({ targets: first }, { base: [{ require: 4 }], ours: [{ require: 14.5 }] })])[0].ok,
    false,
  );
});

test('a target may be asked of one driver only', () => {
  const targets = [{ figure: 'cpu', least: 2, driver: 'threads' }];
  const missed = [result({ targets }, { base: [{ cpu: 50 }], ours: [{ cpu: 50 }] })];
  assert.deepEqual(check('default', missed), []);
  assert.deepEqual(
    check('threads', missed).map(({ ok }) => ok),
    [false],
  );
});

test('a scenario that failed has missed its targets', () => {
  const targets = [{ figure: 'cpu', least: 2 }];
  const failed = /** @type {any} */ ({ scenario: 'made up', kind: 'server', targets, error: 'no answer', sides: [] });
  const verdicts = check('default', [failed]);
  assert.equal(verdicts[0].ok, false);
  assert.match(toVerdicts(verdicts, 5), /made up .*no answer .*MISSED\n0 targets reached, 1 missed\n$/);
});

test('fewer rounds than the targets are meant for are told', () => {
  assert.match(toVerdicts([], 3), /meant for medians of 5 rounds, not 3/);
  assert.doesNotMatch(toVerdicts([], 5), /meant for/);
});

test('peers get tables and a chart of their own, and who is missing is named', () => {
  const rounds = { 'node:http': [{ cpu: 20, rps: 10 }], ferrohttp: [{ cpu: 10, rps: 20 }] };
  const run = { contender: 'ferrohttp', node: 'v1', date: 'today', rounds: 5, missing: 'Deno (not for this machine)' };
  const two = { run, results: [result({}, rounds)] };
  const three = { run, results: [result({}, { ...rounds, 'Bun 1': [{ cpu: 5, rps: 30 }] })] };
  assert.equal(toPeersSvg(two), undefined);
  assert.match(toText(two), /not measured: Deno \(not for this machine\)/);
  assert.match(
    toText(three),
    /CPU µs per request .*node:http .*ferrohttp .*Bun 1\nmade up .*20\.0 .*10\.0 \(2\.00×\) .*5\.00 \(4\.00×\)/,
  );
  assert.match(String(toPeersSvg(three)), /Bun 1/);
  assert.doesNotMatch(toSvg(three), /Bun 1/);
});

test('a scenario that other programs disturbed is named', () => {
  const run = { contender: 'ferrohttp', node: 'v1', date: 'today' };
  const rounds = (others) => ({ base: [{ cpu: 2, rps: 1, others: 0 }], ours: [{ cpu: 1, rps: 2, others }] });
  assert.match(toText({ run, results: [result({}, rounds(0.5))] }), /disturbed.*: made up \(0\.50\)/);
  assert.doesNotMatch(toText({ run, results: [result({}, rounds(0.01))] }), /disturbed/);
});
