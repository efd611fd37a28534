'use strict';

// One driver suffices: it chooses its own.

const assert = require('node:assert');
const path = require('node:path');
const { spawnSync } = require('node:child_process');
const { test } = require('node:test');

const root = path.join(__dirname, '..');

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

test('a driver that is not there says so by name', () => {
  assert.match(load('typo').stderr, /FERROHTTP_DRIVER=typo: one of auto, local, threads, fed/);
});
