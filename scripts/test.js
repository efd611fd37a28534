'use strict';

// npm test: from a bare clone through every test there is. `npm test -- rust own node` picks suites.

const fs = require('node:fs');
const path = require('node:path');
const { spawnSync } = require('node:child_process');
const { parseArgs } = require('node:util');
const { ensureInstalled, ensureBuilt } = require('./prepare');
const { ROOT, main, run, seconds } = require('./process');
const { install, isWanted } = require('./installed');
const { cacheFolder } = require('../test/cache');
const { MAJORS, nodeBinary } = require('../test/node-binary');

const DRIVERS = ['local', 'fed', 'threads'];

/**
 * @typedef {{ passed: number, failed: number, skipped: number }} Totals
 * @typedef {{ name: string, command: string, args: string[], cwd?: string, env?: Record<string, string>,
 *   totals: (output: string) => Totals | undefined }} Suite one program whose output tells how many tests it ran
 */

/** Which of our words each runner's own words mean. @type {Record<string, keyof Totals>} */
const WORDS = {
  passed: 'passed',
  pass: 'passed',
  failed: 'failed',
  fail: 'failed',
  'exec failed': 'failed',
  'timed out': 'failed',
  cancelled: 'failed',
  skipped: 'skipped',
  ignored: 'skipped',
  todo: 'skipped',
};

/**
 * Adds up "3 passed, 1 failed …" over the lines that `pattern` finds.
 * @param {string} output @param {RegExp} pattern with the flags gm
 * @returns {Totals | undefined} undefined: there is no such line, so the program never came to its end
 */
function count(output, pattern) {
  const lines = output.match(pattern);
  if (!lines) return undefined;
  const totals = { passed: 0, failed: 0, skipped: 0 };
  for (const line of lines) {
    for (const [, number, word] of line.matchAll(/(\d+) (exec failed|timed out|[a-z]+)/g)) {
      if (word in WORDS) totals[WORDS[word]] += Number(number);
    }
  }
  return totals;
}

/** @returns {Suite[]} */
function rustSuites() {
  const cargo = { command: 'cargo', totals: (/** @type {string} */ output) => count(output, /^test result: .*$/gm) };
  if (spawnSync('cargo', ['nextest', '--version']).status !== 0) {
    return [{ ...cargo, name: 'Rust', args: ['test', '--workspace', '--locked', '--no-fail-fast'] }];
  }
  return [
    {
      name: 'Rust',
      command: 'cargo',
      args: ['nextest', 'run', '--workspace', '--locked', '--no-fail-fast'],
      totals: (output) => count(output, /^ *Summary \[.*tests? run: .*$/gm),
    },
    { ...cargo, name: 'Rust, documentation', args: ['test', '--workspace', '--locked', '--doc'] },
  ];
}

/** @param {string} folder @returns {string[]} the test files under it, in order */
function testFiles(folder) {
  return fs
    .readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const file = path.join(folder, entry.name);
      if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : testFiles(file);
      return /\.test\.[cm]?js$/.test(entry.name) ? [path.relative(ROOT, file)] : [];
    });
}

/** Says, in a file's first lines, that it tests nothing a driver takes part in. */
const ONE_DRIVER = /^\/\/ One driver suffices: \S/m;

/** @returns {{ major: number, command: string }[]} the pinned Nodes */
function pinnedNodes() {
  return MAJORS.flatMap((major) => {
    try {
      return [{ major, command: nodeBinary(major) }];
    } catch (error) {
      if (process.env.CI) throw error;
      console.log(`\n══ own tests on Node ${major}: skipped. ${/** @type {Error} */ (error).message}`);
      return [];
    }
  });
}

/**
 * @returns {Promise<Suite[]>} the project's own tests: on this Node once per driver, and the installed package's, with the default driver, on
 *   each Node that there is
 */
