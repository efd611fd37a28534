'use strict';

// One driver suffices: it is for the reference release, which runs the packed package. FERROHTTP_DRIVER chooses another by hand.

// Clients made up at random do the same with ferrohttp as with node:http, whatever the server sends them, in whatever pieces: what it receives, what
// calls return and throw, which events come, in which order, and what request and response say of themselves meanwhile. FERROHTTP_PROGRAMS and
// FERROHTTP_SEED as in differential.test.js. What differs by intention (ARCHITECTURE.md) is not made up. Known to differ yet, in one of a thousand: who hears
// first of a request that is destroyed while it connects, and what is read a turn sooner beside other connections.

const { once } = require('node:events');
const net = require('node:net');
const { test } = require('node:test');
const fc = require('fast-check');
const { differential, playsTheSame } = require('./support/differential.js');

/** Turns of the loop in which nothing happens any more. */
const QUIET = 6;
/** So many of them that nothing more is to come. */
const STUCK = 40;

/** @typedef {{ req: any, res: any, note(text: string): void }} Subject */
/** @typedef {{ name: string, run(subject: Subject): unknown }} Step what is done next; a promise is waited for */
/** What a server does: bytes to send, turns of the loop to wait, or a way to end. @typedef {string | number | 'END' | 'DESTROY'} Act */
/** @typedef {{ method: string, fields: any, steps: Step[], reads: Reading, acts: Act[] }} Exchange */
/** @typedef {{ name: string, begin(subject: Subject): void }} Reading what is done with a response */

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** @param {string} name @param {Step['run']} run @returns {Step} */
const step = (name, run) => ({ name, run });
/** @param {string} name @param {Reading['begin']} begin @returns {Reading} */
const reading = (name, begin) => ({ name, begin });
const sizes = fc.constantFrom(0, 1, 100, 5000, 20_000);
const data = fc
  .tuple(sizes, fc.boolean())
  .map(([length, isText]) => (isText ? 'x'.repeat(length) : Buffer.alloc(length, 'x')));
/** @param {any} chunk */
const shown = (chunk) => (chunk === undefined ? '' : `${typeof chunk} of ${chunk.length}`);
/** @param {Subject} subject @param {string} name @returns {(error: any) => void} */
const callback = (subject, name) => (error) => subject.note(`${name} called back ${error?.code ?? error}`);

// --- the client --------------------------------------------------------------------------------------------------------

const steps = fc.oneof(
  fc
    .tuple(data, fc.boolean())
    .map(([chunk, calls]) =>
      step(`write ${shown(chunk)}`, (subject) =>
        subject.req.write(chunk, calls ? callback(subject, 'write') : undefined),
      ),
    ),
  fc
    .tuple(fc.option(data, { nil: undefined }), fc.boolean())
    .map(([chunk, calls]) =>
      step(
        `end ${shown(chunk)}`,
        (subject) => subject.req.end(chunk, calls ? callback(subject, 'end') : undefined) === subject.req,
      ),
    ),
  fc.constant(step('flushHeaders', ({ req }) => req.flushHeaders())),
  fc.constant(step('setHeader', ({ req }) => void req.setHeader('X-Late', '1'))),
  fc.constant(step('addTrailers', ({ req }) => req.addTrailers({ 'X-T': 'x' }))),
  data.map((chunk) =>
    step(`write ${shown(chunk)} twice, corked`, async ({ req }) => {
      // Behind the tick in which what was written before goes out.
      await turn();
      req.cork();
      req.write(chunk);
      req.write(chunk);
      req.uncork();
    }),
  ),
  fc.constant(step('destroy', ({ req }) => req.destroy() === req)),
  fc.constant(step('destroy with an error', ({ req }) => req.destroy(new Error('mine')) === req)),
  fc.constant(step('abort', ({ req }) => req.abort())),
  fc.constant(step('set no delay', ({ req }) => void req.setNoDelay(true))),
  fc.constant(step('tick', () => new Promise((resolve) => process.nextTick(resolve)))),
  fc.constant(step('microtask', () => Promise.resolve())),
  fc.constant(step('immediate', turn)),
  fc.constant(
    step('immediates', async () => {
      for (let turns = 0; turns < 4; turns++) await turn();
    }),
  ),
);

