'use strict';

// One driver suffices: it is for the reference release, which runs the packed package. FERROHTTP_DRIVER chooses another by hand.

// Handlers made up at random do the same with ferrohttp as with node:http: what the peer receives, what the calls return and throw, which
// events come, in which order, and what the response says of itself meanwhile. FERROHTTP_PROGRAMS=5000 tries that many, and
// FERROHTTP_SEED others than always. What differs by intention (ARCHITECTURE.md) or by the turn of a clock is not made up.

const { once } = require('node:events');
const net = require('node:net');
const { test } = require('node:test');
const fc = require('fast-check');
const { differential, playsTheSame } = require('./support/differential.js');

/** @typedef {{ name: string, run(subject: Subject): unknown }} Step what a handler does next; a promise is waited for */
/** @typedef {{ req: any, res: any, note(text: string): void }} Subject */
/** @typedef {{ method: string, fields: string, body: string, steps: Step[], listens: boolean }} Exchange */

/** @param {string} name @param {Step['run']} run @returns {Step} */
const step = (name, run) => ({ name, run });

const small = fc.constantFrom(0, 1, 5, 100, 1000, 5000);
const any = fc.oneof(small, fc.constantFrom(20_000, 70_000));
/** @param {fc.Arbitrary<number>} size */
const dataOf = (size) =>
  fc.tuple(size, fc.boolean()).map(([length, isText]) => (isText ? 'x'.repeat(length) : Buffer.alloc(length, 'x')));
/** @param {any} data */
const shown = (data) => (data === undefined ? '' : `${typeof data} of ${data.length}`);

/** @param {Subject} subject @param {string} name @returns {(error: any) => void} */
const callback = (subject, name) => (error) => subject.note(`${name} called back ${error?.code ?? error}`);

/** What handlers do to their response and request, and how they let time go by. @param {fc.Arbitrary<string | Buffer>} data */
const stepsWith = (data) =>
  fc.oneof(
    fc
      .tuple(fc.constantFrom('X-A', 'Content-Type'), fc.constantFrom('v', ['a', 'b'], 7))
      .map(([name, value]) => step(`setHeader ${name}`, ({ res }) => void res.setHeader(name, value))),
    fc
      .constantFrom(0, 5, 100)
      .map((length) => step(`length ${length}`, ({ res }) => void res.setHeader('Content-Length', length))),
    fc.constant(step('chunked', ({ res }) => void res.setHeader('Transfer-Encoding', 'chunked'))),
    fc
      .constantFrom('X-A', 'Date', 'Content-Length', 'Transfer-Encoding')
      .map((name) => step(`removeHeader ${name}`, ({ res }) => void res.removeHeader(name))),
    fc.constantFrom(200, 204, 304, 404, 999).map((status) =>
      step(`status ${status}`, ({ res }) => {
        res.statusCode = status;
      }),
    ),
    fc
      .tuple(fc.constantFrom(200, 204, 404, 42), fc.constantFrom({ 'X-W': '1' }, ['X-R', '1'], undefined))
      .map(([status, fields]) => step(`writeHead ${status}`, ({ res }) => void res.writeHead(status, fields))),
    fc.constant(step('flushHeaders', ({ res }) => res.flushHeaders())),
    fc
      .tuple(data, fc.boolean())
      .map(([chunk, calls]) =>
        step(`write ${shown(chunk)}`, (subject) =>
          subject.res.write(chunk, calls ? callback(subject, 'write') : undefined),
        ),
      ),
    fc
      .tuple(fc.option(data, { nil: undefined }), fc.boolean())
      .map(([chunk, calls]) =>
        step(
          `end ${shown(chunk)}`,
          (subject) => subject.res.end(chunk, calls ? callback(subject, 'end') : undefined) === subject.res,
        ),
      ),
    data.map((chunk) =>
      step(`write ${shown(chunk)}, and more when called`, ({ res, note }) =>
        res.write(chunk, () => note(`more: ${res.writableEnded || res.write('more')}`)),
      ),
    ),
    fc.constant(
      step('wait for drain', ({ res }) => {
        if (!res.writableNeedDrain) return 'not';
        return new Promise((resolve) => res.once('drain', resolve).once('close', resolve));
      }),
    ),
    fc.constant(step('addTrailers', ({ res }) => res.addTrailers({ 'X-T': 'x' }))),
    fc.constantFrom('pause', 'resume').map((name) => step(name, ({ req }) => void req[name]())),
    fc.constant(step('setEncoding', ({ req }) => void req.setEncoding('utf8'))),
    fc.constant(step('on data', ({ req, note }) => void req.on('data', (chunk) => note(`data ${chunk.length}`)))),
    fc.constant(
      step('iterate', (subject) => {
        iterate(subject);
      }),
    ),
    fc.constant(step('tick', () => new Promise((resolve) => process.nextTick(resolve)))),
    fc.constant(step('microtask', () => Promise.resolve())),
    fc.constant(step('immediate', () => new Promise((resolve) => setImmediate(resolve)))),
  );

