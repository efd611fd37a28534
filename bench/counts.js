'use strict';

// npm run counts: what can be counted instead of timed, held against what it was. bench/README.md says what is counted and why
// the tolerances are what they are.

const { spawnSync } = require('node:child_process');
const { readFileSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { ensureBuilt } = require('../scripts/prepare');
const { ROOT, main, must } = require('../scripts/process');
const { nodeFor } = require('./peers');

const USAGE = `npm run counts -- [options]

  --only <part>   instructions (of proto/, by valgrind) or calls (Node-API and system calls of the addon)
  --update        record what was counted, for those that differ by more than the tolerance
  --help
`;

const RECORD = path.join(__dirname, 'counts.json');
/** The Node that the calls are counted on. */
const NODE = 24;
/** How many messages more the second run of the instruction counter has. */
const MESSAGES = 1000;
const FEWER_MESSAGES = 200;

/**
 * Counts by case, then by what is counted.
 * @typedef {Record<string, Record<string, number>>} Counts
 * @typedef {'instructions' | 'calls'} Part
 *
 * @typedef {object} Recorded
 * @property {string} rustc what compiled the code whose instructions were counted
 * @property {string} arch of the processor
 * @property {Record<Part, number>} tolerance by how much, of the recorded count, a count may exceed it
 * @property {Record<Part, Counts>} counts
 *
 * @typedef {{ text: string, verdict: 'ok' | 'better' | 'worse' | 'new' | 'gone' }} Finding
 */

/**
 * @param {string} program
 * @param {string[]} args
 * @returns {string} both streams
 */
function output(program, args) {
  const { status, error, stdout, stderr } = spawnSync(program, args, { cwd: ROOT, encoding: 'utf8' });
  if (error) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed:\n${stdout}${stderr}`);
  return `${stdout}${stderr}`;
}

/** @returns {string | undefined} why instructions cannot be counted here */
function noInstructions(recorded) {
  if (spawnSync('valgrind', ['--version']).error) return 'valgrind is not installed';
  // Another architecture's count says nothing about this one's.
  if (process.arch !== recorded.arch) return `they are recorded for ${recorded.arch}, and this is ${process.arch}`;
  return undefined;
}

/** @returns {Promise<Counts>} */
async function countInstructions() {
  const args = ['build', '--locked', '--release', '--package', 'ferrohttp-proto', '--example', 'instructions'];
  const { stdout } = await must('cargo', [...args, '--message-format', 'json-render-diagnostics'], {
    stdout: 'hidden',
  });
  const program = stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line).executable)
    .find(Boolean);
  const counted = (/** @type {string} */ name, /** @type {number} */ messages) => {
    const valgrind = ['--tool=callgrind', '--callgrind-out-file=/dev/null', program, name, String(messages)];
    return Number(/^==\d+== Collected : (\d+)$/m.exec(output('valgrind', valgrind))?.[1]);
  };
  /** @type {Counts} */
  const counts = {};
  for (const name of output(program, []).trim().split('\n')) {
    // The difference of two runs: the loader, libc's start and the first growth of buffers are in both.
    const more = counted(name, FEWER_MESSAGES + MESSAGES) - counted(name, FEWER_MESSAGES);
    if (!(more > 0)) throw new Error(`valgrind counted nothing for ${name}`);
    counts[name] = { instructions: Math.round(more / MESSAGES) };
  }
  return counts;
}

/** @returns {Promise<Counts>} */
async function countCalls() {
  await ensureBuilt();
  const script = path.join(__dirname, 'children', 'calls.js');
  const env = { FERROHTTP_DRIVER: 'local', NODE_OPTIONS: undefined };
  const { stdout } = await must(nodeFor(NODE).command, [script], { env, stdout: 'hidden' });
  /** @type {Counts} */
  const counts = JSON.parse(stdout);
  for (const figures of Object.values(counts)) {
    for (const name of Object.keys(figures)) figures[name] = Number(figures[name].toFixed(4));
  }
  return counts;
}

/**
 * @param {Counts} recorded
 * @param {Counts} counted
 * @param {number} tolerance of the recorded count
 * @returns {Finding[]} one for each count
 */
function compare(recorded, counted, tolerance) {
  /** @type {Finding[]} */
  const findings = [];
  for (const [name, figures] of Object.entries(counted)) {
    for (const [what, now] of Object.entries(figures)) {
      const before = recorded[name]?.[what];
      const text = `${name}: ${now} ${what}`;
      if (before === undefined) {
        findings.push({ text: `${text}, and none are recorded`, verdict: 'new' });
        continue;
      }
      const change = before === 0 ? (now === 0 ? 0 : Number.POSITIVE_INFINITY) : now / before - 1;
      const verdict = change > tolerance ? 'worse' : change < -tolerance ? 'better' : 'ok';
      const percent = `${change < 0 ? '−' : '+'}${(Math.abs(change) * 100).toFixed(1)} %`;
      findings.push({ text: verdict === 'ok' ? text : `${text}, ${percent} to the ${before} recorded`, verdict });
    }
  }
  for (const name of Object.keys(recorded)) {
    if (!(name in counted)) findings.push({ text: `${name}: recorded, but not counted any more`, verdict: 'gone' });
  }
  return findings;
}

/** @type {Record<Finding['verdict'], string>} */
const LABELS = { ok: 'ok    ', better: 'better', worse: 'WORSE ', new: 'NEW   ', gone: 'GONE  ' };

/**
 * @param {Finding[]} findings
 * @param {Part} part
 * @param {Recorded} recorded
 * @returns {string[]} what there is to be done about them
 */
function advice(findings, part, recorded) {
  const has = (/** @type {Finding['verdict'][]} */ ...verdicts) =>
    findings.some(({ verdict }) => verdicts.includes(verdict));
  const lines = [];
  if (has('worse')) {
    lines.push(
      `More ${part} than recorded: find out why, or record them with \`npm run counts -- --update\` and say why in the commit.`,
    );
    const rustc = rustcVersion();
    if (part === 'instructions' && rustc !== recorded.rustc) {
      lines.push(`They were recorded with rustc ${recorded.rustc}, and this is ${rustc}: then only record them anew.`);
    }
  }
  if (has('new', 'gone')) lines.push('The cases are not those recorded: `npm run counts -- --update`.');
  if (has('better')) lines.push(`Fewer ${part} than recorded: \`npm run counts -- --update\` keeps it so.`);
  return lines;
}

