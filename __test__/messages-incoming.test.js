'use strict';

// One driver suffices: the messages are fed by hand.

const assert = require('node:assert');
const { PassThrough, Readable, pipeline } = require('node:stream');
const { test } = require('node:test');
const { setImmediate: turn } = require('node:timers/promises');
const stock = require('node:http');
const ferrohttp = require('..');
const { METHODS_BY_CODE } = require('../lib/common');
const { complete, pushBody, setRequestHead, setResponseHead } = require('../lib/incoming');
const { HEAD } = require('../lib/internal/connection');

const HTTP_1_1 = ((1 << 8) | 1) << HEAD.VERSION_SHIFT;
const HTTP_1_0 = (1 << 8) << HEAD.VERSION_SHIFT;

const FIELDS = [
  ...['Host', 'a', 'host', 'b', 'Set-Cookie', '1', 'set-cookie', '2', 'Cookie', 'c', 'cookie', 'd', 'COOKIE', 'e'],
  ...['X-Foo', '1', 'x-foo', '2', 'constructor', 'q', 'toString', 'a', 'tostring', 'b', '__proto__', 'z'],
  ...[
    'Content-Type',
    't',
    'content-type',
    'u',
    'Accept',
    '1',
    'ACCEPT',
    '2',
    'date',
    '1',
    'Date',
    '2',
    'empty',
    '',
    'empty',
    '',
  ],
];
const FIRST_WINS =
  'age authorization content-length content-type etag expires from host if-modified-since if-unmodified-since last-modified ' +
  'location max-forwards proxy-authorization referer retry-after server user-agent';

const PARTS = ['headers', 'headersDistinct', 'rawHeaders', 'trailers', 'trailersDistinct', 'rawTrailers'];

function fieldsOf(msg) {
  return Object.fromEntries(PARTS.map((part) => [part, msg[part]]));
}

/** The same fields in a message of node:http's, the way its parser puts them there. */
function stockMessage(fields, count, joins) {
  const msg = new stock.IncomingMessage(null);
  msg.joinDuplicateHeaders = joins;
  msg._addHeaderLines(fields, count);
  return msg;
}

function request(fields, maxFields, joins = false, flags = HTTP_1_1) {
  const msg = new ferrohttp.IncomingMessage(null);
  msg.joinDuplicateHeaders = joins;
  setRequestHead(
    msg,
    `/target${fields.join('\n')}`,
    flags,
    METHODS_BY_CODE.indexOf('POST'),
    '/target'.length,
    maxFields,
  );
  return msg;
}

for (const joins of [false, true]) {
  test(`fields that come twice are merged as node:http merges them, joinDuplicateHeaders ${joins}`, () => {
    const names = [
      ...FIRST_WINS.split(' '),

      'vary',
      'via',
      'x-powered-by',
      'accept-encoding',
    ];
    const twice = names.flatMap((name) => [
      name,
      '1',
      name.toUpperCase(),
      '2',
      name[0].toUpperCase() + name.slice(1),
      '3',
    ]);
    for (const fields of [FIELDS, twice]) {
      const theirs = stockMessage(fields, fields.length, joins);
      assert.deepStrictEqual(fieldsOf(request(fields, undefined, joins)), fieldsOf(theirs));
    }
  });
}

test('trailers are merged as headers are, whether somebody looked before they came or not', () => {
  for (const looksBefore of [false, true]) {
    const theirs = stockMessage(['a', 'b'], 2, false);
    const ours = request(['a', 'b']);
    if (looksBefore) assert.deepStrictEqual(ours.trailers, theirs.trailers);
    theirs.complete = true;
    theirs._addHeaderLines(FIELDS, FIELDS.length);
    complete(ours, FIELDS.join('\n'));
    assert.deepStrictEqual(fieldsOf(ours), fieldsOf(theirs));
  }
});

