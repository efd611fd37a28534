'use strict';

// One driver suffices: what a message writes is recorded before it reaches one.

const assert = require('node:assert');
const { test } = require('node:test');
const { setImmediate: turn } = require('node:timers/promises');
const stock = require('node:http');
const ferrohttp = require('..');
const { parseUniqueHeadersOption, kUniqueHeaders } = require('../lib/outgoing');
const { recordingConnection, recordingSocket } = require('./messages-recorder');

// Every response below is made twice, by node:http and by ferrohttp, on sockets that only record: the bytes, what was thrown,
// the events and the message's public state must be the same, over text and over the engine, with the socket there from the
// start and with the socket coming when all is said.

const HOST_MAJOR = Number.parseInt(process.versions.node, 10);

const REQUESTS = {
  'GET of HTTP/1.1': { method: 'GET', httpVersionMajor: 1, httpVersionMinor: 1, headers: {} },
  HEAD: { method: 'HEAD', httpVersionMajor: 1, httpVersionMinor: 1, headers: {} },
  'GET of HTTP/1.0': { method: 'GET', httpVersionMajor: 1, httpVersionMinor: 0, headers: {} },
  'GET of HTTP/1.0 that takes chunks': {
    method: 'GET',
    httpVersionMajor: 1,
    httpVersionMinor: 0,
    headers: { te: 'chunked' },
  },
};

