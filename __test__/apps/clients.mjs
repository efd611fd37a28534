// Runs one client library against the URL given, and prints what it saw as one JSON line.
import http from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

const [library, base] = process.argv.slice(2);

/** @type {Record<string, () => Promise<unknown>>} */
const libraries = {
  async got() {
    const { default: got } = await import('got');
    const agent = { http: new http.Agent({ keepAlive: true }) };
    const json = await got.post(`${base}/echo`, { json: { n: 1 }, agent }).json();
    const chunks = [];
    await pipeline(got.stream(`${base}/big`, { agent }), async (source) => {
      for await (const chunk of source) chunks.push(chunk);
    });
    const missing = await got(`${base}/missing`, { throwHttpErrors: false, agent });
    const moved = await got(`${base}/moved`, { agent });
    const gzip = await got(`${base}/gzip`, { agent }).text();
    const late = await got(`${base}/never`, { timeout: { response: 300 }, retry: { limit: 0 }, agent }).catch(
      (e) => e.code,
    );
    const reused = (await got(`${base}/`, { agent })).request.reusedSocket;
    agent.http.destroy();
    const bytes = Buffer.concat(chunks).length;
    return { json, bytes, missing: missing.statusCode, moved: moved.url, gzip, late, reused };
  },
  async axios() {
    const { default: axios } = await import('axios');
    const agent = new http.Agent({ keepAlive: true });
    const client = axios.create({ baseURL: base, adapter: 'http', httpAgent: agent, proxy: false });
    const json = (await client.post('/echo', { n: 1 })).data;
    const big = await client.get('/big', { responseType: 'arraybuffer' });
    const missing = await client.get('/missing').catch((e) => e.response.status);
    const moved = await client.get('/moved');
    const gzip = (await client.get('/gzip')).data;
    const streamed = await client.post('/count', Readable.from([Buffer.alloc(70_000), Buffer.alloc(5)]));
    const late = await client.get('/never', { timeout: 300 }).catch((e) => e.code);
    agent.destroy();
    return {
      json,
      bytes: big.data.length,
      missing,
      moved: moved.request.res.responseUrl,
      gzip,
      streamed: streamed.data,
      late,
    };
  },
  async supertest() {
    const { default: request } = await import('supertest');
    // No server listens yet: supertest makes and closes one for every request.
    const handler = (req, res) => {
      res.setHeader('Content-Type', 'application/json');
      req.pipe(res);
    };
    const own = await request(handler).post('/').send({ n: 1 }).expect('Content-Type', /json/).expect(200, { n: 1 });
    const failed = await request(handler)
      .post('/')
      .send({ n: 1 })
      .expect(500)
      .then(
        () => 'passed',
        (err) => err.message,
      );
    const far = await request(base).get('/missing').expect(404);
    return { own: own.body, failed, far: far.text };
  },
};

console.log(JSON.stringify(await libraries[library]()));
