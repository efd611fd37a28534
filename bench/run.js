'use strict';

// npm run bench: ferrohttp against node:http, always in the same run and on the same Node. bench/README.md says how to read it.

const { mkdirSync, readFileSync, writeFileSync } = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { apps } = require('./apps');
const { availableGenerator } = require('./load');
const { measure } = require('./measure');
const { nativeSide, nodeFor, peers, sidesOnNode } = require('./peers');
const { fillReadme, toPeersSvg, toSvg, toText, toVerdicts } = require('./report');
const { scenarios } = require('./scenarios');
const { check, summarize, targetsOn } = require('./summary');

const USAGE = `npm run bench -- [options]

  --only <regex>       scenarios whose name matches, letter case aside
  --rounds <n>         rounds of each side, in alternation (5)
  --seconds <n>        load in each round (3)
  --quick              3 rounds of 1 s
  --calm               take a round again in which other programs took much of the machine
  --check              hold the results against the targets, and fail when one is missed;
                       without --only, run the scenarios that have one
  --peers              beside the two: Bun's and Deno's node:http, hyper, and a loop that only moves bytes
  --node <major>       the Node that both run on (24; installed into the cache when it is another than this one)
  --contender <name>   ferrohttp (default), or node to see what the noise alone comes to
  --generator <name>   wrk or autocannon (wrk where it is installed)
  --json <file>        write every round's figures
  --svg <file>         write a chart; with --peers, theirs
  --readme             put the tables into README.md and the chart into bench/chart.svg,
                       that of the peers into bench/peers.svg
  --from <file>        report what an earlier --json wrote, measuring nothing
  --list               name the scenarios
  --help
`;

const ROOT = path.join(__dirname, '..');
const DRIVER = process.env.FERROHTTP_DRIVER ?? 'default';

/** @typedef {import('./peers').Side} Side */

/** A command line that cannot be followed. */
class UsageError extends Error {}

