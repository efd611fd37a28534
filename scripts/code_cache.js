'use strict';

// node code_cache.js <package>: writes V8's code for the package's modules, as this Node makes it, beside them.

const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');
const vm = require('node:vm');

const FOLDER = path.join(path.resolve(process.argv[2]), 'lib/internal');
const MODULES = path.join(FOLDER, 'modules.js');

/**
 * V8 compiles a function when it is first called. So that the code holds those that nearly everybody needs, one request is made and answered.
 * @param {any} http
 * @returns {Promise<void>}
 */
function use(http) {
  return new Promise((resolve, reject) => {
    const server = http.createServer((/** @type {any} */ req, /** @type {any} */ res) => {
      req.on('data', () => {});
      req.on('end', () => res.end(req.headers.host));
    });
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      const req = http.request({ host: '127.0.0.1', port, method: 'POST', agent: false }, (/** @type {any} */ res) => {
        res.resume().on('end', () => server.close(resolve));
      });
      req.on('error', reject).end('body');
    });
  });
}

async function write() {
  const script = new vm.Script(fs.readFileSync(MODULES, 'latin1'), { filename: MODULES });
  const modules = { exports: /** @type {any} */ ({}) };
  script.runInThisContext()(modules.exports, Module.createRequire(MODULES), modules, MODULES, FOLDER);
  await use(modules.exports['index.js']());
  // As the package's index.js compares it.
  const build = Buffer.from(JSON.stringify([process.versions, process.config]));
  const contents = Buffer.concat([script.createCachedData(), build]);
  fs.writeFileSync(path.join(FOLDER, `code-${process.version}`), contents);
}

write();