const readings = fc.oneof(
  fc.constant(reading('resume', ({ res }) => res.resume())),
  fc.constant(reading('nothing', () => {})),
  fc.constant(
    reading('data', ({ res, note }) => res.on('data', (/** @type {any} */ chunk) => note(`data ${chunk.length}`))),
  ),
  fc.constant(
    reading('text', ({ res, note }) =>
      res.setEncoding('utf8').on('data', (/** @type {any} */ chunk) => note(`text ${chunk.length}`)),
    ),
  ),
  fc.constant(
    reading('readable', ({ res, note }) =>
      res.on('readable', () => {
        for (let chunk = res.read(); chunk !== null; chunk = res.read()) note(`read ${chunk.length}`);
      }),
    ),
  ),
  fc.constant(
    reading('iterate', async ({ res, note }) => {
      let length = 0;
      try {
        for await (const chunk of res) length += chunk.length;
        note(`iterated ${length}`);
      } catch (error) {
        note(`iterating failed ${/** @type {any} */ (error).code} behind ${length}`);
      }
    }),
  ),
  fc.constant(
    reading('pause for a while', async ({ res, note }) => {
      res.on('data', (/** @type {any} */ chunk) => note(`data ${chunk.length}`));
      res.pause();
      for (let i = 0; i < 3; i++) await turn();
      note('goes on');
      res.resume();
    }),
  ),
  fc.constant(reading('destroy', ({ res }) => res.destroy())),
  fc.constant(reading('destroy with an error', ({ res }) => res.destroy(new Error('his')))),
  fc.constant(
    reading('destroy in the midst', ({ res, note }) =>
      res.once('data', (/** @type {any} */ chunk) => {
        note(`data ${chunk.length}`);
        res.destroy();
      }),
    ),
  ),
  fc.constant(reading('destroy the request', ({ req }) => req.destroy())),
);

// --- the server --------------------------------------------------------------------------------------------------------

const lengths = fc.constantFrom(0, 1, 30, 3000, 70_000);
/** A head, a body, and whether the client knows where it ends. @typedef {{ head: string, body: string, isWhole: boolean }} Answer */
/** @param {string} fields @param {string} body @param {boolean} isWhole @param {string} [start] @returns {Answer} */
const answered = (fields, body, isWhole, start = 'HTTP/1.1 200 OK') => ({
  head: `${start}\r\n${fields}\r\n`,
  body,
  isWhole,
});
/** @type {fc.Arbitrary<Answer>} */
const answers = fc.oneof(
  lengths.map((length) => answered(`Content-Length: ${length}\r\n`, 'y'.repeat(length), true)),
  lengths.map((length) => answered(`Connection: close\r\nContent-Length: ${length}\r\n`, 'y'.repeat(length), true)),
  fc.tuple(fc.array(fc.constantFrom(1, 30, 9000), { maxLength: 3 }), fc.boolean()).map(([chunks, trailers]) => {
    const parts = chunks.map((length) => `${length.toString(16)}\r\n${'z'.repeat(length)}\r\n`).join('');
    return answered('Transfer-Encoding: chunked\r\n', `${parts}0\r\n${trailers ? 'X-Trailer: t\r\n' : ''}\r\n`, true);
  }),
  lengths.map((length) => answered('', 'w'.repeat(length), false)),
  lengths.map((length) => answered('', 'w'.repeat(length), false, 'HTTP/1.0 200 OK')),
  fc.constantFrom(
    answered('', '', true, 'HTTP/1.1 204 No Content'),
    answered('Content-Length: 5\r\n', '', true, 'HTTP/1.1 304 Not Modified'),
    answered('Upgrade: a\r\nConnection: Upgrade\r\n', 'raw', false, 'HTTP/1.1 101 Switching Protocols'),
    answered('Content-Length: nine\r\n', '', false),
    answered('Transfer-Encoding: chunked\r\n', '5\r\nabcdeX', false),
    answered('Content-Length: 5\r\n', 'ab', false),
    answered('', '', false, 'nonsense'),
    { head: '', body: '', isWhole: false },
  ),
);
const informational = fc.constantFrom(
  '',
  '',
  '',
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n',
  'HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n',
);
const cuts = fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 1, max: 4 })), {
  maxLength: 3,
});

