import { Readable } from 'node:stream';
import fastify from 'fastify';
import serve from '../support/serve.js';

const app = fastify({ forceCloseConnections: 'idle' });
app.get('/hello/:name', async (request) => ({ hello: request.params.name, at: request.query.at }));
app.post(
  '/echo',
  { schema: { body: { type: 'object', required: ['n'], properties: { n: { type: 'integer' } } } } },
  async (request, reply) => reply.code(201).send({ body: request.body }),
);
app.get('/stream', (_request, reply) => reply.type('text/plain').send(Readable.from(['one ', 'two ', 'three'])));
app.get('/fail', async () => {
  throw new Error('as asked');
});
// light-my-request: a request and a response without a connection.
app.get('/inject', async () => {
  const answer = await app.inject({ method: 'POST', url: '/echo', payload: { n: 7 } });
  const streamed = await app.inject('/stream');
  return {
    status: answer.statusCode,
    type: answer.headers['content-type'],
    body: answer.json(),
    text: streamed.payload,
  };
});

await app.ready();
serve(app.server);
