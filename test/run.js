'use strict';

// npm run test:node: Node's own http tests, run in the Node they belong to, with ferrohttp in http's place.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { ROOT, main } = require('../scripts/process');
const { ensureBuilt } = require('../scripts/prepare');
const { execute } = require('./execute');
const { SCOPES, SEQUENTIAL, listFiles } = require('./files');
const { DRIVERS, Ledger } = require('./ledger');
const { nodeBinary, nodeVersion } = require('./node-binary');
const { suiteTree } = require('./suite');
const { cacheFolder } = require('./cache');

/** @typedef {import('./files').TestFile} TestFile */
/** @typedef {import('./ledger').Verdict} Verdict */
/** @typedef {InstanceType<typeof Ledger>} Known */
/** @typedef {import('./execute').Result & { file: TestFile, verdict: Verdict, alone: boolean }} Finished */

const USAGE = `npm run test:node -- [options]
  --only <regex|glob>  only files whose base name matches
  --driver <name>      ${DRIVERS.join(' or ')} (default ${DRIVERS[0]})
  --scope <name>       ${Object.keys(SCOPES).join(' or ')} (default all)
  --node <major>       the Node binary and the suite (default 24)
  --jobs <n>           how many beside each other (default 4)
  --timeout <s>        a file's time limit (default 120)
  --strict             an unexpected pass fails, and files in the ledger get the whole time limit
  --update-ledger      put failing files into the ledger, and take passing ones out
  --stock              without ferrohttp: is the runner right?
  --list               only name the files
  --verbose            show what failing files printed`;

/**
 * Seconds for a file that is in the ledger, unless --strict: most of those that hang would do so for the whole limit,
 * and nearly every file of the suite passes within a few seconds.
 */
const KNOWN_LIMIT = 20;

/** Sequential files listen on fixed ports: below the ephemeral range, and apart from another run's. */
const PORT = 20000 + (process.pid % 1000) * 10;

function options() {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      driver: { type: 'string', default: DRIVERS[0] },
      scope: { type: 'string', default: 'all' },
      node: { type: 'string', default: '24' },
      jobs: { type: 'string', default: '4' },
      timeout: { type: 'string', default: '120' },
      strict: { type: 'boolean', default: false },
      'update-ledger': { type: 'boolean', default: false },
      stock: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      verbose: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (!DRIVERS.includes(values.driver)) throw new Error(`no such driver: ${values.driver}`);
  if (!(values.scope in SCOPES)) throw new Error(`no such scope: ${values.scope}`);
  for (const name of /** @type {const} */ (['node', 'jobs', 'timeout'])) {
    if (!(Number(values[name]) > 0)) throw new Error(`--${name} takes a number`);
  }
  return { ...values, node: Number(values.node), jobs: Number(values.jobs), timeout: Number(values.timeout) };
}

/** @type {Record<Verdict, string>} */
const LABELS = { pass: 'ok    ', skip: 'skip  ', fail: 'FAIL  ', known: 'ledger', unexpected: 'ok (!)' };

/** @param {Finished} result @param {string} progress */
function printResult({ file, verdict, seconds, reason, alone }, progress) {
  const note = alone ? (verdict === 'fail' ? ', also alone' : ', alone: it failed beside others') : '';
  console.log(
    `${LABELS[verdict]} ${seconds.toFixed(2).padStart(6)} s ${progress} ${file.folder}/${file.name}${note}` +
      `${reason ? `  (${reason})` : ''}`,
  );
}

/**
 * Runs `files`, `jobs` at a time.
 * @param {TestFile[]} files
 * @param {number} jobs
 * @param {(file: TestFile, job: number) => Promise<void>} work
 */
async function runAll(files, jobs, work) {
  const queue = [...files];
  const worker = async (/** @type {number} */ job) => {
    for (let file = queue.shift(); file; file = queue.shift()) await work(file, job);
  };
  await Promise.all(Array.from({ length: Math.min(jobs, files.length) }, (_, job) => worker(job)));
}

/**
 * @param {TestFile[]} files
 * @param {string} node the binary
 * @param {ReturnType<typeof options>} opts
 * @param {Known} ledger
 * @param {string} scratch
 * @returns {Promise<Finished[]>} one per file, the last word on it
 */
