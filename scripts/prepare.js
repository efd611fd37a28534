'use strict';

// What has to be there before anything can run: the packages in node_modules and the addon. Both are made only when they
// are missing or stale.

const fs = require('node:fs');
const path = require('node:path');
const { ROOT, must, seconds } = require('./process');

/** @param {string} file @returns {{ packages: Record<string, any> } | undefined} */
function readLock(file) {
  if (!fs.existsSync(file)) return undefined;
  return JSON.parse(fs.readFileSync(file, 'utf8'));
}

/**
 * Whether node_modules holds what package-lock.json asks for. Compared by content (npm notes what it installed), since
 * a checkout gives files new times. Packages that are optional may be absent: most are for other platforms.
 */
function isInstalled() {
  const wanted = readLock(path.join(ROOT, 'package-lock.json'));
  const found = readLock(path.join(ROOT, 'node_modules/.package-lock.json'));
  if (!wanted || !found) return false;
  const names = Object.keys(wanted.packages).filter((name) => name !== '');
  return (
    names.every((name) => {
      const [want, have] = [wanted.packages[name], found.packages[name]];
      return have ? have.version === want.version && have.integrity === want.integrity : want.optional === true;
    }) && Object.keys(found.packages).every((name) => name in wanted.packages)
  );
}

/** Installs the development packages, when that is needed. */
async function ensureInstalled() {
  if (isInstalled()) return;
  const start = performance.now();
  console.error('── npm ci');
  await must('npm', ['ci', '--no-audit', '--no-fund'], { stdout: 2 });
  console.error(`── installed in ${seconds(start)}`);
}

/** `<platform>-<arch>[-<abi>]`, as napi-rs names the files of its addons. */
function platformName() {
  const { platform, arch } = process;
  if (platform === 'win32') return `${platform}-${arch}-msvc`;
  if (platform !== 'linux') return `${platform}-${arch}`;
  const report = /** @type {any} */ (process.report.getReport());
  return `${platform}-${arch}-${report.header.glibcVersionRuntime ? 'gnu' : 'musl'}`;
}

/**
 * Builds the addon and puts it where lib/internal/native.js looks for it. What is stale, cargo knows best: with nothing
 * to do it takes a fraction of a second.
 * @param {'release' | 'dev'} [profile]
 * @returns {Promise<string>} the addon's path
 */
async function ensureBuilt(profile = 'release') {
  const start = performance.now();
  const target = path.join(ROOT, `ferrohttp.${platformName()}.node`);
  console.error(`── cargo build --profile ${profile}`);
  const { stdout } = await must(
    'cargo',
    ['build', '--locked', '--profile', profile, '--message-format', 'json-render-diagnostics'],
    { stdout: 'hidden' },
  ).catch((error) => {
    if (error.code !== 'ENOENT') throw error;
    throw new Error('cargo was not found: building ferrohttp takes a Rust toolchain (https://rustup.rs)');
  });
  const built = stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
    .find((message) => message.reason === 'compiler-artifact' && message.target.kind.includes('cdylib'));
  const artifact = fs.readFileSync(built.filenames[0]);
  if (!fs.existsSync(target) || !fs.readFileSync(target).equals(artifact)) {
    // Renamed into place: a process that has the old file mapped must not see it change.
    fs.writeFileSync(`${target}.${process.pid}`, artifact, { mode: 0o755 });
    fs.renameSync(`${target}.${process.pid}`, target);
  }
  console.error(`── built in ${seconds(start)}`);
  return target;
}

module.exports = { ensureInstalled, ensureBuilt, platformName };