test('maxHeadersCount bounds headers; rawHeaders only from 32 fields on; 0 is no bound', () => {
  const few = request(['a', '1', 'b', '2', 'c', '3'], 2);
  assert.deepStrictEqual(few.headers, { a: '1', b: '2' });
  assert.strictEqual(few.rawHeaders.length, 6);

  const many = Array.from({ length: 3000 }, (_, i) => [`x-${i}`, '1']).flat();
  assert.strictEqual(Object.keys(request(many, 40).headers).length, 40);
  assert.strictEqual(request(many, 40).rawHeaders.length, 80);
  assert.strictEqual(Object.keys(request(many).headers).length, 1000);
  assert.strictEqual(Object.keys(request(many, 0).headers).length, 3000);
});

test('a request has its method, target and version, a response its status and reason', () => {
  const req = request([], undefined, false, HTTP_1_0);
  assert.deepStrictEqual([req.method, req.url, req.statusCode, req.statusMessage], ['POST', '/target', null, null]);
  assert.deepStrictEqual([req.httpVersion, req.httpVersionMajor, req.httpVersionMinor], ['1.0', 1, 0]);
  assert.deepStrictEqual(req.headers, {});

  const res = new ferrohttp.IncomingMessage(null);
  setResponseHead(res, 'Not FoundA\nb', HTTP_1_1, 404, 'Not Found'.length);
  assert.deepStrictEqual([res.method, res.url, res.statusCode, res.statusMessage], [null, '', 404, 'Not Found']);
  assert.deepStrictEqual(res.headers, { a: 'b' });
  assert.strictEqual(res.httpVersion, '1.1');
});

test('everything a proxy or a framework assigns to a request stays assigned', () => {
  const req = request(FIELDS);
  Object.assign(req, {
    url: '/other',
    method: 'PUT',
    headers: { a: 'b' },
    rawHeaders: ['A', 'b'],
    trailers: { t: '1' },
  });
  assert.deepStrictEqual([req.url, req.method, req.headers, req.rawHeaders], ['/other', 'PUT', { a: 'b' }, ['A', 'b']]);
  assert.deepStrictEqual(req.trailers, { t: '1' });
});

test('a message is made without new, by name on another object, and by subclassing', () => {
  function Sub(socket) {
    ferrohttp.IncomingMessage.call(this, socket);
  }
  Object.setPrototypeOf(Sub.prototype, ferrohttp.IncomingMessage.prototype);
  class Newer extends ferrohttp.IncomingMessage {}
  for (const Message of [Sub, Newer]) {
    const msg = new Message(null);
    assert.ok(msg instanceof Readable);
    assert.deepStrictEqual(fieldsOf(msg), fieldsOf(new stock.IncomingMessage(null)));
    assert.strictEqual(msg.readableFlowing, null);
  }
});

// What readers see, event by event, beside node:http's message fed by its parser's calls.

const READERS = {
  'resume and end': (msg, log) => msg.on('end', () => log('end')).resume(),
  data: (msg, log) => msg.on('data', (chunk) => log(`data ${chunk}`)).on('end', () => log('end')),
  'data as text': (msg, log) => msg.setEncoding('utf8').on('data', (chunk) => log(`${typeof chunk} ${chunk}`)),
  close: (msg, log) =>
    msg
      .on('close', () => log(`close ${msg.destroyed}`))
      .on('end', () => log('end'))
      .resume(),
  'iterate asynchronously': async (msg, log) => {
    for await (const chunk of msg) log(`chunk ${chunk}`);
    log('over');
  },
  pipeline: (msg, log) => {
    const to = new PassThrough().on('data', (chunk) => log(`piped ${chunk}`));
    pipeline(msg, to, (err) => log(`pipeline ${err}`));
  },
  'a web stream': async (msg, log) => {
    for await (const chunk of Readable.toWeb(msg)) log(`chunk ${Buffer.from(chunk)}`);
    log('over');
  },
  destroy: (msg, log) => {
    for (const name of ['aborted', 'close', 'end']) msg.on(name, () => log(name));
    msg.on('error', (err) => log(`error ${err.message}`));
    msg.destroy(new Error('no more'));
    log(`${msg.destroyed} ${msg.aborted}`);
  },
  'destroy without an error': (msg, log) => {
    for (const name of ['aborted', 'close', 'end']) msg.on(name, () => log(name));
    msg.destroy();
  },
  'paused, then resumed': (msg, log) => {
    msg.pause();
    msg.on('data', (chunk) => log(`data ${chunk}`)).on('end', () => log('end'));
    setImmediate(() => {
      log('resume');
      msg.resume();
    });
  },
  'dump and look': (msg, log) => {
    msg._dump();
    setImmediate(() => setImmediate(() => log(`${msg.readableEnded} ${msg.destroyed} ${msg.readable}`)));
  },
};
if (typeof stock.IncomingMessage.prototype._dumpAndCloseReadable === 'function') {
  READERS['close without events'] = (msg, log) => {
    msg._dumpAndCloseReadable();
    setImmediate(() => log(`${msg.readableEnded} ${msg.destroyed} ${msg.closed}`));
  };
}

