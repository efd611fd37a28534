'use strict';

const { fork, spawn } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const { stock } = require('./http.js');

const ROOT = path.resolve(__dirname, '../..');
const REGISTER_ESM = pathToFileURL(path.join(ROOT, 'register.mjs')).href;
const REGISTER_CJS = path.join(ROOT, 'register.cjs');

/** Node's arguments that put ferrohttp in http's place; none when the tests run on stock http. */
const registerArgs = stock ? [] : ['--import', REGISTER_ESM];

/** Milliseconds after which a child is taken to hang. */
const HANGS = 200_000;

/** @typedef {{ code: number | null, signal: string | null, stdout: string, stderr: string }} Outcome */

/**
 * Runs a program to its end.
 * @param {string[]} args the arguments of `command`
 * @param {{ command?: string, cwd?: string, env?: Record<string, string | undefined>, input?: string }} [options]
 *   command: this Node unless given; env: added to this process's own
 * @returns {Promise<Outcome>}
 */
async function run(args, { command = process.execPath, cwd, env, input } = {}) {
  const child = spawn(command, args, { cwd, env: { ...withoutTestContext(), ...env }, stdio: 'pipe' });
  endWhenHanging(child);
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const outcome = gather(child);
  const [code, signal] = await once(child, 'close');
  return { ...outcome, code, signal };
}

/**
 * Starts one of the applications in __test__/apps, which calls support/serve.js with its server.
 * @param {string} name file in __test__/apps
 * @param {{ execArgv?: string[], env?: Record<string, string | undefined>, args?: string[] }} [options]
 * @returns {Promise<{ port: number, ferrohttp: boolean, pid: number, send: (message: unknown) => Promise<any>, stop: () => Promise<Outcome> }>}
 *   stop: tells the application to close its server, and waits for its process to end by itself
 */
async function startApp(name, { execArgv = registerArgs, env, args = [] } = {}) {
  const child = fork(path.join(ROOT, '__test__/apps', name), args, {
    execArgv,
    env: { ...withoutTestContext(), ...env },
    silent: true,
  });
  endWhenHanging(child);
  const outcome = gather(child);
  // Not 'close': Node does not emit it when it was the parent that disconnected.
  const ends = [child.stdout, child.stderr].map((stream) =>
    once(/** @type {NonNullable<typeof stream>} */ (stream), 'close'),
  );
  const closed = Promise.all([once(child, 'exit'), ...ends]).then(([[code, signal]]) => ({ ...outcome, code, signal }));
  const first = await Promise.race([once(child, 'message'), closed]);
  if (!Array.isArray(first)) throw new Error(`${name} ended before it listened (${first.code}): ${first.stderr}`);
  return {
    ...first[0],
    pid: child.pid,
    async send(message) {
      const answer = once(child, 'message');
      child.send(message);
      return (await answer)[0];
    },
    async stop() {
      if (child.connected) child.disconnect();
      return closed;
    },
  };
}

/**
 * Only so that a child that hangs comes to an end, and its test with it. Not spawn's `timeout`: Node 26 keeps that timer
 * until 'close', which does not come when it was the parent that disconnected.
 * @param {import('node:child_process').ChildProcess} child
 */
function endWhenHanging(child) {
  const timer = setTimeout(() => child.kill('SIGKILL'), HANGS);
  for (const event of ['exit', 'error']) child.once(event, () => clearTimeout(timer));
}

/** @param {import('node:child_process').ChildProcess} child */
function gather(child) {
  const outcome = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (text) => {
    outcome.stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text) => {
    outcome.stderr += text;
  });
  return outcome;
}

/** node:test marks its children, and a marked child that runs tests or prints talks to the runner. */
function withoutTestContext() {
  const { NODE_TEST_CONTEXT, NODE_OPTIONS, ...env } = process.env;
  return env;
}

module.exports = { REGISTER_CJS, REGISTER_ESM, ROOT, registerArgs, run, startApp };
