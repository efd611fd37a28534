'use strict';

// One driver suffices: the runner of Node's suite and its ledger are tested here, on files made for that.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, describe, test } = require('node:test');
const { execute } = require('../test/execute');
const { listFiles, requirements } = require('../test/files');
const { Ledger } = require('../test/ledger');

const tree = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'ferro-runner-')));
after(() => fs.rmSync(tree, { recursive: true }));
for (const folder of ['parallel', 'client-proxy', 'sequential'])
  fs.mkdirSync(path.join(tree, 'test', folder), { recursive: true });

/** @param {string} name @param {string} text @param {string} [folder] */
function write(name, text, folder = 'parallel') {
  const file = { name, folder, path: path.join(tree, 'test', folder, name) };
  fs.writeFileSync(file.path, text);
  return file;
}

const setting = {
  node: process.execPath,
  register: undefined,
  driver: undefined,
  limit: 60,
  scratch: tree,
  port: 21000,
};

describe('running a file', () => {
  test('exit status 0 passes, and the file has a scratch folder and a job of its own', async () => {
    const file = write(
      'test-http-pass.js',
      `const { TEST_THREAD_ID, TEST_PARALLEL, NODE_TEST_DIR } = process.env;
      require('assert').deepStrictEqual([TEST_THREAD_ID, TEST_PARALLEL, NODE_TEST_DIR], ['3', '1', ${JSON.stringify(tree)}]);
      require('assert').strictEqual(process.cwd(), ${JSON.stringify(path.join(tree, 'job-3'))});`,
    );
    const { outcome, output } = await execute(file, setting, 3);
    assert.equal(outcome, 'pass', output);
  });

  test('an exception fails, and its message is the reason', async () => {
    const file = write('test-http-throw.js', 'throw new TypeError("not like this")');
    const { outcome, reason } = await execute(file, setting, 0);
    assert.deepEqual({ outcome, reason }, { outcome: 'fail', reason: 'TypeError: not like this' });
  });

  test('a silent exit status fails', async () => {
    const { outcome, reason } = await execute(write('test-http-exit.js', 'process.exit(7)'), setting, 0);
    assert.deepEqual({ outcome, reason }, { outcome: 'fail', reason: 'exit status 7' });
  });

  test('a file that says it skips itself is neither passed nor failed', async () => {
    const file = write('test-http-skip.js', 'console.log("1..0 # Skipped: no reason")');
    const { outcome, reason } = await execute(file, setting, 0);
    assert.deepEqual({ outcome, reason }, { outcome: 'skip', reason: 'no reason' });
  });

  test('a file that does not end is ended, and so is the child it started', async () => {
    const file = write(
      'test-http-hang.js',
      `const child = require('child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { stdio: 'inherit' });
      console.log('child ' + child.pid);
      setInterval(() => {}, 1e6);`,
    );
    const { outcome, reason, output } = await execute(file, { ...setting, limit: 2 }, 0);
    assert.deepEqual({ outcome, reason }, { outcome: 'fail', reason: 'no end after 2 s' });
    await ended(output);
  });

  test('a child that outlives its passing test is ended', async () => {
    const file = write(
      'test-http-orphan.js',
      `const child = require('child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { stdio: 'inherit' });
      console.log('child ' + child.pid);
      child.unref();`,
    );
    const { outcome, output } = await execute(file, setting, 0);
    assert.equal(outcome, 'pass');
    await ended(output);
  });

  test('what is registered is loaded in child processes too, and knows its driver', async () => {
    const register = path.join(tree, 'with "quotes" and spaces.cjs');
    fs.writeFileSync(register, 'globalThis.registered = process.env.FERROHTTP_DRIVER');
    const file = write(
      'test-http-register.js',
      `const { execFileSync } = require('child_process');
      const child = execFileSync(process.execPath, ['-p', 'registered']).toString().trim();
      require('assert').deepStrictEqual([registered, child, process.execArgv], ['fed', 'fed', []]);`,
    );
    const { outcome, output } = await execute(file, { ...setting, register, driver: 'fed' }, 0);
    assert.equal(outcome, 'pass', output);
  });
});