const HEADS = {
  'with no fields set': () => {},
  'with fields set': (res) => res.setHeader('Content-Type', 'text/plain').setHeader('X-A', 1).setHeader('x-b', true),
  'with names that are numbers': (res) => res.setHeader('b', 1).setHeader('20', 'x').setHeader('3', 'y'),
  'with a field removed and set again': (res) => {
    res.setHeader('a', '1').setHeader('b', '2');
    res.removeHeader('a');
    res.setHeader('a', '3');
  },
  "with names of Object's own": (res) => res.setHeader('constructor', 'c').setHeader('__proto__', 'p'),
  'with a field set again in another case': (res) => res.setHeader('a', '1').setHeader('b', '2').setHeader('A', '3'),
  'with lists': (res) =>
    res.setHeader('Set-Cookie', ['a=1', 'b=2']).setHeader('cookie', ['x', 'y']).setHeader('Vary', ['q']),
  'with appended fields': (res) => {
    res.appendHeader('q', '1').appendHeader('Q', '2').appendHeader('z', ['1', '2']).appendHeader('z', ['3', '4']);
  },
  'with unique fields': (res) => {
    // Node's symbol is in no public module of its own: it is the one so described.
    const { kUniqueHeaders: theirs } = require('node:_http_outgoing');
    res[res instanceof ferrohttp.ServerResponse ? kUniqueHeaders : theirs] = parseUniqueHeadersOption([
      'X-U',
      'Set-Cookie',
    ]);
    res.setHeader('x-u', ['1', '2']).setHeader('Set-Cookie', ['1', '2']);
  },
  'with fields from a Map': (res) =>
    res.setHeaders(new Map(Object.entries({ a: '1', 'set-cookie': ['p', 'q'], b: '2' }))),
  'with fields from a Headers': (res) => {
    const fields = { A: '1', a: '2', 'set-cookie': 'p' };
    const headers = new Headers(Object.entries(fields));
    headers.append('Set-Cookie', 'q');
    res.setHeaders(headers);
  },
  'with a removed field': (res) => res.setHeader('q', '1').removeHeader('Q'),
  'without Date': (res) => res.removeHeader('Date'),
  'with sendDate off': (res) => {
    res.sendDate = false;
  },
  'with a Date of its own': (res) => res.setHeader('dAte', 'today'),
  'without Connection': (res) => res.removeHeader('connection'),
  'without Content-Length': (res) => res.removeHeader('content-length'),
  'without Transfer-Encoding': (res) => res.removeHeader('Transfer-Encoding'),
  'without anything that frames it': (res) => {
    res.removeHeader('content-length');
    res.removeHeader('transfer-encoding');
  },
  'with Connection: close': (res) => res.setHeader('Connection', 'close'),
  'with Connection: close among others': (res) => res.setHeader('Connection', 'x, Close'),
  'with Connection: keep-alive': (res) => res.setHeader('connection', 'keep-alive'),
  'with a Keep-Alive of its own': (res) => {
    res._keepAliveTimeout = 5000;
    res.setHeader('Keep-Alive', 'timeout=9');
  },
  'on a server with a keep-alive time-out': (res) => {
    res._keepAliveTimeout = 65000;
  },
  'on a server that counts requests': (res) => {
    res._keepAliveTimeout = 5500;
    res._maxRequestsPerSocket = 7;
  },
  'that is the last on its connection': (res) => {
    res.maxRequestsOnConnectionReached = true;
  },
  'to a client that wants no more': (res) => {
    res.shouldKeepAlive = false;
  },
  'with Content-Length': (res) => res.setHeader('Content-Length', 5),
  'with Transfer-Encoding: chunked': (res) => res.setHeader('Transfer-Encoding', 'chunked'),
  'with another Transfer-Encoding': (res) => res.setHeader('Transfer-Encoding', 'gzip'),
  'with chunks off by default': (res) => {
    res.useChunkedEncodingByDefault = false;
  },
  'with trailers': (res) => {
    res.setHeader('Trailer', 'x-t');
    res.addTrailers({ 'x-t': '1', y: ['1', '2'], z: ['3'] });
  },
  'with chunks and trailers': (res) => {
    res.setHeader('Transfer-Encoding', 'chunked');
    res.addTrailers([
      ['x-t', '\xe9'],
      ['u', ['a', 'b']],
    ]);
  },
  'with a field that is not ASCII': (res) => res.setHeader('x', '\xe9'),
  'with a file name that is not ASCII': (res) =>
    res.setHeader('Content-Disposition', 'attachment; filename="\xc3\xa9"'),
  'whose status was set': (res) => {
    res.statusCode = 418;
    res.statusMessage = 'Short and stout';
  },
  'with writeHead(200)': (res) => res.writeHead(200),
  'with writeHead(199)': (res) => res.writeHead(199),
  'with writeHead(204)': (res) => res.writeHead(204),
  'with writeHead(204) and chunks': (res) => res.writeHead(204, { 'Transfer-Encoding': 'chunked' }),
  'with writeHead(304)': (res) => res.writeHead(304, { ETag: '"1"' }),
  'with writeHead(304) and chunks': (res) => res.setHeader('transfer-encoding', 'chunked').writeHead(304),
  'with writeHead(999)': (res) => res.writeHead(999),
  'with writeHead(1000)': (res) => res.writeHead(1000),
  'with writeHead and a reason': (res) => res.writeHead(404, 'Not h\xe9re', { A: 'b' }),
  'with writeHead and an object': (res) => res.writeHead(200, { 'Content-Length': '5', X: ['1', '2'] }),
  'with writeHead and a flat list': (res) => res.writeHead(200, ['a', '1', 'a', '2', 'Set-Cookie', ['x', 'y']]),
  'with writeHead and a list of pairs': (res) => {
    res.writeHead(200, [
      ['a', '1'],
      ['b', ['2', '3']],
    ]);
  },
  'with writeHead and half a pair': (res) => res.writeHead(200, ['a']),
  'with writeHead over fields set before': (res) => res.setHeader('a', '0').writeHead(201, { A: '9', C: ['1', '2'] }),
  'with writeHead and Expect': (res) => res.writeHead(200, { Expect: '100-continue' }),
  'with writeHead twice': (res) => res.writeHead(200).writeHead(201),
  'with writeHead and a bad name': (res) => res.writeHead(200, { 'b d': 'x' }),
  'with writeHead and a bad value': (res) => res.writeHead(200, { bd: 'x\n' }),
  'with writeHead and no value': (res) => res.writeHead(200, { bd: undefined }),
  'with a bad name': (res) => res.setHeader('a b', 'c'),
  'with a bad value': (res) => res.setHeader('a', '\u0100'),
  'with no value': (res) => res.setHeader('a'),
  'with a field set too late': (res) => res.writeHead(200).setHeader('a', 'b'),
  'with a field appended too late': (res) => res.writeHead(200).appendHeader('a', 'b'),
  'with a field removed too late': (res) => res.writeHead(200).removeHeader('a'),
  'with a bad trailer name': (res) => res.addTrailers({ 'a b': 'c' }),
  'with a bad trailer value': (res) => res.addTrailers({ a: '\n' }),
  'with fields from what holds none': (res) => res.setHeaders([]),
  'asked for a field by number': (res) => res.getHeader(1),
  'after early hints': (res) => res.writeEarlyHints({ link: '</a.css>; rel=preload', X: '1' }),
  'after 100 Continue': (res) => res.writeContinue(),
  'after 102 Processing': (res) => res.writeProcessing(),
  'with its head flushed': (res) => res.flushHeaders(),
};

