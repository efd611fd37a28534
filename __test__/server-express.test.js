const assert = require('node:assert');
const host = require('node:http');
const { test } = require('node:test');
const express = require('express');
const { http } = require('./support/http.js');
const { listen, request, talk } = require('./support/raw.js');

/** Express here has loaded the host's http: nothing is registered. */
function application() {
  const app = express();
  const mounted = express();
  mounted.get('/', (req, res) => res.json({ path: req.originalUrl, agent: req.get('user-agent') }));
  const router = express.Router();
  router.use('/inner', mounted);
  app.use('/mounted', mounted);
  app.use('/router', router);
  app.post('/echo', express.text(), (req, res) => res.status(201).send(req.body));
  return app;
}

test('an Express application is served without register, mounted ones too', async () => {
  const server = http.createServer(application());
  const port = await listen(server);
  const fields = 'User-Agent: me\r\nConnection: close\r\n';
  for (const path of ['/mounted', '/router/inner']) {
    const answer = await talk(port, request(path, fields));
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\nX-Powered-By: Express\r\n/);
    assert.strictEqual(answer.split('\r\n\r\n')[1], JSON.stringify({ path, agent: 'me' }));
  }
  const post = `${request('/echo', 'Content-Type: text/plain\r\nContent-Length: 5\r\nConnection: close\r\n', 'POST')}hello`;
  assert.match(await talk(port, post), /^HTTP\/1\.1 201 Created\r\n.*\r\n\r\nhello$/s);
  await server[Symbol.asyncDispose]();
});

test('the host’s own classes stay as they are', async () => {
  const parents = () => [host.IncomingMessage.prototype, host.ServerResponse.prototype].map(Object.getPrototypeOf);
  const before = parents();
  const server = http.createServer(application());
  const port = await listen(server);
  await talk(port, request('/none', 'Connection: close\r\n'));
  await server[Symbol.asyncDispose]();
  assert.deepStrictEqual(parents(), before);
});
