// MSW's server under whatever http this process has: what it answers, what it lets through. Prints what came of each as JSON.
import { once } from 'node:events';
import http from 'node:http';
import { bypass, delay, HttpResponse, http as mock, passthrough } from 'msw';
import { setupServer } from 'msw/node';

/** @param {import('node:http').ClientRequest} req */
async function outcome(req) {
  const events = [];
  for (const name of ['socket', 'finish', 'response', 'close']) req.on(name, () => events.push(name));
  const closed = new Promise((resolve) => req.on('close', resolve));
  try {
    const [res] = await once(req, 'response');
    let text = '';
    for await (const chunk of res.setEncoding('utf8')) text += chunk;
    await closed;
    return { status: res.statusCode, by: res.headers['x-by'], text, events };
  } catch (err) {
    return { code: err.code, message: err.message };
  }
}

const real = http.createServer((req, res) => {
  res.setHeader('X-By', 'server');
  if (req.method === 'GET') res.end(`GET ${req.url}`);
  else req.pipe(res);
});
real.listen(0, '127.0.0.1');
await once(real, 'listening');
const base = `http://127.0.0.1:${real.address().port}`;

const server = setupServer(
  mock.get('http://mocked.test/json', () => HttpResponse.json({ n: 1 }, { headers: { 'X-By': 'mock' } })),
  mock.post('http://mocked.test/echo', async ({ request }) => {
    await delay(5);
    return new HttpResponse(`${request.headers.get('x-sent')} ${await request.text()}`, { status: 201 });
  }),
  mock.get('http://mocked.test/stream', () => {
    const encoder = new TextEncoder();
    const parts = ['one ', 'two ', 'three'];
    const stream = new ReadableStream({
      pull(controller) {
        const part = parts.shift();
        if (part === undefined) controller.close();
        else controller.enqueue(encoder.encode(part));
      },
    });
    return new HttpResponse(stream);
  }),
  mock.get('http://mocked.test/error', () => HttpResponse.error()),
  mock.put(`${base}/through`, () => passthrough()),
  mock.get(`${base}/changed`, async ({ request }) => {
    const response = await fetch(bypass(request));
    const headers = { 'X-By': 'mock' };
    return new HttpResponse(`changed ${await response.text()}`, { status: 203, headers });
  }),
);
server.listen({ onUnhandledRequest: 'bypass' });

const agent = new http.Agent({ keepAlive: true });
/** @param {string} url @param {import('node:http').RequestOptions} options @param {string[]} parts */
function send(url, options, ...parts) {
  const req = http.request(url, { agent, ...options });
  for (const part of parts) req.write(part);
  req.end();
  return outcome(req);
}

const results = {
  json: await send('http://mocked.test/json', {}),
  echo: await send('http://mocked.test/echo', { method: 'POST', headers: { 'X-Sent': 'a' } }, 'b', 'c'),
  stream: await send('http://mocked.test/stream', {}),
  error: await send('http://mocked.test/error', {}),
  through: await send(`${base}/through`, { method: 'PUT' }, 'to the server'),
  changed: await send(`${base}/changed`, {}),
  unhandled: await send(`${base}/unhandled`, { method: 'POST' }, 'not known'),
};
server.close();
results.closed = await send(`${base}/through`, { method: 'PUT' }, 'unpatched');
agent.destroy();
real.close();
console.log(JSON.stringify(results));