/** @returns {string} '1.95.0' */
function rustcVersion() {
  return output('rustc', ['--version']).split(' ')[1];
}

/** @param {Counts} recorded @param {Counts} counted @param {number} tolerance @returns {Counts} */
function updated(recorded, counted, tolerance) {
  /** @type {Counts} */
  const counts = {};
  for (const [name, figures] of Object.entries(counted)) {
    // What has not really changed stays as it stands, or every update would touch every line.
    const same = compare({ [name]: recorded[name] ?? {} }, { [name]: figures }, tolerance).every(
      ({ verdict }) => verdict === 'ok',
    );
    counts[name] = same ? recorded[name] : figures;
  }
  return counts;
}

async function run() {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      update: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return;
  }
  if (values.only !== undefined && values.only !== 'instructions' && values.only !== 'calls') {
    throw new Error(`--only takes instructions or calls, not ${values.only}`);
  }
  /** @type {Recorded} */
  const recorded = JSON.parse(readFileSync(RECORD, 'utf8'));
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  for (const part of /** @type {const} */ (['instructions', 'calls'])) {
    if (values.only !== undefined && values.only !== part) continue;
    const reason = part === 'instructions' ? noInstructions(recorded) : undefined;
    if (reason) {
      if (process.env.CI || values.update) throw new Error(`instructions cannot be counted: ${reason}`);
      console.log(`instructions: skipped, ${reason}`);
      skipped += 1;
      continue;
    }
    const counted = await (part === 'instructions' ? countInstructions() : countCalls());
    const tolerance = recorded.tolerance[part];
    const findings = compare(recorded.counts[part], counted, tolerance);
    console.log(`\n${part}, for each message or request; up to ${tolerance * 100} % more than recorded is let pass`);
    for (const { text, verdict } of findings) console.log(`${LABELS[verdict]} ${text}`);
    for (const line of values.update ? [] : advice(findings, part, recorded)) console.log(line);
    passed += findings.filter(({ verdict }) => verdict === 'ok' || verdict === 'better').length;
    failed += findings.filter(({ verdict }) => verdict !== 'ok' && verdict !== 'better').length;
    recorded.counts[part] = updated(recorded.counts[part], counted, tolerance);
    if (part === 'instructions') recorded.rustc = rustcVersion();
  }
  if (values.update) {
    writeFileSync(RECORD, `${JSON.stringify(recorded, null, 2)}\n`);
    console.log(`\nrecorded in ${path.relative(ROOT, RECORD)}`);
    return;
  }
  console.log(`\ncounts: ${passed} passed, ${failed} failed, ${skipped} skipped`);
  if (failed > 0) process.exitCode = 1;
}

if (require.main === module) main(run());

module.exports = { compare, updated };
