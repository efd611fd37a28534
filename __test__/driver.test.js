'use strict';

// One driver suffices: it chooses its own.

const assert = require('node:assert');
const path = require('node:path');
const { spawnSync } = require('node:child_process');
const { test } = require('node:test');

const root = path.join(__dirname, '..');
const notLinux = process.platform === 'linux' ? false : 'threads are counted in /proc';

/** @param {string} driver what FERROHTTP_DRIVER says */
function load(driver) {
  const script = `
    const http = require(${JSON.stringify(root)});
    const { kConnection } = require(${JSON.stringify(path.join(root, 'lib/internal/connection'))});
    const server = http.createServer((req, res) => {
      console.log(req.socket[kConnection].driver);
      res.end();
      server.close();
    });
    server.listen(0, '127.0.0.1', () => http.get({ port: server.address().port, agent: false }, (res) => res.resume()));`;
  return spawnSync(process.execPath, ['-e', script], {
    encoding: 'utf8',
    env: { ...process.env, FERROHTTP_DRIVER: driver },
  });
}

test('FERROHTTP_DRIVER chooses who moves the bytes; auto, which it is without it, takes the local driver', () => {
  for (const [asked, expected] of [
    ['fed', 'fed'],
    ['local', 'local'],
    ['threads', 'threads'],
    ['auto', 'local'],
    ['', 'local'],
  ]) {
    const { stdout, stderr, status } = load(asked);
    assert.deepStrictEqual([stdout.trim(), status], [expected, 0], stderr);
  }
});

/** @param {string} script with `http`, `kConnection` and `threads()`, the names of this process's threads */
function run(script, env = {}) {
  const prologue = `
    const http = require(${JSON.stringify(root)});
    const { kConnection } = require(${JSON.stringify(path.join(root, 'lib/internal/connection'))});
    const fs = require('fs');
    const threads = () => fs.readdirSync('/proc/self/task').map((id) => fs.readFileSync('/proc/self/task/' + id + '/comm', 'utf8'));
    const ours = () => threads().filter((name) => name.startsWith('ferrohttp-io')).length;`;
  const result = spawnSync(process.execPath, ['-e', prologue + script], {
    encoding: 'utf8',
    timeout: 60_000,
    env: { ...process.env, FERROHTTP_DRIVER: '', ...env },
  });
  assert.strictEqual(result.status, 0, result.stderr);
  return result.stdout.trim().split('\n');
}

test('ioThreads gives a server’s connections to so many threads, and an agent’s to threads too', {
  skip: notLinux,
}, () => {
  const script = `
    const server = http.createServer({ ioThreads: 3 }, (req, res) => res.end(req.socket[kConnection].driver));
    server.listen(0, '127.0.0.1', async () => {
      const agent = new http.Agent({ ioThreads: 2 });
      for (const each of [undefined, undefined, undefined, agent]) {
        await new Promise((resolve) => {
          http.get({ port: server.address().port, agent: each ?? false }, (res) => {
            const { driver } = res.socket[kConnection];
            res.on('data', (text) => console.log(String(text), driver)).on('close', resolve);
          });
        });
      }
      console.log(ours());
      server.close();
    });`;
  assert.deepStrictEqual(run(script), [...Array(3).fill('threads local'), 'threads threads', '3']);
  assert.deepStrictEqual(
    run(script, { FERROHTTP_DRIVER: 'fed' }),
    [...Array(4).fill('fed fed'), '0'],
    'who wants every connection fed gets that',
  );
});

test('ioThreads is a number of threads; none are none', () => {
  const { http } = require('./support/http.js');
  for (const make of [
    (/** @type {any} */ ioThreads) => http.createServer({ ioThreads }),
    (/** @type {any} */ ioThreads) => new http.Agent({ ioThreads }),
  ]) {
    for (const wrong of ['1', null, true]) assert.throws(() => make(wrong), { code: 'ERR_INVALID_ARG_TYPE' });
    for (const wrong of [-1, 1.5, NaN, 129]) assert.throws(() => make(wrong), { code: 'ERR_OUT_OF_RANGE' });
    for (const right of [undefined, 0, 1, 128]) make(right);
  }
});

test('a worker that ends takes its I/O threads with it', { skip: notLinux }, () => {
  const script = `
    const { Worker } = require('worker_threads');
    const code = \`
      const http = require(${JSON.stringify(root)});
      const { parentPort } = require('worker_threads');
      const server = http.createServer((req, res) => res.end('ok')).listen(0, '127.0.0.1', () => {
        const agent = new http.Agent({ keepAlive: true });
        http.get({ port: server.address().port, agent }, (res) => res.resume().on('end', () => parentPort.postMessage('served')));
      });\`;
    (async () => {
      for (let round = 0; round < 5; round++) {
        const workers = [1, 2].map(() => new Worker(code, { eval: true }));
        await Promise.all(workers.map((worker) => new Promise((resolve) => worker.on('message', resolve))));
        console.log(ours());
        await Promise.all(workers.map((worker) => worker.terminate()));
        console.log(ours());
      }
    })();`;
  assert.deepStrictEqual(run(script, { FERROHTTP_DRIVER: 'threads' }), Array(5).fill(['2', '0']).flat());
});

test('what was answered before process.exit() goes out, though an I/O thread was to send it', () => {
  const script = `
    const net = require('net');
    const server = http.createServer((req, res) => {
      res.end('x'.repeat(50_000));
      process.exit();
    });
    server.listen(0, '127.0.0.1', () => fs.writeSync(1, String(server.address().port)));`;
  const client = `
    const { spawn } = require('child_process');
    const child = spawn(process.execPath, ['-e', process.argv[1]], { env: { ...process.env, FERROHTTP_DRIVER: 'threads' } });
    child.stderr.pipe(process.stderr);
    child.stdout.once('data', (port) => {
      require('http').get({ port: Number(port) }, (res) => {
        let length = 0;
        res.on('data', (part) => (length += part.length)).on('end', () => console.log(length));
      });
    });`;
  const prologue = `const http = require(${JSON.stringify(root)}); const fs = require('fs');`;
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', client, prologue + script], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.strictEqual(stdout.trim(), '50000', stderr);
});

test('a driver that is not there says so by name', () => {
  assert.match(load('typo').stderr, /FERROHTTP_DRIVER=typo: one of auto, local, threads, fed/);
});