/** @param {Subject} subject */
async function iterate({ req, note }) {
  let length = 0;
  try {
    for await (const chunk of req) length += chunk.length;
    note(`iterated ${length}`);
  } catch (error) {
    note(`iterating failed ${/** @type {any} */ (error).code}`);
  }
}

/** @param {fc.Arbitrary<string | Buffer>} data */
const lastWith = (data) =>
  data.map((chunk) => step(`end ${shown(chunk)} at last`, ({ res }) => res.end(chunk) === res));
const bodies = fc.oneof(
  fc.constant({ fields: '', body: '' }),
  any.map((length) => ({ fields: `Content-Length: ${length}\r\n`, body: 'b'.repeat(length) })),
  fc.array(fc.integer({ min: 1, max: 9000 }), { maxLength: 4 }).map((lengths) => ({
    fields: 'Transfer-Encoding: chunked\r\n',
    body: `${lengths.map((length) => `${length.toString(16)}\r\n${'c'.repeat(length)}\r\n`).join('')}0\r\n\r\n`,
  })),
);

/**
 * @param {fc.Arbitrary<{ fields: string, body: string }>} body
 * @param {fc.Arbitrary<number>} size of what the handler writes at once
 * @returns {fc.Arbitrary<Exchange>}
 */
const exchange = (body, size) => {
  const data = dataOf(size);
  const steps = fc.tuple(fc.array(stepsWith(data), { maxLength: 8 }), lastWith(data));
  return fc
    .record({
      method: fc.constantFrom('GET', 'POST', 'HEAD', 'DELETE'),
      body,
      steps: steps.map(([some, end]) => [...some, end]),
      listens: fc.boolean(),
    })
    .map(({ body: { fields, body }, ...rest }) => ({ ...rest, fields, body }));
};

const none = fc.constant({ fields: '', body: '' });
/**
 * One exchange, or some that are pipelined. Of those only the last has a body: ticks that Node runs behind a part of one let the next response
 * have its socket sooner. And they write little: how much one that waits may write depends on what those before it have.
 */
const program = fc.oneof(
  exchange(bodies, any).map((only) => [only]),
  fc
    .tuple(fc.array(exchange(none, small), { minLength: 1, maxLength: 2 }), exchange(bodies, small))
    .map(([before, end]) => [...before, end]),
);

/**
 * What was noted of an exchange. Of those that wait for others neither the order nor the moment is held: in which tick each is done with
 * depends on how many go before it, and those of one batch are sent together.
 * @param {string[]} notes @param {number} at
 */
const account = (notes, at) =>
  (at === 0
    ? notes
    : notes
        .filter((note) => !/^(res|req) /.test(note))
        .map(withoutState)
        .sort()
  ).join('\n');
const withoutState = (/** @type {string} */ note) => note.replace(/ [01]+$/, '');

/** @param {any} res */
const state = (res) =>
  [res.headersSent, res.writableEnded, res.finished, res.destroyed, res.chunkedEncoding, res.shouldKeepAlive]
    .map(Number)
    .join('');

/**
 * Serves one connection as the program says.
 * @param {any} http
 * @param {Exchange[]} exchanges
 * @returns {Promise<string>} all that could be seen
 */