const BODIES = {
  'end()': (res) => res.end(),
  "end('')": (res) => res.end(''),
  'a string': (res) => res.end('hello'),
  'a string that is not ASCII': (res) => res.end('h\xe9\u4e2d'),
  'a latin1 string': (res) => res.end('h\xe9llo', 'latin1'),
  'a base64 string': (res) => res.end('aGVsbG8=', 'base64'),
  'a utf16 string': (res) => res.end('he', 'utf16le'),
  'a Buffer': (res) => res.end(Buffer.from('hello')),
  'an empty Buffer': (res) => res.end(Buffer.alloc(0)),
  'a Uint8Array': (res) => res.end(new Uint8Array([104, 105])),
  'one write': (res) => {
    res.write('hello');
    res.end();
  },
  'two writes': (res) => {
    res.write(Buffer.from('he'), () => res.emit('called'));
    res.write('bGw=', 'base64');
    res.end('o');
  },
  'an empty write': (res) => {
    res.write('');
    res.end('hello');
  },
  'writes in other turns': (res) => {
    res.write('he');
    setImmediate(() => {
      res.write('l');
      res.end('lo');
    });
  },
  'too little': (res) => {
    res.write('hel');
    res.end();
  },
  'no end': (res) => res.write('hello!'),
  'two ends': (res) => res.end('hello').end(),
  'a write after its end': (res) => {
    res.end('hello');
    res.write('x', () => res.emit('called'));
  },
  'a second body after its end': (res) => {
    res.end('hello');
    res.end('x', () => res.emit('called'));
  },
  'trailers after a write': (res) => {
    res.write('hello');
    res.addTrailers({ T: '1' });
    res.end();
  },
  'a number': (res) => res.write(5),
  null: (res) => res.write(null),
  'an object': (res) => res.end({}),
};
if (HOST_MAJOR >= 24) {
  BODIES['two ends and a callback'] = (res) => res.end('hello').end(() => res.emit('called'));
  BODIES['end(callback)'] = (res) => res.end(() => res.emit('called'));
  BODIES['a string and a callback'] = (res) => res.end('hello', () => res.emit('called'));
  BODIES['corked writes'] = (res) => {
    res.write('a');
    res.cork();
    res.write('b');
    res.write('\xe9');
    res.uncork();
    res.end('z');
  };
  BODIES['its end after it was destroyed'] = (res) => res.destroy().end('x');
}

const SENT_BEFORE_THE_HEAD = ['after early hints', 'after 100 Continue', 'after 102 Processing'];

async function respond({ ServerResponse }, makeSocket, request, head, body, isQueued) {
  const events = [];
  const res = new ServerResponse(REQUESTS[request]);
  for (const name of ['prefinish', 'finish', 'close', 'drain', 'called']) res.on(name, () => events.push(name));
  res.on('error', (err) => events.push(`error ${err.code}`));
  const socket = makeSocket();
  socket.on('error', () => {});
  if (!isQueued) res.assignSocket(socket);
  let thrown;
  try {
    HEADS[head](res);
    BODIES[body](res);
  } catch (err) {
    thrown = `${err}`;
  }
  if (isQueued) {
    await turn();
    res.assignSocket(socket);
  }
  for (let i = 0; i < 8; i++) await turn();
  return {
    wire: Buffer.concat(socket.written)
      .toString('latin1')
      .replace(/Date: .* GMT/, 'Date: now'),
    thrown,
    events: events.join(),
    headers: res.getHeaders(),
    names: res.getRawHeaderNames(),
    status: `${res.statusCode} ${res.statusMessage}`,
    state: [res.headersSent, res.finished, res.writableEnded, res.writableFinished, res.destroyed].join(),
    persistence: [res.shouldKeepAlive, res._last, res.chunkedEncoding, res._contentLength].join(),
  };
}

/**
 * Node 26 makes one chunk of what is written in one turn; where one ends and the next begins means nothing. By body: Node 26's
 * chunks, and those of the versions before it and of ferrohttp.
 * @type {Record<string, [string, string]>}
 */