/**
 * Bytes in pieces, with turns of the loop between them, and how it goes on.
 * @param {any} plan
 * @returns {Act[]}
 */
function actsOf({ before, answer: { head, body, isWhole }, places, wait, end, method }) {
  // No body follows where there is none by the request.
  const text = before + head + (method === 'HEAD' ? '' : body);
  /** @type {Act[]} */
  const acts = [];
  let from = 0;
  for (const [share, turns] of [...places].sort(([a], [b]) => a - b)) {
    const to = Math.floor(share * text.length);
    acts.push(text.slice(from, to), turns);
    from = to;
  }
  acts.push(text.slice(from), wait, end);
  if (end === '' && !isWhole) acts.push(2, 'END');
  return acts.filter((act) => act !== '' && act !== 0);
}

const exchanges = fc
  .record({
    method: fc.constantFrom('GET', 'GET', 'POST', 'HEAD', 'DELETE'),
    fields: fc.constantFrom(
      {},
      { 'Content-Length': 5 },
      { 'Transfer-Encoding': 'chunked' },
      { Expect: '100-continue' },
      { Connection: 'close' },
    ),
    steps: fc
      .tuple(fc.array(steps, { maxLength: 6 }), data)
      .map(([some, chunk]) => [...some, step(`end ${shown(chunk)} at last`, ({ req }) => req.end(chunk) === req)]),
    reads: readings,
    before: informational,
    answer: answers,
    places: cuts,
    wait: fc.constantFrom(0, 1, 3),
    end: fc.constantFrom('', '', '', 'END', 'DESTROY'),
  })
  .map(({ method, fields, steps, reads, ...plan }) => ({ method, fields, steps, reads, plan }));

const programs = fc
  .record({
    agent: fc.constantFrom('none', 'keeping', 'keeping one', 'closing'),
    /** Whether each begins when the one before it has closed. */
    inTurn: fc.boolean(),
    all: fc.array(exchanges, { minLength: 1, maxLength: 3 }),
  })
  // A kept socket that the server has closed meanwhile Node would use once more, and fail.
  .map(({ agent, inTurn, all }) => ({
    agent,
    inTurn,
    all: all.map(({ plan, ...rest }, at) => {
      const isReused = agent !== 'none' && at < all.length - 1 && (plan.answer.isWhole || rest.method === 'HEAD');
      return { ...rest, acts: actsOf({ ...plan, end: isReused ? '' : plan.end, method: rest.method }) };
    }),
  }));

/** @param {any} req @param {any} res */
const state = (req, res) =>
  [req.headersSent, req.writableEnded, req.finished, req.destroyed, req.aborted, req.reusedSocket, req.shouldKeepAlive]
    .concat(res === null ? [] : [res.complete, res.aborted, res.destroyed, res.readableEnded])
    .map(Number)
    .join('');

/**
 * @param {any} http
 * @param {any} agent
 * @param {number} port
 * @param {Exchange} exchange
 * @param {number} at
 * @param {string[]} notes of this exchange: in which order those of several connections are read is nobody's promise
 * @returns {Promise<void>} it has closed, or will not
 */
