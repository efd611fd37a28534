'use strict';

// Child processes of a run: asked over IPC, and none outlives it.

const { fork, spawn } = require('node:child_process');
const { once } = require('node:events');
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
   * @param {{ register?: boolean, exposeGc?: boolean }} [options]
   */
  constructor(script, args, { register = false, exposeGc = false } = {}) {
    const execArgv = [];
    if (register) execArgv.push('--import', pathToFileURL(path.join(__dirname, '..', 'register.mjs')).href);
    if (exposeGc) execArgv.push('--expose-gc');
    this.name = [script, ...args].join(' ');
    this.process = tracked(fork(path.join(__dirname, 'children', `${script}.js`), args, { execArgv, env }));
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
    const timer = setTimeout(() => this.process.kill('SIGKILL'), 2000);
    await this.exited;
    clearTimeout(timer);
  }
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

module.exports = { Child, answerParent, runProgram };
