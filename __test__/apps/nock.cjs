'use strict';

// nock under whatever http this process has: what it intercepts, what it lets through. Prints what came of each as JSON.
const { once } = require('events');
const http = require('http');
const nock = require('nock');

/** @param {import('http').ClientRequest} req */
async function outcome(req) {
  try {
    const [res] = await once(req, 'response');
    let text = '';
    for await (const chunk of res.setEncoding('utf8')) text += chunk;
    return { status: res.statusCode, kind: res.headers['content-type'], text };
  } catch (err) {
    return { code: err.code, message: err.message };
  }
}

async function main() {
  const server = http.createServer((req, res) => req.pipe(res.setHeader('Content-Type', 'text/real')));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  const real = `http://127.0.0.1:${port}`;
  nock.disableNetConnect();

  nock('http://mocked.test', { reqheaders: { 'x-asked': 'yes' } })
    .get('/json?q=1')
    .reply(200, { n: 1 }, { 'Content-Type': 'application/json' })
    .post('/post', { a: [1, 2] })
    .delay(5)
    .reply(201, (uri, body) => `${uri} ${JSON.stringify(body)}`)
    .get('/error')
    .replyWithError(Object.assign(new Error('made up'), { code: 'EMADEUP' }));
  const headers = { 'X-Asked': 'yes' };
  const results = {};
  results.json = await outcome(http.get('http://mocked.test/json?q=1', { headers }));
  const post = http.request('http://mocked.test/post', {
    method: 'POST',
    headers: { ...headers, 'Content-Type': 'application/json' },
  });
  post.write('{"a":');
  post.end('[1,2]}');
  results.post = await outcome(post);
  results.error = await outcome(http.get('http://mocked.test/error', { headers }));
  results.refused = await outcome(http.get('http://mocked.test/other', { headers }));
  results.done = nock.isDone();

  // The same host, and another agent's request, go through when they may.
  nock.enableNetConnect('127.0.0.1');
  const agent = new http.Agent({ keepAlive: true });
  const through = http.request(real, { method: 'PUT', agent, headers: { 'Content-Length': 4 } });
  through.end('real');
  results.through = await outcome(through);
  nock(real).get('/half').reply(202, 'mocked');
  results.half = await outcome(http.get(`${real}/half`, { agent }));

  nock.restore();
  const after = http.request(`${real}/half`, { method: 'POST', agent });
  after.end('restored');
  results.restored = await outcome(after);
  agent.destroy();
  server.close();
  console.log(JSON.stringify(results));
}

main();