/**
 * Waits for the end of a child that was told to end: the test's own time limit tells when it does not come.
 * @param {string} output with the line "child <pid>"
 */
async function ended(output) {
  const pid = Number(output.match(/^child (\d+)$/m)?.[1]);
  assert.ok(pid > 0);
  for (;;) {
    try {
      // Ended, and not yet reaped by whoever inherited it.
      if (/\) [ZX] /.test(fs.readFileSync(`/proc/${pid}/stat`, 'utf8'))) return;
    } catch {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('choosing files', () => {
  write('test-https-a.js', '');
  write('test-http-late.js', '', 'sequential');
  write('test-domain-http.js', "const http = require('http');");
  write('test-other.js', "const net = require('net');");
  write('test-https-tunnel.mjs', "import https from 'node:https';", 'client-proxy');
  write('test-pipe.js', "const { get } = await import('_http_client');", 'sequential');
  const names = (/** @type {string} */ scope, /** @type {string} */ only) =>
    listFiles(tree, scope, only).map(({ name }) => name);

  test('the scopes: files about http and proxies, others that use it, or all, the sequential ones last', () => {
    const about = listFiles(tree, 'http');
    assert.equal(about.at(-1)?.name, 'test-http-late.js');
    assert.deepEqual(
      about.filter(({ name }) => !name.startsWith('test-http-')).map(({ name }) => name),
      ['test-https-tunnel.mjs'],
    );
    assert.deepEqual(names('others', ''), ['test-domain-http.js', 'test-pipe.js']);
    assert.deepEqual(names('all', '').sort(), [...names('http', ''), ...names('others', '')].sort());
    assert.equal(listFiles(tree, 'all').at(-1)?.folder, 'sequential');
  });

  test('a pattern is a glob over the whole name or a regular expression over any of it', () => {
    assert.deepEqual(names('http', 'test-http-la*'), ['test-http-late.js']);
    assert.deepEqual(names('http', 'http-*'), []);
    assert.deepEqual(names('http', '-l.te'), ['test-http-late.js']);
    assert.deepEqual(names('http', 'la(t|s)e'), ['test-http-late.js']);
  });

  test('flags and environment are read from comments', () => {
    const file = write(
      'test-http-flags.js',
      "// Copyright\n\n// Flags: --expose-gc  --no-warnings\n// Env: A=1 B=x=y\n'use strict';\n",
    );
    assert.deepEqual(requirements(file.path), { flags: ['--expose-gc', '--no-warnings'], env: { A: '1', B: 'x=y' } });
  });
});

describe('the ledger', () => {
  const all = () => ({ node24: { 'a.js': 'everywhere', 'b.js': { fed: 'on fed' } } });

  test('decides what an outcome means, per driver', () => {
    const [local, fed] = [new Ledger(24, 'local', all()), new Ledger(24, 'fed', all())];
    assert.equal(local.judge('a.js', 'fail'), 'known');
    assert.equal(local.judge('a.js', 'pass'), 'unexpected');
    assert.equal(local.judge('a.js', 'skip'), 'skip');
    assert.equal(local.judge('b.js', 'fail'), 'fail');
    assert.equal(fed.judge('b.js', 'fail'), 'known');
    assert.equal(new Ledger(20, 'local', all()).judge('a.js', 'fail'), 'fail');
  });

  test('adding keeps other drivers, and joins what fails on each', () => {
    const one = { node24: {} };
    new Ledger(24, 'local', one).add('c.js', 'Error: x');
    assert.deepEqual(one.node24, { 'c.js': { local: 'not yet: Error: x' } });
    new Ledger(24, 'fed', one).add('c.js', 'Error: y');
    new Ledger(24, 'threads', one).add('c.js', 'Error: z');
    assert.deepEqual(one.node24, { 'c.js': 'not yet: Error: x' });
  });

  test('removing keeps other drivers', () => {
    const one = all();
    new Ledger(24, 'local', one).remove('a.js');
    new Ledger(24, 'fed', one).remove('b.js');
    assert.deepEqual(one.node24, { 'a.js': { fed: 'everywhere', threads: 'everywhere' } });
  });
});
