'use strict';

// npm start: from a bare clone to the example, served.

const { spawn } = require('node:child_process');
const path = require('node:path');
const { ensureInstalled, ensureBuilt } = require('./prepare');
const { ROOT, main } = require('./process');

async function start() {
  await ensureInstalled();
  await ensureBuilt();
  const server = spawn(process.execPath, [path.join(ROOT, 'examples/server.js'), ...process.argv.slice(2)], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.on(signal, () => server.kill(signal));
  }
  // npm passes a signal on to the shell between it and us, which ends without a word.
  const parent = process.ppid;
  const watch = setInterval(() => process.ppid !== parent && server.kill('SIGTERM'), 250);
  server.on('exit', (code, signal) => {
    clearInterval(watch);
    process.exitCode = signal ? 0 : (code ?? 1);
  });
}

main(start());
