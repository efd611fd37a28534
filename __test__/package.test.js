'use strict';
// One driver suffices: nothing here depends on who moves the bytes.

// The packed package, installed in a folder of its own, in every Node it claims to run in.

const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, test } = require('node:test');
const { nodeBinary } = require('../test/node-binary.js');
const { ROOT, run } = require('./support/child.js');
const { stock } = require('./support/http.js');

const options = { skip: stock && 'there is no package of stock http', timeout: 600_000 };
const MAJORS = [20, 22, 24, 26];

/** A request and its answer through whatever `http` is. */
const ROUND_TRIP = `
  const server = http.createServer((req, res) => res.end('answer to ' + req.url));
  server.listen(0, '127.0.0.1', () => {
    http.get({ port: server.address().port, path: '/x', agent: false }, (res) => {
      let text = '';
      res.on('data', (part) => { text += part; });
      res.on('end', () => { server.close(); console.log(text); });
    });
  });`;

let folder = '';

before(async () => {
  if (stock) return;
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ferrohttp-package-'));
  const pack = await npm(['run', '--silent', 'pack', '--', '--destination', folder], ROOT);
  fs.writeFileSync(path.join(folder, 'package.json'), '{ "private": true }');
  await npm(['install', '--offline', '--no-audit', '--no-fund', pack.stdout.trim()], folder);
});

after(() => fs.rmSync(folder, { recursive: true, force: true }));

/** @param {string[]} args @param {string} cwd */
async function npm(args, cwd) {
  const outcome = await run(args, { command: 'npm', cwd });
  assert.strictEqual(outcome.code, 0, outcome.stderr);
  return outcome;
}

/**
 * Runs a program in the folder that has the package installed.
 * @param {number} major @param {string[]} args
 */
async function program(major, args) {
  const { code, signal, stdout, stderr } = await run(args, { command: nodeBinary(major), cwd: folder });
  assert.deepStrictEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
  return stdout;
}

test('the package holds what it needs and nothing of the workshop', options, () => {
  const names = fs.readdirSync(path.join(folder, 'node_modules/ferrohttp'));
  for (const name of [
    'index.js',
    'index.mjs',
    'index.d.ts',
    'register.mjs',
    'register.cjs',
    'lib',
    'LICENSE',
    'README.md',
  ]) {
    assert.ok(names.includes(name), `${name} is missing`);
  }
  assert.ok(
    names.some((name) => name.endsWith('.node')),
    'the addon is missing',
  );
  for (const name of ['src', 'proto', 'target', 'test', '__test__', 'bench', 'node_modules']) {
    assert.ok(!names.includes(name), `${name} is in it`);
  }
});

for (const major of MAJORS) {
  test(`require, import and register work in Node ${major}`, options, async () => {
    const required = `const http = require('ferrohttp'); ${ROUND_TRIP}`;
    assert.strictEqual(await program(major, ['-e', required]), 'answer to /x\n');
    const imported = `
      import http, { createServer } from 'ferrohttp';
      import assert from 'node:assert';
      assert.strictEqual(http.createServer, createServer);
      ${ROUND_TRIP}`;
    assert.strictEqual(await program(major, ['--input-type=module', '-e', imported]), 'answer to /x\n');
    const registered = `
      import http, { Server } from 'node:http';
      import { createRequire } from 'node:module';
      import assert from 'node:assert';
      const require = createRequire(import.meta.url);
      assert.strictEqual(http, require('ferrohttp'));
      assert.strictEqual(http, require('http'));
      assert.strictEqual(Server, require('ferrohttp').Server);
      ${ROUND_TRIP}`;
    for (const how of ['--import', '--require']) {
      const args = [how, 'ferrohttp/register', '--input-type=module', '-e', registered];
      assert.strictEqual(await program(major, args), 'answer to /x\n');
    }
  });
}
