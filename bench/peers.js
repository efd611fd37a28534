'use strict';

// Who is measured, and with what: node:http, ferrohttp, and their peers, which are fetched or built when they are asked for.

const { spawnSync } = require('node:child_process');
const path = require('node:path');
const { cacheFolder } = require('../test/cache');
const { nodeBinary, nodeVersion } = require('../test/node-binary');
const { pinnedFile, pinnedVersion } = require('../test/pinned');

/**
 * One of those compared. `engine`: what children/ load; `native`: a server of bench/native, without JavaScript.
 * @typedef {object} Side
 * @property {string} label
 * @property {'node' | 'ferrohttp' | 'undici' | 'native'} engine
 * @property {Kind[]} kinds of scenario in which it is measured
 * @property {string} command the program
 * @property {string[]} flags of the program, before the script
 * @property {string[]} gcFlags that make `gc` callable
 * @property {Record<string, string>} [env]
 *
 * @typedef {import('./scenarios').Scenario['kind']} Kind
 */

const NATIVE = path.join(__dirname, 'native');
const NATIVE_PROGRAMS = { epoll: 'epoll loop', hyper: 'hyper' };

/** Where Bun's and Deno's packages keep their programs, by `process.arch`. */
const RUNTIMES = {
  Bun: {
    packages: { x64: '@oven/bun-linux-x64', arm64: '@oven/bun-linux-aarch64' },
    file: 'bin/bun',
    flags: [],
    gcFlags: ['--expose-gc'],
  },
  Deno: {
    packages: { x64: '@deno/linux-x64-glibc', arm64: '@deno/linux-arm64-glibc' },
    file: 'deno',
    flags: ['run', '--quiet', '--allow-all', '--cached-only'],
    gcFlags: ['--v8-flags=--expose-gc'],
  },
};

/**
 * @param {number} major
 * @returns {{ command: string, version: string }} a Node of this version: the one that runs this, where it is one
 * @throws when there is none and none can be installed
 */
function nodeFor(major) {
  if (Number.parseInt(process.versions.node, 10) === major) {
    return { command: process.execPath, version: process.version };
  }
  return { command: nodeBinary(major), version: `v${nodeVersion(major)}` };
}

/**
 * @param {string} command a Node
 * @param {string} contender
 * @returns {Side[]} the first is the base
 */
function sidesOnNode(command, contender) {
  /** @type {Omit<Side, 'label' | 'engine'>} */
  const node = { kinds: ['server', 'client', 'memory', 'require'], command, flags: [], gcFlags: ['--expose-gc'] };
  /** @type {Side} */
  const other =
    contender === 'node'
      ? { ...node, label: 'node:http again', engine: 'node' }
      : { ...node, label: 'ferrohttp', engine: 'ferrohttp' };
  return [
    { ...node, label: 'node:http', engine: 'node' },
    other,
    { ...node, label: 'undici.request', engine: 'undici', kinds: ['client'] },
  ];
}

/**
 * Builds the servers of bench/native, which cargo does only when they are stale.
 * @param {keyof typeof NATIVE_PROGRAMS} program
 * @returns {Side}
 * @throws when it cannot be built
 */
function nativeSide(program) {
  const manifest = path.join(NATIVE, 'Cargo.toml');
  const args = ['build', '--quiet', '--locked', '--release', '--bin', program, '--manifest-path', manifest];
  // Its own folder, whatever CARGO_TARGET_DIR says: nobody else's build is to wait for this one.
  const built = path.join(NATIVE, 'target');
  const { status, error } = spawnSync('cargo', [...args, '--target-dir', built], { stdio: ['ignore', 2, 2] });
  if (error) throw new Error('cargo was not found');
  if (status !== 0) throw new Error('cargo could not build bench/native');
  return {
    label: NATIVE_PROGRAMS[program],
    engine: 'native',
    kinds: ['server', 'memory'],
    command: path.join(built, 'release', program),
    flags: [],
    gcFlags: [],
  };
}

/**
 * @param {keyof typeof RUNTIMES} name
 * @returns {Side} its node:http
 * @throws when it cannot be had here
 */
function runtimeSide(name) {
  const { packages, file, flags, gcFlags } = RUNTIMES[name];
  const what = name.toLowerCase();
  const locks = path.join(__dirname, 'peers', what);
  const packageName = process.platform === 'linux' ? packages[process.arch] : undefined;
  if (!packageName) throw new Error(`none is pinned for ${process.platform} on ${process.arch}`);
  const command = pinnedFile({ locks, name: packageName, file, what, purpose: 'benchmarks' });
  const env = { DENO_DIR: path.join(cacheFolder(), 'deno-dir'), DENO_NO_UPDATE_CHECK: '1', DO_NOT_TRACK: '1' };
  const { status, stderr } = spawnSync(command, ['--version'], { encoding: 'utf8', env: { ...process.env, ...env } });
  if (status !== 0) throw new Error(`it does not run here: ${String(stderr).trim().split('\n')[0]}`);
  const label = `${name} ${pinnedVersion(locks, packageName)}`;
  return { label, engine: 'node', kinds: ['server', 'client', 'memory'], command, flags, gcFlags, env };
}

/** @returns {{ sides: Side[], missing: { label: string, reason: string }[] }} the peers that can be had here, and those that cannot */
function peers() {
  /** @type {Side[]} */
  const sides = [];
  const missing = [];
  /** @type {[string, () => Side][]} */
  const wanted = [
    ['Bun', () => runtimeSide('Bun')],
    ['Deno', () => runtimeSide('Deno')],
    ['hyper', () => nativeSide('hyper')],
    ['epoll loop', () => nativeSide('epoll')],
  ];
  for (const [label, side] of wanted) {
    try {
      sides.push(side());
    } catch (err) {
      missing.push({ label, reason: /** @type {Error} */ (err).message });
    }
  }
  return { sides, missing };
}

module.exports = { nativeSide, nodeFor, peers, sidesOnNode };
