'use strict';

// What the scripts share. They install the dependencies, so they use nothing but Node's own modules.

const { spawn } = require('node:child_process');
const path = require('node:path');

/** The repository's root. */
const ROOT = path.join(__dirname, '..');

/**
 * The environment a program is started with: what `npm run` adds for its own children is taken out again, so that an
 * `npm` started from here looks at its own folder and not at this one's.
 * @param {Record<string, string | undefined>} [extra]
 */
function environment(extra) {
  const env = { ...process.env };
  for (const name of Object.keys(env)) {
    if (/^npm_(package|lifecycle)_/.test(name) || name === 'npm_config_local_prefix') delete env[name];
  }
  return { ...env, ...extra };
}

/** @param {string} text */
function stripColours(text) {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character is what is looked for
  return text.replace(/\u001b\[[0-9;]*m/g, '');
}

/**
 * Runs a program to its end and shows its output as it comes. All of it goes to stderr with `stdout: 2`, for commands
 * whose own stdout somebody reads (`npm pack --json`).
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: Record<string, string | undefined>, stdout?: 1 | 2 | 'hidden' }} [options]
 * @returns {Promise<{ ok: boolean, stdout: string, stderr: string }>} `ok`: it ended with status 0. Text without colours.
 * @throws when it cannot be started
 */
function run(command, args, { cwd = ROOT, env, stdout = 1 } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: environment(env),
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: process.platform === 'win32' && command === 'npm',
    });
    const text = { stdout: '', stderr: '' };
    const shown = { stdout: stdout === 1 ? process.stdout : process.stderr, stderr: process.stderr };
    for (const name of /** @type {const} */ (['stdout', 'stderr'])) {
      child[name].setEncoding('utf8').on('data', (chunk) => {
        text[name] += chunk;
        if (name === 'stderr' || stdout !== 'hidden') shown[name].write(chunk);
      });
    }
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({ ok: code === 0, stdout: stripColours(text.stdout), stderr: stripColours(text.stderr) });
    });
  });
}

/**
 * As `run`, for programs that must succeed.
 * @param {string} command
 * @param {string[]} args
 * @param {Parameters<typeof run>[2]} [options]
 */
async function must(command, args, options) {
  const result = await run(command, args, options);
  if (!result.ok) throw new Error(`${command} ${args.join(' ')} failed`);
  return result;
}

/** @param {number} since what `performance.now()` said at the start */
function seconds(since) {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`;
}

/** @param {Promise<void>} work ends the process with the error's message: a script's failures are not its bugs */
function main(work) {
  work.catch((error) => {
    console.error(process.env.DEBUG ? error : `\n${error.message}`);
    process.exitCode = 1;
  });
}

module.exports = { ROOT, environment, run, must, seconds, main };
