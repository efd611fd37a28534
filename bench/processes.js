'use strict';

// Child processes of a run: asked over IPC, and none outlives it.

const { fork, spawn } = require('node:child_process');
const { once } = require('node:events');
const { readFileSync } = require('node:fs');
const path = require('node:path');
const { pathToFileURL } = require('node:url');

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();

process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
for (const [signal, code] of /** @type {const} */ ([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
])) {
  process.once(signal, () => process.exit(code));
}

/**
 * @template {import('node:child_process').ChildProcess} T
 * @param {T} child
 * @returns {T}
 */
function tracked(child) {
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

// A --import in NODE_OPTIONS would put another engine under the one measured.
const env = { ...process.env };
delete env.NODE_OPTIONS;

/** A script of children/ that answers questions one at a time. */
class Child {
  /**
   * @param {string} script name in children/, without .js
   * @param {string[]} args
   * @param {{ side: import('./peers').Side, register?: boolean, exposeGc?: boolean }} options
   */
  constructor(script, args, { side, register = false, exposeGc = false }) {
    const execArgv = [...side.flags];
    if (register) execArgv.push('--import', pathToFileURL(path.join(__dirname, '..', 'register.mjs')).href);
    if (exposeGc) execArgv.push(...side.gcFlags);
    this.name = `${side.label}, ${[script, ...args].join(' ')}`;
    const options = { execPath: side.command, execArgv, env: { ...env, ...side.env } };
    this.process = tracked(fork(path.join(__dirname, 'children', `${script}.js`), args, options));
    this.exited = once(this.process, 'exit');
  }

  /**
   * @param {string} question
   * @param {object} [details]
   * @returns {Promise<any>} the child's answer; rejects with its error, or when it dies
   */
  async ask(question, details) {
    const answered = new AbortController();
    try {
      const answer = once(this.process, 'message', { signal: answered.signal });
      answer.catch(() => {}); // aborted below, when the child's death won
      this.process.send({ question, details }, () => {}); // a failure to send shows as the exit
      const dead = this.exited.then(([code, signal]) => {
        throw new Error(`${this.name} died (${signal ?? code})`);
      });
      const [{ error, value }] = await Promise.race([answer, dead]);
      if (error) throw new Error(`${this.name}: ${error}`);
      return value;
    } finally {
      answered.abort();
    }
  }

  /** Ends the child; resolves when it is gone. */
  async stop() {
    if (this.process.connected) this.process.disconnect();
    await ended(this.process, this.exited);
  }
}

/**
 * Waits for a child that has been told to leave, for two seconds at most.
 * @param {import('node:child_process').ChildProcess} child
 * @param {Promise<unknown>} exited
 */
async function ended(child, exited) {
  const timer = setTimeout(() => child.kill('SIGKILL'), 2000);
  await exited;
  clearTimeout(timer);
}

/**
 * In a child: answers what the parent asks, and leaves when the parent does.
 * @param {Record<string, (details: any) => any>} answers by question
 */
function answerParent(answers) {
  process.on('disconnect', () => process.exit());
  process.on('message', async (/** @type {any} */ { question, details }) => {
    let message;
    try {
      message = { value: await answers[question](details) };
    } catch (err) {
      message = { error: err instanceof Error ? err.stack : String(err) };
    }
    process.send?.(message);
  });
}

/**
 * @param {string} program
 * @param {string[]} args
 * @returns {Promise<string>} what it wrote to stdout; rejects when it fails
 */
async function runProgram(program, args) {
  const child = tracked(spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env }));
  const output = { stdout: '', stderr: '' };
  for (const name of /** @type {const} */ (['stdout', 'stderr'])) {
    child[name].setEncoding('utf8').on('data', (text) => {
      output[name] += text;
    });
  }
  const [code, signal] = await once(child, 'close');
  if (code !== 0) throw new Error(`${program} failed (${signal ?? code}): ${output.stderr}${output.stdout}`);
  return output.stdout;
}

/** @returns {number} ms of CPU time of this process, of its children, and of those they have waited for; NaN where /proc is not */
function ownCpu() {
  let ticks = 0;
  for (const pid of [process.pid, ...Array.from(running, (child) => child.pid)]) {
    let stat;
    try {
      stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    } catch {
      if (pid === process.pid) return Number.NaN;
      continue; // just gone
    }
    // The second field, the program's name, may hold spaces and parentheses. utime is the 14th, then stime, cutime, cstime.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    for (const field of fields.slice(11, 15)) ticks += Number(field);
  }
  return ticks * 10;
}

/** @returns {number} ms that the machine's CPUs were busy or taken away by its host, since it started; NaN where /proc is not */
function machineCpu() {
  try {
    const [, user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'latin1')
      .split(/\s+/, 9)
      .map(Number);
    return (user + nice + system + irq + softirq + steal) * 10;
  } catch {
    return Number.NaN;
  }
}

module.exports = { Child, answerParent, ended, machineCpu, ownCpu, runProgram, tracked };