const APART = {
  'two writes': ['5\r\nhello\r\n', '2\r\nhe\r\n2\r\nll\r\n1\r\no\r\n'],
  'writes in other turns': ['3\r\nllo\r\n', '1\r\nl\r\n2\r\nlo\r\n'],
  'corked writes': ['5\r\nab\xc3\xa9z\r\n', '1\r\na\r\n3\r\nb\xc3\xa9\r\n1\r\nz\r\n'],
};

async function compare(head, request, body, isQueued) {
  const [theirs, asText, byEngine] = await Promise.all([
    respond(stock, recordingSocket, request, head, body, isQueued),
    respond(ferrohttp, recordingSocket, request, head, body, isQueued),
    respond(ferrohttp, recordingConnection, request, head, body, isQueued),
  ]);
  if (HOST_MAJOR >= 26 && body in APART) theirs.wire = theirs.wire.replace(...APART[body]);
  const what = `${request}, ${body}, ${isQueued ? 'queued' : 'at once'}`;
  assert.deepStrictEqual(asText, theirs, `as text: ${what}`);
  assert.deepStrictEqual(byEngine, theirs, `by the engine: ${what}`);
}

for (const head of Object.keys(HEADS)) {
  test(`a response ${head} is node:http's to the byte`, async () => {
    for (const body of Object.keys(BODIES)) {
      for (const request of Object.keys(REQUESTS)) {
        await compare(head, request, body, false);
        // Node lets the final head overtake informational ones in the queue: see below.
        if (!SENT_BEFORE_THE_HEAD.includes(head)) await compare(head, request, body, true);
      }
    }
  });
}

// Where ferrohttp differs on purpose: node:http's bytes would not be HTTP.

function response(makeSocket) {
  const res = new ferrohttp.ServerResponse(REQUESTS['GET of HTTP/1.1']);
  return { res, socket: makeSocket() };
}

for (const [sink, makeSocket] of Object.entries({ text: recordingSocket, engine: recordingConnection })) {
  test(`${sink}: what was held by cork() comes before the last chunk`, async () => {
    const { res, socket } = response(makeSocket);
    res.assignSocket(socket);
    res.cork();
    res.write('a');
    res.write('b');
    res.end('c');
    for (let i = 0; i < 4; i++) await turn();
    const wire = Buffer.concat(socket.written).toString();
    assert.strictEqual(wire.slice(wire.indexOf('\r\n\r\n') + 4), '1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n');
  });

  test(`${sink}: an informational response stays before the final one while both wait for the socket`, async () => {
    const { res, socket } = response(makeSocket);
    res.writeContinue();
    res.end(Buffer.from('hello'));
    res.assignSocket(socket);
    for (let i = 0; i < 4; i++) await turn();
    assert.match(Buffer.concat(socket.written).toString(), /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/);
  });

  test(`${sink}: a body of another length than strictContentLength allows is not sent`, async () => {
    const { res, socket } = response(makeSocket);
    res.assignSocket(socket);
    res.strictContentLength = true;
    res.setHeader('Content-Length', 5);
    assert.throws(() => res.end('hello!'), { code: 'ERR_HTTP_CONTENT_LENGTH_MISMATCH' });
    await turn();
    assert.strictEqual(Buffer.concat(socket.written).length, 0);
  });
}

test("the fields set lie where they lie on node:http's messages, and may be replaced there", () => {
  const symbolOf = (message, wanted) =>
    Object.getOwnPropertySymbols(message).find(({ description }) => description === wanted);
  const host = new stock.OutgoingMessage();
  const message = new ferrohttp.OutgoingMessage();
  for (const name of ['kOutHeaders', 'kNeedDrain']) {
    assert.notStrictEqual(symbolOf(host, name), undefined);
    assert.strictEqual(symbolOf(message, name), symbolOf(host, name));
  }
  const symbol = symbolOf(host, 'kOutHeaders');
  assert.strictEqual(message[symbol], null);
  message.setHeader('Host', 'a').setHeader('X', [1, 2]);
  assert.deepStrictEqual({ ...message[symbol] }, { host: ['Host', 'a'], x: ['X', [1, 2]] });
  message[symbol] = { date: ['DATE', 'now'] };
  assert.strictEqual(message.getHeader('date'), 'now');
  assert.deepStrictEqual(message._renderHeaders(), { DATE: 'now' });
});