const MOMENTS = {
  'before the body': (read) => read(),
  'in the next tick': (read) => process.nextTick(read),
  'in a microtask': (read) => Promise.resolve().then(read),
  'in the next turn': (read) => setImmediate(read),
};

async function watch(isStock, reader, moment, chunks, isLate) {
  const socket = new PassThrough().resume();
  const events = [];
  const msg = new (isStock ? stock : ferrohttp).IncomingMessage(socket);
  MOMENTS[moment](() => READERS[reader](msg, (event) => events.push(event)));
  for (const chunk of chunks) {
    if (!isStock) pushBody(msg, chunk);
    else if (!msg._dumped) msg.push(chunk);
  }
  if (isLate) await turn();
  if (isStock) {
    msg.complete = true;
    msg.push(null);
  } else {
    complete(msg, '');
  }
  for (let i = 0; i < 12; i++) await turn();
  return events;
}

for (const reader of Object.keys(READERS)) {
  test(`a reader by '${reader}' sees what it sees of node:http's message`, async () => {
    for (const moment of Object.keys(MOMENTS)) {
      for (const chunks of [[], [Buffer.from('one'), Buffer.from('two')]]) {
        for (const isLate of [false, true]) {
          const expected = await watch(true, reader, moment, chunks, isLate);
          const actual = await watch(false, reader, moment, chunks, isLate);
          assert.deepStrictEqual(
            actual,
            expected,
            `${moment}, ${chunks.length} chunks, ${isLate ? 'late' : 'early'} end`,
          );
        }
      }
    }
  });
}

test('a message nobody looks at makes no stream', (t) => {
  const made = t.mock.method(Readable, 'ReadableState');
  const msg = request(FIELDS);
  complete(msg, '');
  msg._dump();
  assert.strictEqual(made.mock.callCount(), 0);
  assert.strictEqual(msg.readableEnded, true);
  assert.strictEqual(made.mock.callCount(), 1);
});

test('a reader that is behind stops the socket, and starts it again', async () => {
  const socket = new PassThrough();
  const calls = [];
  socket.pause = () => calls.push('pause');
  socket.resume = () => calls.push('resume');
  const msg = new ferrohttp.IncomingMessage(socket);
  assert.strictEqual(pushBody(msg, Buffer.alloc(socket.readableHighWaterMark)), false);
  assert.deepStrictEqual(calls, ['pause']);
  msg.read();
  await turn();
  assert.ok(calls.includes('resume'));
});

test('signal aborts when the socket closes before the message is read, and not after it was answered', async () => {
  const { kDetachAbortSignal } = require('../lib/incoming');
  for (const isAnswered of [false, true]) {
    const socket = new PassThrough();
    const msg = new ferrohttp.IncomingMessage(socket);
    const { signal } = msg;
    assert.strictEqual(signal.aborted, false);
    assert.strictEqual(msg.signal, signal);
    if (isAnswered) msg[kDetachAbortSignal]();
    socket.destroy();
    await turn();
    assert.strictEqual(signal.aborted, !isAnswered);
  }
});