async function runSuite(files, node, opts, ledger, scratch) {
  const setting = {
    node,
    register: opts.stock ? undefined : path.join(ROOT, 'register.cjs'),
    driver: opts.stock ? undefined : opts.driver,
    scratch,
    port: PORT,
  };
  /** @type {Map<string, Finished>} */
  const finished = new Map();
  const attempt = async (/** @type {TestFile} */ file, /** @type {number} */ job) => {
    const known = ledger.reason(file.name) !== undefined;
    const limit = known && !opts.strict ? Math.min(KNOWN_LIMIT, opts.timeout) : opts.timeout;
    const alone = finished.has(file.path);
    const result = await execute(file, { ...setting, limit }, job);
    const verdict = ledger.judge(file.name, result.outcome);
    finished.set(file.path, { ...result, file, verdict, alone });
    printResult({ ...result, file, verdict, alone }, `[${finished.size}/${files.length}]`);
  };
  const parallel = files.filter(({ folder }) => folder !== SEQUENTIAL);
  await runAll(parallel, opts.jobs, attempt);
  await runAll(
    files.filter(({ folder }) => folder === SEQUENTIAL),
    1,
    attempt,
  );
  // A busy machine must not fail a run: what failed beside others has a second try by itself.
  const failed = parallel.filter((file) => finished.get(file.path)?.verdict === 'fail');
  await runAll(opts.jobs > 1 ? failed : [], 1, attempt);
  return [...finished.values()];
}

/** @param {Finished[]} results @param {Known} ledger @param {boolean} verbose shows what has to be looked at */
function printFindings(results, ledger, verbose) {
  const of = (/** @type {Verdict} */ verdict) => results.filter((result) => result.verdict === verdict);
  const failed = of('fail');
  if (failed.length > 0) console.log('\nFailed, and not in the ledger:');
  for (const { file, reason, output } of failed) {
    console.log(`  ${file.folder}/${file.name}: ${reason}`);
    if (verbose || failed.length <= 10)
      console.log(output.trimEnd().split('\n').slice(-30).join('\n').replace(/^/gm, '    | '));
  }
  const unexpected = of('unexpected');
  if (unexpected.length > 0) console.log('\nIn the ledger, but passed; the lines to delete from test/ledger.json:');
  for (const { file } of unexpected) console.log(`  "${file.name}": ${JSON.stringify(ledger.entries[file.name])}`);
  const beside = results.filter(({ alone, outcome }) => alone && outcome === 'pass');
  if (beside.length > 0) console.log('\nFailed beside others, passed alone:');
  for (const { file } of beside) console.log(`  ${file.name}`);
}

async function runNodeSuite() {
  const opts = options();
  if (opts.help) return console.log(USAGE);
  const start = performance.now();
  let tree;
  let node;
  try {
    tree = await suiteTree(opts.node);
    node = nodeBinary(opts.node);
  } catch (error) {
    if (process.env.CI) throw error;
    console.log(
      `${/** @type {Error} */ (error).message}\nNode's suite: 0 passed, 0 failed, 1 skipped (the whole suite)`,
    );
    return;
  }
  const files = listFiles(tree, opts.scope, opts.only);
  if (files.length === 0) throw new Error('no file of the suite matches');
  if (opts.list) return console.log(files.map(({ folder, name }) => `${folder}/${name}`).join('\n'));
  if (!opts.stock) await ensureBuilt();

  const ledger = opts.stock ? new Ledger(opts.node, 'stock', {}) : Ledger.load(opts.node, opts.driver);
  const scratch = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'ferro-')));
  process.on('exit', () => fs.rmSync(scratch, { recursive: true, force: true }));
  const results = await runSuite(files, node, opts, ledger, scratch);
  printFindings(results, ledger, opts.verbose);

  const number = (/** @type {Verdict} */ verdict) => results.filter((result) => result.verdict === verdict).length;
  const passed = number('pass') + number('unexpected');
  const wall = (performance.now() - start) / 1000;
  const title = `Node ${nodeVersion(opts.node)}, ${opts.stock ? 'stock' : `driver ${opts.driver}`}`;
  const report = path.join(cacheFolder(), `report-node${opts.node}-${opts.stock ? 'stock' : opts.driver}.json`);
  const rows = results.map((result) => ({
    name: result.file.name,
    verdict: result.verdict,
    seconds: Number(result.seconds.toFixed(2)),
    alone: result.alone,
    reason: result.reason,
  }));
  fs.writeFileSync(report, `${JSON.stringify({ title, wall, passed, files: rows }, null, 1)}\n`);

  if (opts['update-ledger'] && !opts.stock) {
    for (const { file, outcome, reason } of results) {
      const known = ledger.reason(file.name);
      if (outcome === 'fail' && known === undefined) ledger.add(file.name, reason);
      if (outcome === 'pass' && known !== undefined && !known.startsWith('flaky')) ledger.remove(file.name);
    }
    ledger.save();
    console.log('\ntest/ledger.json is up to date; every "not yet" in it wants a real reason');
  }
  console.log(
    `\n${title}: ${passed} of ${files.length} files pass (${((100 * passed) / files.length).toFixed(1)}%), ${wall.toFixed(1)} s`,
  );
  console.log(
    `Node's suite: ${passed} passed, ${number('fail')} failed, ${number('known') + number('skip')} skipped` +
      ` (${number('known')} in the ledger, ${number('skip')} by themselves)`,
  );
  process.exitCode =
    (number('fail') > 0 && !opts['update-ledger']) || (opts.strict && number('unexpected') > 0) ? 1 : 0;
}

main(runNodeSuite());