async function ask(http, agent, port, { method, fields, steps: all, reads }, at, notes) {
  const req = http.request({
    port,
    host: '127.0.0.1',
    method,
    path: `/${at}`,
    headers: { Host: 'h', ...fields },
    agent,
  });
  /** @type {Subject} */
  const subject = { req, res: null, note: (text) => void notes.push(`${text} ${state(req, subject.res)}`) };
  const { note } = subject;
  // Node's emit it twice where the connection closes before the response is read.
  req.once('close', () => note('req close'));
  for (const event of ['prefinish', 'finish', 'abort', 'drain', 'continue', 'timeout'])
    req.on(event, () => note(`req ${event}`));
  req.on('socket', () => note('req socket'));
  req.on('error', (/** @type {any} */ error) => note(`req error ${error.code ?? error.message}`));
  req.on('information', (/** @type {any} */ { statusCode }) => note(`information ${statusCode}`));
  req.on('upgrade', (/** @type {any} */ _res, /** @type {any} */ socket, /** @type {any} */ head) => {
    note(`upgrade ${head.length}`);
    socket.destroy();
  });
  req.on('response', (/** @type {any} */ res) => {
    subject.res = res;
    note(`response ${res.statusCode}`);
    for (const event of ['end', 'close', 'aborted']) res.on(event, () => note(`res ${event}`));
    res.on('error', (/** @type {any} */ error) => note(`res error ${error.code ?? error.message}`));
    reads.begin(subject);
    // Who reads nothing would be waited for.
    if (reads.name === 'nothing') setImmediate(() => setImmediate(() => setImmediate(() => res.resume())));
  });
  for (const { name, run } of all) {
    let outcome;
    try {
      outcome = run(subject);
    } catch (error) {
      outcome = /** @type {any} */ (error).code;
    }
    note(`${name}: ${outcome instanceof Promise ? 'waits' : outcome}`);
    if (outcome instanceof Promise) await outcome;
  }
  for (let quiet = 0, last = notes.length; !req.closed; quiet++) {
    if (notes.length !== last) quiet = 0;
    last = notes.length;
    if (quiet > STUCK) {
      note('does not close');
      req.destroy();
      subject.res?.destroy();
      return;
    }
    await turn();
  }
}

/**
 * @param {any} http
 * @param {{ agent: string, inTurn: boolean, all: Exchange[] }} program
 * @returns {Promise<string>} all that could be seen
 */
async function play(http, { agent: kind, inTurn, all }) {
  /** @type {string[][]} */
  const notes = all.map(() => []);
  /** What came over each connection. @type {string[]} */
  const received = [];
  /** @type {Set<net.Socket>} */
  const sockets = new Set();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    const at = received.push('') - 1;
    let answered = 0;
    let begun = Promise.resolve();
    socket.on('error', () => {});
    socket.on('end', () => socket.end());
    socket.setEncoding('latin1').on('data', (text) => {
      received[at] += text;
      const asked = [...received[at].matchAll(/^[A-Z]+ \/(\d) HTTP\/1\.1\r\n(?:.+\r\n)*\r\n/gm)];
      for (const [, which] of asked.slice(answered)) {
        answered++;
        begun = begun.then(() => answer(socket, all[Number(which)].acts));
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {net.AddressInfo} */ (server.address());
  const agent = {
    none: () => false,
    keeping: () => new http.Agent({ keepAlive: true }),
    'keeping one': () => new http.Agent({ keepAlive: true, maxSockets: 1 }),
    closing: () => new http.Agent({ keepAlive: false, maxSockets: 1 }),
  }[kind]?.();
  if (inTurn) for (const [at, exchange] of all.entries()) await ask(http, agent, port, exchange, at, notes[at]);
  else await Promise.all(all.map((exchange, at) => ask(http, agent, port, exchange, at, notes[at])));
  for (let turns = 0; turns < QUIET; turns++) await turn();
  if (agent) {
    const count = (/** @type {any} */ lists) => Object.values(lists).flat().length;
    notes.push([`sockets ${count(agent.sockets)} free ${count(agent.freeSockets)} requests ${count(agent.requests)}`]);
    agent.destroy();
  }
  for (const socket of sockets) socket.destroy();
  server.close();
  await once(server, 'close');
  return [
    ...received.map((text) => text.replace(/x{9,}/g, (run) => `(${run.length} x)`)),
    ...notes.map((each) => each.join('\n')),
  ].join('\n--\n');
}

/** @param {net.Socket} socket @param {Act[]} all */
async function answer(socket, all) {
  for (const act of all) {
    if (typeof act === 'number') for (let turns = 0; turns < act; turns++) await turn();
    else if (act === 'END') socket.end();
    else if (act === 'DESTROY') socket.destroy();
    else if (socket.writable) socket.write(act, 'latin1');
  }
}

test('random clients do the same as with node:http', differential, async () => {
  await playsTheSame(programs, play);
});
