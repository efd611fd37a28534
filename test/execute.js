'use strict';

// One file of Node's suite, run as Node's own tools run it: in its own process, with the flags it asks for.

const fs = require('node:fs');
const path = require('node:path');
const { spawn } = require('node:child_process');
const { requirements, SEQUENTIAL } = require('./files');

/** @typedef {import('./files').TestFile} TestFile */
/** @typedef {'pass' | 'skip' | 'fail'} Outcome */
/**
 * @typedef {object} Result
 * @property {Outcome} outcome
 * @property {number} seconds
 * @property {string} reason why it failed, or was skipped by itself: one line
 * @property {string} output the end of what it printed
 */
/**
 * @typedef {object} Setting how all files of a run are run
 * @property {string} node the binary
 * @property {string | undefined} register what to load in front, undefined: nothing (stock Node)
 * @property {string | undefined} driver
 * @property {number} limit seconds a file may take
 * @property {string} scratch a folder of the run's own
 * @property {number} port the first of a few ports that sequential files may listen on
 */

/** Bytes of output kept of a file. */
const OUTPUT_KEPT = 64 * 1024;

/** The process groups now running, ended with this process. @type {Set<number>} */
const groups = new Set();

/** @param {number} group */
function killGroup(group) {
  try {
    process.kill(-group, 'SIGKILL');
  } catch {
    // All of it has ended already.
  }
}

process.on('exit', () => {
  for (const group of groups) killGroup(group);
});

/**
 * The environment of a test: the machine's, without what would change how Node behaves.
 * @param {TestFile} file
 * @param {Record<string, string>} wanted what the file asks for
 * @param {Setting} setting
 * @param {number} job which of the jobs running beside each other
 */
function environmentFor(file, wanted, setting, job) {
  /** @type {Record<string, string | undefined>} */
  const env = { ...process.env };
  for (const name of Object.keys(env)) {
    if (/^(npm_|NODE_|TEST_|FERROHTTP_|FORCE_COLOR$|NO_COLOR$)|_proxy$/i.test(name)) delete env[name];
  }
  Object.assign(env, { NODE_TEST_DIR: setting.scratch, TEST_THREAD_ID: String(job), ...wanted });
  if (file.folder === SEQUENTIAL) env.NODE_COMMON_PORT = String(setting.port);
  else env.TEST_PARALLEL = '1';
  if (setting.driver) env.FERROHTTP_DRIVER = setting.driver;
  if (setting.register) {
    // In NODE_OPTIONS, so that the test's child processes have it too and process.execArgv stays what the test expects.
    // --require rather than --import: that one starts the module loader first, and the test's own first tick moves.
    env.NODE_OPTIONS = `--require "${setting.register.replace(/["\\]/g, '\\$&')}"`;
  }
  return env;
}

/**
 * The line that says best why a test failed.
 * @param {string} output @param {number | null} code @param {NodeJS.Signals | null} signal
 */
function firstError(output, code, signal) {
  const lines = output.split('\n').map((line) => line.trim());
  const line =
    lines.find((text) => /^(Uncaught )?[A-Za-z]*(Error|Exception|Warning)\b.*:/.test(text)) ??
    lines.find((text) => /^Mismatched .* function calls/.test(text)) ??
    lines.find((text) => /panicked at/.test(text));
  return (line ?? (signal ? `killed by ${signal}` : `exit status ${code}`)).slice(0, 160);
}

/**
 * Runs one file. Whatever it leaves running is ended with it.
 * @param {TestFile} file
 * @param {Setting} setting
 * @param {number} job
 * @returns {Promise<Result>}
 */
function execute(file, setting, job) {
  const { flags, env } = requirements(file.path);
  const start = performance.now();
  const cwd = path.join(setting.scratch, `job-${job}`);
  fs.mkdirSync(cwd, { recursive: true });
  return new Promise((resolve, reject) => {
    const child = spawn(setting.node, [...flags, file.path], {
      cwd,
      env: environmentFor(file, env, setting, job),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    child.on('error', reject);
    const group = /** @type {number} */ (child.pid);
    groups.add(group);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk) => {
        output = (output + chunk).slice(-OUTPUT_KEPT);
      });
    }
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      killGroup(group);
    }, setting.limit * 1000);
    child.on('exit', () => {
      clearTimeout(timer);
      // A child of the test may live on, and hold our end of the pipes.
      killGroup(group);
      groups.delete(group);
    });
    child.on('close', (code, signal) => {
      const seconds = (performance.now() - start) / 1000;
      const skipped = output.match(/^1\.\.0 # Skipped: (.*)$/m);
      if (code === 0) resolve({ outcome: skipped ? 'skip' : 'pass', seconds, reason: skipped?.[1] ?? '', output });
      const reason = timedOut ? `no end after ${setting.limit} s` : firstError(output, code, signal);
      resolve({ outcome: 'fail', seconds, reason, output });
    });
  });
}

module.exports = { execute };