async function play(http, exchanges) {
  /** @type {string[][]} */
  const notes = exchanges.map(() => []);
  let begun = 0;
  const server = http.createServer(
    { keepAliveTimeout: 60_000 },
    async (/** @type {any} */ req, /** @type {any} */ res) => {
      const at = begun++;
      const { steps, listens } = exchanges[at];
      const note = (/** @type {string} */ text) => notes[at].push(`${text} ${state(res)}`);
      res.sendDate = false;
      note(`${req.method} ${req.url} ${JSON.stringify(req.headers)}`);
      for (const event of listens ? ['prefinish', 'finish', 'close', 'drain'] : [])
        res.on(event, () => note(`res ${event}`));
      for (const event of listens ? ['end', 'close'] : []) req.on(event, () => note(`req ${event}`));
      for (const message of [req, res]) message.on('error', (/** @type {any} */ error) => note(`error ${error.code}`));
      await follow(steps, { req, res, note });
    },
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = net.connect(server.address().port, '127.0.0.1');
  const head = ({ method, fields }, at) =>
    `${method} /${at} HTTP/1.1\r\nHost: h\r\n${at === exchanges.length - 1 ? 'Connection: close\r\n' : ''}${fields}\r\n`;
  socket.write(exchanges.map((each, at) => head(each, at) + each.body).join(''));
  let received = '';
  for await (const part of socket.setEncoding('latin1')) received += part;
  // What is told behind the connection's end.
  for (let turns = 0; turns < 3; turns++) await new Promise((resolve) => setImmediate(resolve));
  await server[Symbol.asyncDispose]();
  return [received.replace(/x{9,}/g, (run) => `(${run.length} x)`), ...notes.map(account)].join('\n--\n');
}

test('random handlers do the same as with node:http', differential, async () => {
  await playsTheSame(program, play);
});

/**
 * Takes a handler's steps, one behind the other.
 * @param {any[]} steps
 * @param {{ req: any, res: any, note: (text: string) => void }} exchange
 */
async function follow(steps, exchange) {
  for (const { name, run } of steps) {
    let outcome;
    try {
      outcome = run(exchange);
    } catch (error) {
      outcome = /** @type {any} */ (error).code;
    }
    exchange.note(`${name}: ${outcome instanceof Promise ? 'waits' : outcome}`);
    if (outcome instanceof Promise) await outcome;
  }
}

const TURNS = 6;

/**
 * Serves a connection for each exchange. They are begun in one turn of the loop, in a callback each, so that what they answer in immediates falls
 * together; all that they note is held in the order in which it was noted.
 * @param {any} http
 * @param {Exchange[]} exchanges
 * @returns {Promise<string>} all that could be seen
 */
async function playTogether(http, exchanges) {
  /** @type {string[]} */
  const notes = [];
  /** @type {any[]} */
  const begun = [];
  /** @type {Promise<void>[]} */
  const ends = [];
  const server = http.createServer({ keepAliveTimeout: 60_000 });
  const all = new Promise((resolve) => {
    server.on('request', (/** @type {any} */ req, /** @type {any} */ res) => {
      begun[Number(req.url.slice(1))] = { req, res };
      if (begun.filter(Boolean).length === exchanges.length) resolve(undefined);
    });
  });
  /** @param {any} exchange @param {number} at */
  async function handle({ req, res }, at) {
    const { steps, listens } = exchanges[at];
    const note = (/** @type {string} */ text) =>
      notes.push(`${at} ${text} ${state(res)} ${res.writableFinished} ${res.socket === null}`);
    res.sendDate = false;
    for (const event of listens ? ['prefinish', 'finish', 'close', 'drain'] : [])
      res.on(event, () => note(`res ${event}`));
    for (const message of [req, res]) message.on('error', (/** @type {any} */ error) => note(`error ${error.code}`));
    await follow(steps, { req, res, note });
    for (let turns = 0; turns < TURNS; turns++) {
      note('later');
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const received = exchanges.map(async ({ method, fields }, at) => {
    const socket = net.connect(server.address().port, '127.0.0.1');
    socket.write(`${method} /${at} HTTP/1.1\r\nHost: h\r\n${fields}\r\n`);
    let text = '';
    for await (const part of socket.setEncoding('latin1')) text += part;
    return text;
  });
  await all;
  await new Promise((resolve) =>
    setImmediate(() => {
      for (const [at, exchange] of begun.entries())
        setImmediate(() => {
          ends.push(handle(exchange, at));
          if (at === begun.length - 1) resolve(undefined);
        });
    }),
  );
  await Promise.all(ends);
  server.closeAllConnections();
  await server[Symbol.asyncDispose]();
  return [...(await Promise.all(received)), ...notes].join('\n--\n');
}

test('random handlers of several connections do the same in one turn as with node:http', differential, async () => {
  const together = fc.array(exchange(none, small), { minLength: 2, maxLength: 5 });
  await playsTheSame(together, playTogether);
});
