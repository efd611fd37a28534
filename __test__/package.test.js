'use strict';
// One driver suffices: nothing here depends on who moves the bytes.

// The packed package, installed in a folder of its own, in every Node it claims to run in.

const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, test } = require('node:test');
const { nodeBinary, nodeVersion } = require('../test/node-binary.js');
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
 * @param {number} major @param {string[]} args @param {string} [input]
 */
async function program(major, args, input) {
  const { code, signal, stdout, stderr } = await run(args, { command: nodeBinary(major), cwd: folder, input });
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

/** Says of each script that is compiled with code at hand whether V8 took it. */
const SPY = `
  const vm = require('node:vm');
  vm.Script = class extends vm.Script {
    constructor(text, options) {
      super(text, options);
      if (options.cachedData) console.log('taken: ' + !this.cachedDataRejected);
    }
  };`;

/** Says of the file with the modules that it was compiled as a module is, which takes no code; and what became of the program's own module. */
const OWN = `
  const Module = require('node:module');
  const { _compile } = Module.prototype;
  Module.prototype._compile = function (text, file, ...rest) {
    if (file.endsWith('modules.js')) console.log('compiled');
    return _compile.call(this, text, file, ...rest);
  };
  const own = module.exports;
  const http = require('ferrohttp');
  console.log(module.exports === own, Object.keys(own).length);
  ${ROUND_TRIP}`;

for (const major of MAJORS) {
  test(`a program that is no file has its module to itself and the code taken in Node ${major}`, options, async () => {
    const expected = 'taken: true\ntrue 0\nanswer to /x\n';
    assert.strictEqual(await program(major, ['-e', SPY + OWN]), expected);
    assert.strictEqual(await program(major, ['-'], SPY + OWN), expected);
    // What -p prints comes before the answer or behind it.
    const printed = await program(major, ['-p', `${SPY + OWN}; 'printed'`]);
    assert.strictEqual(printed.replace('printed\n', ''), expected);
  });
}

/** @param {number} major @returns {string} where the package's code for this Node lies */
function codeFile(major) {
  return path.join(folder, `node_modules/ferrohttp/lib/internal/code-v${nodeVersion(major)}`);
}

/** What only goes on with the package's modules loaded once, and in the right place. */
const ONCE = `
  const http = require('ferrohttp');
  const assert = require('node:assert');
  const lib = require('node:path').resolve('node_modules/ferrohttp/lib');
  assert.strictEqual(require(lib + '/server.js').Server, http.Server);
  try { http.createServer('no options') } catch (error) { console.log(/[\\w.]+:\\d+:\\d+/.exec(error.stack.replace(/.*errors.*/g, ''))[0]) }
  ${ROUND_TRIP}`;

for (const major of MAJORS) {
  test(`V8's code is taken in Node ${major}, and changes nothing`, options, async () => {
    const [taken, place, answer] = (await program(major, ['-e', SPY + ONCE])).split('\n');
    assert.strictEqual(taken, 'taken: true');
    assert.match(place, /^modules\.js:\d+:\d+$/);
    assert.strictEqual(answer, 'answer to /x');

    // V8 with other flags makes other code.
    assert.strictEqual(
      await program(major, ['--stack-size=900', '-e', SPY + ONCE]),
      `taken: false\n${place}\nanswer to /x\n`,
    );

    const thread = `new (require('node:worker_threads').Worker)(${JSON.stringify(SPY + ONCE)}, { eval: true });`;
    assert.strictEqual(await program(major, ['-e', thread]), `taken: true\n${place}\nanswer to /x\n`);
  });

  test(
    `code of another build, an older text's and what is not whole is not taken in Node ${major}`,
    options,
    async () => {
      const file = codeFile(major);
      const contents = fs.readFileSync(file);
      try {
        fs.writeFileSync(file, Buffer.concat([contents.subarray(0, -2), Buffer.from('!]')]));
        const without = await program(major, ['-e', SPY + ONCE]);
        assert.match(without, /^modules\.js:\d+:\d+\nanswer to \/x\n$/);
        fs.writeFileSync(file, contents.subarray(0, -1000));
        assert.strictEqual(await program(major, ['-e', SPY + ONCE]), without);
        // As after a power loss.
        fs.writeFileSync(file, Buffer.concat([contents.subarray(0, -1000), Buffer.alloc(1000)]));
        assert.strictEqual(await program(major, ['-e', SPY + ONCE]), without);
        // The beginning V8 looks at.
        fs.writeFileSync(file, Buffer.concat([Buffer.alloc(1000), contents.subarray(1000)]));
        assert.strictEqual(await program(major, ['-e', SPY + ONCE]), `taken: false\n${without}`);
        fs.writeFileSync(file, contents);
        const before = new Date(fs.statSync(path.join(path.dirname(file), 'modules.js')).mtimeMs - 120_000);
        fs.utimesSync(file, before, before);
        assert.strictEqual(await program(major, ['-e', SPY + ONCE]), without, 'older than the text');
        fs.rmSync(file);
        assert.strictEqual(await program(major, ['-e', SPY + ONCE]), without);
      } finally {
        fs.writeFileSync(file, contents);
      }
    },
  );
}

/** What the package has of node:http's, and how little of it is loaded for that. */
const PARTS = `
  const http = require('ferrohttp');
  const assert = require('node:assert');
  const isLoaded = (name) => process.moduleLoadList.includes('NativeModule ' + name);
  console.log(['http', '_http_agent', '_http_client', 'perf_hooks'].filter(isLoaded).join());
  const host = require('node:http');
  assert.deepStrictEqual(Object.keys(http), Object.keys(host));
  assert.deepStrictEqual(http.METHODS, host.METHODS);
  assert.strictEqual(http.STATUS_CODES, host.STATUS_CODES);
  assert.strictEqual(http.maxHeaderSize, 20000);
  assert.strictEqual(http.createServer().headersTimeout, host.createServer().headersTimeout);`;

for (const major of MAJORS) {
  test(`no more of node:http is loaded than is read in Node ${major}, without a warning`, options, async () => {
    const args = ['--pending-deprecation', '--max-http-header-size=20000', '-e', PARTS];
    assert.strictEqual(await program(major, args), '\n');
  });
}

test('in a context of its own the package is loaded by the loader of that context', options, async () => {
  // As jest does it.
  const jest = `
    const fs = require('node:fs');
    const path = require('node:path');
    const vm = require('node:vm');
    const context = vm.createContext({ process, Buffer, URL, clearInterval, clearTimeout, setImmediate, setInterval, setTimeout });
    const loaded = {};
    function load(file) {
      if (loaded[file]) return loaded[file].exports;
      const module = (loaded[file] = { exports: {} });
      const parameters = ['exports', 'require', 'module', '__filename', '__dirname'];
      const compiled = vm.compileFunction(fs.readFileSync(file, 'utf8'), parameters, { parsingContext: context });
      const inner = (id) => (path.isAbsolute(id) && id.endsWith('.js') ? load(id) : require(id));
      inner.cache = {};
      compiled.call(module.exports, module.exports, inner, module, file, path.dirname(file));
      return module.exports;
    }
    const http = load(path.resolve('node_modules/ferrohttp/index.js'));
    console.log(Object.getPrototypeOf(http.createServer) === vm.runInContext('Function.prototype', context));
    ${ROUND_TRIP}`;
  assert.strictEqual(await program(24, ['-e', jest]), 'true\nanswer to /x\n');
});
