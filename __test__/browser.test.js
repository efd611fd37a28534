'use strict';

// The example application in a real browser.

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { createInterface } = require('node:readline');
const { test } = require('node:test');
const { chromium } = require('playwright-core');
const { ROOT, startApp } = require('./support/child.js');
const { stock } = require('./support/http.js');
const { findProgram } = require('./support/program.js');

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Starts examples/server.js as `npm start` does; on stock http the same application. */
async function startExample() {
  if (stock) {
    const app = await startApp('example.cjs');
    return { url: `http://127.0.0.1:${app.port}/`, stop: app.stop };
  }
  const child = spawn(process.execPath, [path.join(ROOT, 'examples/server.js')], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  const exit = once(child, 'exit');
  const [url] = await Promise.race([
    once(createInterface(child.stdout), 'line'),
    exit.then(() => assert.fail(`the example did not start: ${stderr}`)),
  ]);
  return {
    url,
    async stop() {
      child.kill('SIGTERM');
      const [code] = await exit;
      return { code, stderr };
    },
  };
}

test('Chromium loads the example page, streams from it and uploads to it', { timeout: 300_000 }, async (t) => {
  const executablePath = findProgram(t, 'chromium', 'chromium-browser', 'google-chrome');
  if (executablePath === undefined) return;
  const example = await startExample();
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'ferrohttp-chromium-'));
  const browser = await chromium.launchPersistentContext(profile, { executablePath, headless: true, args: FLAGS });
  try {
    const page = await browser.newPage();
    /** @type {string[]} */
    const complaints = [];
    page.on('pageerror', (err) => complaints.push(err.message));
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));

    const response = await page.goto(example.url);
    assert.strictEqual(response?.status(), 200);
    await page.waitForSelector('#status[data-state=ready]', { timeout: 60_000 });
    assert.match(String(await page.textContent('#status')), stock ? /node:http/ : /ferrohttp/);

    // Before the stream is over, a part of it is there.
    await page.click('#stream-start');
    await page.waitForFunction(
      () => {
        const output = document.querySelector('#stream-output');
        return output?.getAttribute('data-state') === 'running' && output.textContent?.includes('chunk 2 of 20');
      },
      undefined,
      { timeout: 60_000 },
    );
    await page.waitForSelector('#stream-output[data-state=done]', { timeout: 60_000 });
    const lines = Array.from({ length: 20 }, (_, i) => `chunk ${i + 1} of 20\n`);
    assert.strictEqual(await page.textContent('#stream-output'), lines.join(''));

    await page.click('#upload-start');
    await page.waitForSelector('#upload-result:is([data-state=done], [data-state=error])', { timeout: 60_000 });
    assert.match(
      String(await page.textContent('#upload-result')),
      /^4194304 bytes\n[\s\S]*the same as in the browser$/,
    );
    await page.setInputFiles('#upload-file', path.join(ROOT, 'package.json'));
    await page.click('#upload-start');
    const { size } = fs.statSync(path.join(ROOT, 'package.json'));
    await page.waitForSelector(`#upload-result[data-state=done][data-bytes="${size}"]`, { timeout: 60_000 });

    // The server-sent events have gone on all the while, on a connection of their own.
    await page.waitForFunction(() => Number(document.querySelector('#events')?.getAttribute('data-count')) >= 3);
    assert.deepStrictEqual(complaints, []);
  } finally {
    await browser.close();
    fs.rmSync(profile, { recursive: true, force: true });
    const { code, stderr } = await example.stop();
    assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: '' });
  }
});
