'use strict';

// When a process ends, and what becomes of threads, workers and children.

const assert = require('node:assert');
const { once } = require('node:events');
const path = require('node:path');
const { test } = require('node:test');
const { registerArgs, run, startApp } = require('./support/child.js');
const { stock } = require('./support/http.js');
const { dial } = require('./support/wire.js');

const options = { timeout: 120_000 };
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

/**
 * Runs a program that must end by itself, well, and silently but for what it prints.
 * @param {string} code CommonJS, with `http` and `assert` there
 * @returns {Promise<string>} what it printed
 */
async function program(code) {
  const prelude = "const http = require('http'); const assert = require('assert'); const { once } = require('events');";
  const { signal, code: exit, stdout, stderr } = await run([...registerArgs, '-e', prelude + code]);
  assert.deepStrictEqual({ exit, signal, stderr }, { exit: 0, signal: null, stderr: '' });
  return stdout;
}

test('loading alone does not keep a process', options, async () => {
  assert.strictEqual(await program('console.log(typeof http.createServer)'), 'function\n');
});

test('the process ends when its server is closed, and not before', options, async () => {
  const out = await program(`
    const server = http.createServer((req, res) => res.end('x')).listen(0, '127.0.0.1', () => {
      process.on('exit', () => console.log('exit', server.listening));
      setTimeout(() => {
        http.get({ port: server.address().port, agent: false }, (res) => {
          res.resume().on('end', () => { console.log('served'); server.close(); });
        });
      }, 300).unref();
    });`);
  assert.strictEqual(out, 'served\nexit false\n');
});

test('an open connection keeps the process, as it does in Node', options, async () => {
  const out = await program(`
    const net = require('net');
    const server = http.createServer((req, res) => setTimeout(() => res.end('late'), 200).unref());
    server.listen(0, '127.0.0.1', () => {
      server.unref();
      const socket = net.connect(server.address().port, '127.0.0.1', () => {
        socket.unref();
        socket.write(${JSON.stringify(GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))});
      });
      socket.on('data', (d) => process.stdout.write(String(d).slice(-4)));
    });`);
  assert.strictEqual(out, 'late');
});

test('an unreferenced server and an idle kept-alive client connection let the process go', options, async () => {
  const started = process.hrtime.bigint();
  const out = await program(`
    const agent = new http.Agent({ keepAlive: true });
    const server = http.createServer({ keepAliveTimeout: 600_000 }, (req, res) => res.end('x'));
    server.on('connection', (socket) => socket.unref());
    server.listen(0, '127.0.0.1', () => {
      server.unref();
      http.get({ port: server.address().port, agent }, (res) => {
        res.resume().on('end', () => setImmediate(() => console.log(Object.keys(agent.freeSockets).length)));
      });
    });`);
  assert.strictEqual(out, '1\n');
  assert.ok(process.hrtime.bigint() - started < 60_000_000_000n);
});

test('a request under way keeps the process, even from an unreferenced socket’s agent', options, async () => {
  const app = await startApp('koa.cjs');
  const out = await program(`
    http.get('http://127.0.0.1:${app.port}/hello?name=x', (res) => {
      res.resume().on('end', () => console.log(res.statusCode));
    });`);
  assert.strictEqual(out, '200\n');
  assert.strictEqual((await app.stop()).code, 0);
});

test('process.exit in the middle of everything is quiet', options, async () => {
  await program(`
    const server = http.createServer((req, res) => {
      res.write('x'.repeat(100_000));
      if (req.url === '/5') process.exit(0);
    }).listen(0, '127.0.0.1', () => {
      for (let i = 0; i < 10; i++) {
        http.get({ port: server.address().port, path: '/' + i, agent: false }, (res) => res.resume()).on('error', () => {});
      }
    });`);
});

test('a server in a worker thread serves, and many workers come and go', options, async () => {
  const { code, stdout, stderr } = await run([...registerArgs, path.join(__dirname, 'apps', 'workers.cjs'), '12']);
  assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: '' });
  const report = JSON.parse(stdout);
  assert.strictEqual(report.workers, 12);
  assert.ok(report.answers >= 12);
  assert.strictEqual(report.ferrohttp, !stock);
});

test('cluster workers share a port, and end with it', options, async () => {
  const { code, stdout, stderr } = await run([...registerArgs, path.join(__dirname, 'apps', 'cluster.cjs')]);
  assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: '' });
  const report = JSON.parse(stdout);
  assert.deepStrictEqual(report, { answers: 40, workers: 2, exits: [0, 0], ferrohttp: !stock });
});

test('a child process started with NODE_OPTIONS serves', options, async () => {
  const app = await startApp('koa.cjs', { execArgv: [], env: { NODE_OPTIONS: registerArgs.join(' ') } });
  assert.strictEqual(app.ferrohttp, !stock);
  assert.strictEqual((await fetch(`http://127.0.0.1:${app.port}/hello?name=x`)).status, 200);
  const { code, stderr } = await app.stop();
  assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: '' });
});

test('closing lets the process end though a client keeps its connection open, idle', options, async (t) => {
  const app = await startApp('koa.cjs');
  const peer = await dial(t, app.port);
  peer.write(GET.replace('/', '/hello?name=x'));
  await peer.read('}');
  const stopped = app.stop();
  await once(peer.socket, 'end');
  peer.socket.end();
  assert.strictEqual((await stopped).code, 0);
});

test('a connection sent to another process is answered there, and lets go of its response here', options, async () => {
  const app = await startApp('hand-over.cjs');
  for (const url of ['/plain', '/listened-to?watched']) {
    assert.strictEqual(
      await (await fetch(`http://127.0.0.1:${app.port}${url}`)).text(),
      `answered by the child: ${url}`,
    );
  }
  const gone = [null, null, null];
  assert.deepStrictEqual(await app.send(''), [gone, gone]);
  const { code, stderr } = await app.stop();
  assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: '' });
});
