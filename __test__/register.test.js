'use strict';

const assert = require('node:assert');
const http = require('node:http');
const path = require('node:path');
const { test } = require('node:test');
const { pathToFileURL } = require('node:url');
const { REGISTER_CJS, REGISTER_ESM, ROOT, run } = require('./support/child.js');
const { stock } = require('./support/http.js');

const options = { skip: stock && 'register puts ferrohttp in place of stock http', timeout: 120_000 };
const app = (/** @type {string} */ name) => path.join(__dirname, 'apps', name);

/** @param {import('./support/child.js').Outcome} outcome */
function printed(outcome) {
  assert.deepStrictEqual({ code: outcome.code, stderr: withoutWarnings(outcome.stderr) }, { code: 0, stderr: '' });
  return JSON.parse(outcome.stdout);
}

/** @param {string} stderr with Node's own notices about modules it will drop */
function withoutWarnings(stderr) {
  return stderr.replace(/^\(node:\d+\) (\[DEP\d+\] Deprecation|Experimental)?Warning:.*\n(\(Use `node .*\n)?/gm, '');
}

/** @param {Record<string, boolean>} report */
function assertAllSame(report) {
  const others = Object.keys(report).filter((way) => report[way] !== true);
  assert.ok(Object.keys(report).length >= 15);
  assert.deepStrictEqual(others, []);
}

/** @param {string} code an ES module's text */
const evaluate = (code, args = ['--import', REGISTER_ESM]) => run([...args, '--input-type=module', '-e', code]);

test('--import register gives ferrohttp to every way of loading http and its parts', options, async () => {
  assertAllSame(printed(await run(['--import', REGISTER_ESM, app('identity.cjs')])));
});

test('--require register gives ferrohttp to every way of loading http and its parts', options, async () => {
  assertAllSame(printed(await run(['--require', REGISTER_CJS, app('identity.cjs')])));
});

test('without register nothing is replaced', options, async () => {
  const report = printed(await run([app('identity.cjs')]));
  assert.deepStrictEqual(
    Object.keys(report).filter((way) => report[way] === true && way !== 'oneNamespace'),
    process.getBuiltinModule === undefined ? ['getBuiltinModule'] : [],
  );
});

test('registering twice, in both ways, is the same as once', options, async () => {
  const args = ['--require', REGISTER_CJS, '--import', REGISTER_ESM, '--import', REGISTER_ESM];
  assertAllSame(printed(await run([...args, app('identity.cjs')])));
});

test('worker threads, and theirs, are registered too', options, async () => {
  assertAllSame(printed(await run(['--import', REGISTER_ESM, app('identity-worker.cjs')])));
  assertAllSame(printed(await run(['--require', REGISTER_CJS, app('identity-worker.cjs')])));
});

test('cluster workers are registered too', options, async () => {
  assertAllSame(printed(await run(['--import', REGISTER_ESM, app('identity-cluster.cjs')])));
});

test('a child process is registered through NODE_OPTIONS', options, async () => {
  const env = { NODE_OPTIONS: `--import ${REGISTER_ESM}` };
  const code = `
    const { execFileSync } = require('node:child_process');
    process.stdout.write(execFileSync(process.execPath, [${JSON.stringify(app('identity.cjs'))}]));`;
  assertAllSame(printed(await run(['-e', code], { env })));
});

test('register called from a program covers what is loaded afterwards', options, async () => {
  const code = `
    await import(${JSON.stringify(REGISTER_ESM)});
    const { default: report } = await import(${JSON.stringify(pathToFileURL(app('identity.cjs')).href)});
    console.log(JSON.stringify(await report));`;
  assertAllSame(printed(await evaluate(code, [])));
});

test('a namespace import has the names of the host’s http, and of its parts', options, async () => {
  const code = `
    const names = {};
    for (const name of ['http', '_http_agent', '_http_client', '_http_incoming', '_http_server']) {
      names[name] = Object.keys(await import(name)).sort();
    }
    console.log(JSON.stringify(names));`;
  const own = printed(await evaluate(code));
  const host = printed(await evaluate(code, []));
  assert.deepStrictEqual(own.http, host.http);
  for (const name of Object.keys(host)) {
    const missing = host[name].filter((/** @type {string} */ key) => !own[name].includes(key));
    assert.deepStrictEqual(missing, [], name);
  }
});

test('import of the package itself has the names of the host’s http', options, async () => {
  const code = `
    import * as names from ${JSON.stringify(pathToFileURL(path.join(ROOT, 'index.mjs')).href)};
    console.log(JSON.stringify(Object.keys(names)));`;
  const names = printed(await evaluate(code, []));
  const missing = [...Object.keys(http), 'default'].filter((name) => !names.includes(name));
  assert.deepStrictEqual(missing, []);
  const known = ['CloseEvent', 'MessageEvent', 'WebSocket', 'setGlobalProxyFromEnv', 'default', ...Object.keys(http)];
  const extra = names.filter((/** @type {string} */ name) => !known.includes(name));
  assert.deepStrictEqual(extra, []);
});

test('the host’s own http object keeps its members', options, async () => {
  const code = `
    import https from 'node:https';
    import http from 'node:http';
    // https.Agent inherits from the host's own http.Agent, which nothing else reaches under register.
    const host = Object.getPrototypeOf(https.Agent.prototype).constructor;
    console.log(JSON.stringify([host.name, host === http.Agent]));`;
  assert.deepStrictEqual(printed(await evaluate(code)), ['Agent', false]);
});

test('named imports follow assignments when syncBuiltinESMExports is called', options, async () => {
  const code = `
    import http, { get } from 'node:http';
    import { syncBuiltinESMExports } from 'node:module';
    const seen = [];
    const mock = () => {};
    http.get = mock;
    seen.push(get === mock);
    syncBuiltinESMExports();
    seen.push(get === mock);
    console.log(JSON.stringify(seen));`;
  assert.deepStrictEqual(printed(await evaluate(code)), [false, true]);
});

test('require.resolve and isBuiltin still speak of a builtin', options, async () => {
  const code = `
    import { createRequire, isBuiltin } from 'node:module';
    console.log(JSON.stringify([createRequire(import.meta.url).resolve('http'), isBuiltin('http')]));`;
  assert.deepStrictEqual(printed(await evaluate(code)), ['http', true]);
});

test('other builtin modules stay the host’s', options, async () => {
  const code = `
    import net from 'net';
    import { createRequire } from 'node:module';
    const require = createRequire(import.meta.url);
    console.log(JSON.stringify([net === require('net'), typeof require('https').createServer]));`;
  assert.deepStrictEqual(printed(await evaluate(code)), [true, 'function']);
});