async function ownSuites() {
  const files = testFiles(path.join(ROOT, '__test__'));
  const onEach = files.filter(
    (file) => !ONE_DRIVER.test(fs.readFileSync(path.join(ROOT, file), 'utf8').slice(0, 2048)),
  );
  // Given no files, `node --test` would look for some by itself.
  if (onEach.length === 0) throw new Error('__test__ has no tests');
  const suite = (
    /** @type {string} */ name,
    /** @type {string} */ command,
    /** @type {string} */ driver,
    /** @type {string[]} */ tests,
    cwd = ROOT,
  ) => ({
    name,
    command,
    cwd,
    args: [
      '--test',
      '--test-reporter=spec',
      '--test-concurrency=2',
      // Only so that a test that hangs comes to an end.
      '--test-timeout=300000',
      ...tests,
    ],
    env: { FERROHTTP_DRIVER: driver, FERROHTTP_CACHE: cacheFolder() },
    totals: (/** @type {string} */ output) =>
      count(output.replace(/^ℹ (\w+) (\d+)$/gm, '$2 $1'), /^\d+ (pass|fail|cancelled|skipped|todo)$/gm),
  });
  const nodes = pinnedNodes();
  const installed = nodes.length > 0 ? await install() : ROOT;
  return [
    ...DRIVERS.map((driver, index) =>
      suite(`own tests, driver ${driver}`, process.execPath, driver, index === 0 ? files : onEach),
    ),
    ...nodes.map(({ major, command }) =>
      suite(`own tests of the package, Node ${major}`, command, DRIVERS[0], files.filter(isWanted), installed),
    ),
  ];
}

/** Node's suites that are run: the reference's on each driver, and the oldest's once. @type {[number, string][]} */
const NODE_SUITES = [
  [24, 'local'],
  [24, 'fed'],
  [24, 'threads'],
  [20, 'local'],
];

/** @returns {Suite[]} Node's own tests */
function nodeSuites() {
  return NODE_SUITES.map(([major, driver]) => ({
    name: `Node ${major}'s suite, driver ${driver}`,
    command: process.execPath,
    args: ['test/run.js', '--node', String(major), '--driver', driver],
    totals: (output) => count(output, /^Node's suite: .*$/gm),
  }));
}

/** @type {Record<string, () => Suite[] | Promise<Suite[]>>} */
const GROUPS = { rust: rustSuites, own: ownSuites, node: nodeSuites };

/** @param {Suite} suite @returns {Promise<Totals & { ok: boolean, line: string }>} */
async function runSuite(suite) {
  const start = performance.now();
  console.log(`\n══ ${suite.name}: ${path.basename(suite.command)} ${suite.args.join(' ').slice(0, 200)}`);
  const result = await run(suite.command, suite.args, {
    cwd: suite.cwd,
    env: process.stdout.isTTY ? { CARGO_TERM_COLOR: 'always', FORCE_COLOR: '1', ...suite.env } : suite.env,
  });
  const found = suite.totals(`${result.stdout}\n${result.stderr}`);
  const totals = found ?? { passed: 0, failed: 0, skipped: 0 };
  // A suite that broke off, or failed without naming a test, is one failure: it must not vanish from the sum.
  if (!found || (!result.ok && totals.failed === 0)) totals.failed += 1;
  const ok = result.ok && totals.failed === 0;
  const { passed, failed, skipped } = totals;
  return {
    ...totals,
    ok,
    line:
      `${ok ? 'ok    ' : 'FAILED'} ${suite.name}: ${passed} passed, ${failed} failed, ${skipped} skipped` +
      `${found ? '' : ' (broke off)'}, ${seconds(start)}`,
  };
}

async function test() {
  const { positionals } = parseArgs({ allowPositionals: true });
  const unknown = positionals.find((name) => !(name in GROUPS));
  if (unknown) throw new Error(`no such suite: ${unknown} (there are ${Object.keys(GROUPS).join(', ')})`);

  const start = performance.now();
  await ensureInstalled();
  await ensureBuilt();
  /** @type {Awaited<ReturnType<typeof runSuite>>[]} */
  const results = [];
  for (const group of positionals.length > 0 ? positionals : Object.keys(GROUPS)) {
    for (const suite of await GROUPS[group]()) results.push(await runSuite(suite));
  }

  console.log(`\n══ all suites, ${seconds(start)}`);
  for (const { line } of results) console.log(line);
  const sum = (/** @type {keyof Totals} */ key) => results.reduce((total, result) => total + result[key], 0);
  console.log(`\n${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped`);
  process.exitCode = results.every((result) => result.ok) ? 0 : 1;
}

main(test());