/** @throws {TypeError} ERR_PARSE_ARGS_…, naming what it does not know */
function readOptions() {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      calm: { type: 'boolean', default: false },
      check: { type: 'boolean', default: false },
      peers: { type: 'boolean', default: false },
      node: { type: 'string', default: '24' },
      contender: { type: 'string', default: 'ferrohttp' },
      generator: { type: 'string', default: availableGenerator() },
      json: { type: 'string' },
      svg: { type: 'string' },
      readme: { type: 'boolean', default: false },
      from: { type: 'string' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  return values;
}

/**
 * @param {string} name
 * @param {string | undefined} text
 * @param {number} fallback
 */
function positive(name, text, fallback) {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new UsageError(`--${name} takes a whole number from 1, not ${text}`);
  return value;
}

/**
 * @param {{ contender: string, peers: boolean }} options
 * @param {string} command the Node of those that run on one
 * @returns {{ sides: Side[], missing: string }} the first side is the base; `missing`: who cannot be had, and why
 */
function allSides(options, command) {
  if (options.contender !== 'ferrohttp' && options.contender !== 'node') {
    throw new UsageError(`--contender takes ferrohttp or node, not ${options.contender}`);
  }
  const sides = sidesOnNode(command, options.contender);
  if (!options.peers) return { sides, missing: '' };
  const found = peers();
  const missing = found.missing.map(({ label, reason }) => `${label} (${reason})`).join(', ');
  if (missing) process.stderr.write(`not measured: ${missing}\n`);
  return { sides: [...sides, ...found.sides], missing };
}

/**
 * @param {import('./scenarios').Scenario} scenario
 * @param {Side[]} sides
 * @returns {Side[]} those that can take part
 */
function sidesOf({ kind, app }, sides) {
  return sides.filter(({ kinds, engine }) => kinds.includes(kind) && (engine !== 'native' || apps[app]?.native));
}

/**
 * What the client scenarios ask: the server that takes least of the machine, so that the client is what is measured.
 * @param {import('./scenarios').Scenario[]} selected
 * @param {Side} base
 * @returns {Side}
 */
function targetFor(selected, base) {
  if (!selected.some(({ kind }) => kind === 'client')) return base;
  try {
    return nativeSide('epoll');
  } catch (err) {
    const reason = /** @type {Error} */ (err).message;
    process.stderr.write(`the client scenarios ask a server on node:http, which slows them: ${reason}\n`);
    return base;
  }
}

/** @returns {import('./scenarios').Scenario[]} */
function chosen(options) {
  const only = options.only === undefined ? null : new RegExp(options.only, 'i');
  const hasTarget = ({ targets }) => targetsOn(DRIVER, targets).length > 0;
  const selected = scenarios.filter((scenario) =>
    only ? only.test(scenario.name) : !options.check || hasTarget(scenario),
  );
  if (selected.length === 0) throw new UsageError(`no scenario matches ${options.only}`);
  if (options.check && !selected.some(hasTarget)) {
    throw new UsageError(`--check: none of the scenarios that match ${options.only} has a target`);
  }
  return selected;
}

/** @returns {Promise<import('./report').Report>} */
async function runAll(options) {
  const plan = {
    rounds: positive('rounds', options.rounds, options.quick ? 3 : 5),
    seconds: positive('seconds', options.seconds, options.quick ? 1 : 3),
    generator: options.generator,
    calm: options.calm,
  };
  if (plan.generator !== 'wrk' && plan.generator !== 'autocannon') {
    throw new UsageError(`--generator takes wrk or autocannon, not ${plan.generator}`);
  }
  const selected = chosen(options);
  const node = nodeFor(positive('node', options.node, 24));
  const { sides: all, missing } = allSides(options, node.command);
  const target = targetFor(selected, all[0]);
  const run = {
    date: new Date().toISOString().slice(0, 10),
    contender: options.contender,
    node: node.version,
    platform: `${os.platform()} ${os.arch()}`,
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown CPU',
    cpus: os.availableParallelism(),
    driver: DRIVER,
    target: target.label,
    ...(missing ? { missing } : {}),
    ...plan,
  };
  /** @type {import('./summary').Result[]} */
  const results = [];
  for (const [i, scenario] of selected.entries()) {
    const { name, kind, latency, targets } = scenario;
    process.stderr.write(`[${i + 1}/${selected.length}] ${name} … `);
    const sides = sidesOf(scenario, all);
    const about = { scenario: name, kind, latency, targets };
    try {
      const figures = await measure(scenario, sides, { ...plan, target });
      results.push({ ...about, sides: summarize(sides, figures) });
      process.stderr.write(`${brief(results[i])}\n`);
    } catch (err) {
      const error = err instanceof Error ? err.message : String(err);
      process.stderr.write(`FAILED: ${error}\n`);
      results.push({ ...about, error: error.split('\n')[0], sides: [] });
    }
  }
  return { run, results };
}

/** @param {import('./summary').Result} result */
function brief({ sides }) {
  const [name, ratio] = Object.entries(sides[1].ratio)[0] ?? [];
  return ratio ? `${name} ${ratio.median.toFixed(2)}× (${ratio.min.toFixed(2)}–${ratio.max.toFixed(2)})` : 'no ratio';
}

/** @param {string} file */
function write(file, text) {
  mkdirSync(path.dirname(path.resolve(file)), { recursive: true });
  writeFileSync(file, text);
}

async function main() {
  const options = readOptions();
  if (options.help) {
    process.stdout.write(USAGE);
    return;
  }
  if (options.list) {
    process.stdout.write(`${scenarios.map(({ name }) => name).join('\n')}\n`);
    return;
  }
  /** @type {import('./report').Report} */
  const report = options.from ? JSON.parse(readFileSync(options.from, 'utf8')) : await runAll(options);
  process.stdout.write(`\n${toText(report)}`);
  if (options.json) write(options.json, `${JSON.stringify(report, null, 2)}\n`);
  const peersSvg = toPeersSvg(report);
  if (options.svg) write(options.svg, peersSvg ?? toSvg(report));
  if (options.readme) {
    if (report.run.contender !== 'ferrohttp') throw new UsageError('--readme takes figures of ferrohttp only');
    fillReadme(report, path.join(ROOT, 'README.md'));
    write(path.join(__dirname, 'chart.svg'), toSvg(report));
    if (peersSvg) write(path.join(__dirname, 'peers.svg'), peersSvg);
  }
  if (options.check) {
    const verdicts = check(String(report.run.driver), report.results);
    process.stdout.write(`\n${toVerdicts(verdicts, Number(report.run.rounds))}`);
    if (verdicts.length === 0 || verdicts.some(({ ok }) => !ok)) process.exitCode = 1;
  }
  if (report.results.some(({ error }) => error)) process.exitCode = 1;
}

main().catch((err) => {
  const usage = err instanceof UsageError || err?.code?.startsWith('ERR_PARSE_ARGS');
  process.stderr.write(usage ? `${err.message}\n\n${USAGE}` : `${err.stack}\n`);
  process.exitCode = usage ? 2 : 1;
});
