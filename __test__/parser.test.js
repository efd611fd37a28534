'use strict';

// HTTPParser as packages drive it by hand. Every expectation here holds for node's own as well.

const assert = require('node:assert');
const { AsyncLocalStorage } = require('node:async_hooks');
const net = require('node:net');
const { test } = require('node:test');
const { setImmediate: turn } = require('node:timers/promises');
const { setFlagsFromString } = require('node:v8');
const { runInNewContext } = require('node:vm');
const { http, stock } = require('./support/http.js');

// One driver suffices: the parsers are fed by hand.
const common = stock ? require('_http_common') : require('../lib/http_common.js');
const { freeParser, HTTPParser, methods, parsers, prepareError } = common;
const { REQUEST, RESPONSE, kOnBody, kOnExecute, kOnHeaders, kOnHeadersComplete, kOnMessageBegin, kOnMessageComplete } =
  HTTPParser;

const IS_20 = process.versions.node.startsWith('20.');

const NAMES = { [kOnMessageBegin]: 'begin', [kOnHeaders]: 'fields', [kOnBody]: 'body', [kOnMessageComplete]: 'end' };

/** A parser that writes down what it is told; `answer` is what kOnHeadersComplete returns. */
function recorder(type, answer, options = {}) {
  const parser = new HTTPParser();
  parser.initialize(type, {}, options.maxHeaderSize ?? 0, options.lenient ?? 0);
  const log = [];
  for (const [id, name] of Object.entries(NAMES)) {
    parser[id] = (...args) => {
      const texts = args.map((arg) => (Buffer.isBuffer(arg) ? arg.latin1Slice() : arg));
      log.push([name, ...texts]);
    };
  }
  parser[kOnHeadersComplete] = (major, minor, fields, method, url, status, reason, upgrade, keepAlive) => {
    log.push(['head', `${major}.${minor}`, fields, methods[method] ?? status, url ?? reason, upgrade, keepAlive]);
    return answer;
  };
  return { parser, log };
}

const bytes = (text) => Buffer.from(text, 'latin1');

test('a request comes as begin, head, body and end, and all of it is taken', () => {
  const { parser, log } = recorder(REQUEST);
  const text = bytes('POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc');
  assert.strictEqual(parser.execute(text), text.length);
  assert.deepStrictEqual(log, [
    ['begin'],
    ['head', '1.1', ['Host', 'x', 'Content-Length', '3'], 'POST', '/a?b', false, true],
    ['body', 'abc'],
    ['end'],
  ]);
});

test('a response comes with status and reason', () => {
  const { parser, log } = recorder(RESPONSE);
  parser.execute(bytes('HTTP/1.0 404 Not here\r\nContent-Length: 0\r\n\r\n'));
  assert.deepStrictEqual(log, [
    ['begin'],
    ['head', '1.0', ['Content-Length', '0'], 404, 'Not here', false, false],
    ['end'],
  ]);
});

test('pipelined messages cut at any octet are told alike', () => {
  const text = bytes(
    'POST /1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nT: v\r\n\r\nGET /2 HTTP/1.1\r\nA: b\r\n\r\n',
  );
  const join = (log) => {
    const body = log.filter(([name]) => name === 'body').map(([, part]) => part);
    return { body: body.join(''), rest: log.filter(([name]) => name !== 'body') };
  };
  const whole = recorder(REQUEST);
  whole.parser.execute(text);
  assert.strictEqual(join(whole.log).body, 'abcde');
  assert.deepStrictEqual(
    join(whole.log)
      .rest.map(([name]) => name)
      .join(' '),
    'begin head fields end begin fields head end',
  );
  for (let at = 1; at < text.length; at++) {
    const cut = recorder(REQUEST);
    assert.strictEqual(cut.parser.execute(text.subarray(0, at)), at);
    assert.strictEqual(cut.parser.execute(text.subarray(at)), text.length - at);
    assert.deepStrictEqual(join(cut.log), join(whole.log), `cut at ${at}`);
  }
});

test('the callback that takes the head decides about the body', () => {
  const text = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n';
  const next = 'HTTP/1.1 204 No\r\n\r\n';
  const names = (log) => log.map(([name]) => name).join(' ');

  const plain = recorder(RESPONSE, 0);
  plain.parser.execute(bytes(`${text}pong${next}`));
  assert.strictEqual(names(plain.log), 'begin head body end begin head end');

  const bodiless = recorder(RESPONSE, 1);
  bodiless.parser.execute(bytes(text + next));
  assert.strictEqual(names(bodiless.log), 'begin head end begin head end');

  const upgraded = recorder(RESPONSE, 2);
  assert.strictEqual(upgraded.parser.execute(bytes(`${text}pong`)), text.length);
  assert.strictEqual(names(upgraded.log), 'begin head end');

  const nonsense = recorder(RESPONSE, 3);
  const error = nonsense.parser.execute(bytes(`${text}pong`));
  assert.strictEqual(error.code, 'HPE_CB_HEADERS_COMPLETE');
  assert.strictEqual(error.bytesParsed, text.length);
});

test('bytes behind an upgrade are left to the caller', () => {
  const { parser, log } = recorder(REQUEST);
  const head = 'GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n';
  assert.strictEqual(parser.execute(bytes(`${head}\x01\x02\x03`)), head.length);
  assert.deepStrictEqual(log[1].slice(-2), [true, true]);
  assert.strictEqual(log.at(-1)[0], 'end');
});

test('an error has code, reason and place, and is told again', () => {
  const { parser } = recorder(REQUEST);
  const good = 'GET / HTTP/1.1\r\n\r\n';
  const error = parser.execute(bytes(`${good}GET / HTTP/1.1\r\nA B: c\r\n\r\n`));
  assert.ok(error instanceof Error);
  assert.strictEqual(error.message, 'Parse Error');
  assert.strictEqual(error.code, 'HPE_INVALID_HEADER_TOKEN');
  assert.strictEqual(error.reason, 'Invalid header token');
  assert.strictEqual(error.bytesParsed, good.length + 17);
  assert.strictEqual(parser.execute(bytes(good)).code, 'HPE_INVALID_HEADER_TOKEN');
  prepareError(error, parser, bytes('raw'));
  assert.strictEqual(error.message, 'Parse Error: Invalid header token');
  assert.deepStrictEqual(error.rawPacket, bytes('raw'));
});

test('the place of an error behind chunks counts from the start of the bytes', () => {
  const { parser } = recorder(REQUEST);
  const good = 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\nabc\r\n';
  const error = parser.execute(bytes(`${good}zz\r\n`));
  assert.strictEqual(error.code, 'HPE_INVALID_CHUNK_SIZE');
  assert.strictEqual(error.bytesParsed, good.length);
});

test('finish completes a body that lasts until the end, and tells what was cut off', () => {
  const { parser, log } = recorder(RESPONSE);
  parser.execute(bytes('HTTP/1.1 200 OK\r\n\r\nabc'));
  assert.strictEqual(log.at(-1)[0], 'body');
  assert.strictEqual(parser.finish(), undefined);
  assert.strictEqual(log.at(-1)[0], 'end');

  const cut = recorder(REQUEST).parser;
  cut.execute(bytes('GET / HTTP/1.1\r\nHo'));
  assert.strictEqual(cut.finish().code, 'HPE_INVALID_EOF_STATE');
  assert.strictEqual(recorder(REQUEST).parser.finish(), undefined);
});

test('more than 31 fields come in parts', () => {
  const { parser, log } = recorder(REQUEST);
  parser.execute(bytes(`GET /many HTTP/1.1\r\n${'A: b\r\n'.repeat(70)}\r\n`));
  assert.deepStrictEqual(
    log.map(([name, fields, url]) => [name, name === 'fields' ? [fields.length / 2, url] : undefined]),
    [
      ['begin', undefined],
      ['fields', [31, '/many']],
      ['fields', [31, '']],
      ['fields', [8, '']],
      ['head', undefined],
      ['end', undefined],
    ],
  );
  assert.strictEqual(log[4][2], undefined);
});

test('too many fields are refused where maxHeaderPairs says so', {
  skip: IS_20 && 'they are dropped by who takes them',
}, () => {
  const { parser, log } = recorder(REQUEST);
  parser.maxHeaderPairs = 4;
  const error = parser.execute(bytes('GET /a HTTP/1.1\r\nA: b\r\nC: d\r\nEF: g\r\nH: i\r\n\r\n'));
  assert.strictEqual(error.code, 'HPE_HEADER_OVERFLOW');
  assert.strictEqual(error.bytesParsed, 32);
  assert.deepStrictEqual(log, [['begin']]);
});

test('a callback that throws throws out of execute, and ends the parser', () => {
  const { parser, log } = recorder(REQUEST);
  parser[kOnBody] = () => {
    throw new Error('mine');
  };
  const text = bytes('POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nxGET / HTTP/1.1\r\n\r\n');
  assert.throws(() => parser.execute(text), { message: 'mine' });
  assert.strictEqual(log.at(-1)[0], 'head');
  assert.strictEqual(parser.execute(text).code, 'HPE_JS_EXCEPTION');
  parser.initialize(REQUEST, {});
  parser[kOnBody] = () => {};
  assert.strictEqual(parser.execute(text), text.length);
});

test('a paused parser takes nothing, and one paused in a callback finishes the bytes at hand', () => {
  const { parser, log } = recorder(REQUEST);
  const text = bytes('GET / HTTP/1.1\r\n\r\n');
  parser.pause();
  assert.strictEqual(parser.execute(text).code, 'HPE_PAUSED');
  assert.deepStrictEqual(log, []);
  parser.resume();
  parser[kOnMessageBegin] = () => parser.pause();
  assert.strictEqual(parser.execute(text), text.length);
  assert.strictEqual(parser.execute(text).code, 'HPE_PAUSED');
  parser[kOnMessageBegin] = null;
  parser.resume();
  assert.strictEqual(parser.execute(text), text.length);
});

test('getCurrentBuffer gives what is being parsed', () => {
  const { parser } = recorder(REQUEST);
  const text = bytes('GET / HTTP/1.1\r\n\r\n');
  let current;
  parser[kOnHeadersComplete] = () => {
    current = parser.getCurrentBuffer();
  };
  parser.execute(text);
  assert.deepStrictEqual(current, text);
  assert.strictEqual(parser.getCurrentBuffer().length, 0);
});

test('a removed parser is silent until it is initialized again, a closed one for ever', () => {
  const { parser, log } = recorder(REQUEST);
  const text = bytes('GET / HTTP/1.1\r\n\r\n');
  parser.remove();
  assert.strictEqual(parser.execute(text), text.length);
  assert.deepStrictEqual(log, []);
  parser.initialize(REQUEST, {});
  parser.execute(text);
  assert.strictEqual(log.length, 3);
  parser.close();
  assert.strictEqual(parser.execute(text), undefined);
  assert.strictEqual(log.length, 3);
});

test('limit and leniency are those given', () => {
  const long = bytes(`GET / HTTP/1.1\r\nA: ${'b'.repeat(200)}\r\n\r\n`);
  assert.strictEqual(recorder(REQUEST, 0, { maxHeaderSize: 100 }).parser.execute(long).code, 'HPE_HEADER_OVERFLOW');
  assert.strictEqual(recorder(REQUEST, 0, { maxHeaderSize: 400 }).parser.execute(long), long.length);
  const odd = bytes('GET / HTTP/1.1\r\nA: b\x08c\r\n\r\n');
  const { kLenientAll, kLenientHeaderValueRelaxed, kLenientKeepAlive } = HTTPParser;
  assert.strictEqual(recorder(REQUEST).parser.execute(odd).code, 'HPE_INVALID_HEADER_TOKEN');
  for (const lenient of [kLenientAll, kLenientHeaderValueRelaxed]) {
    assert.strictEqual(recorder(REQUEST, 0, { lenient }).parser.execute(odd), odd.length);
  }
  const closing = bytes('GET / HTTP/1.1\r\nConnection: close\r\n\r\n'.repeat(2));
  assert.strictEqual(recorder(REQUEST).parser.execute(closing).code, 'HPE_CLOSED_CONNECTION');
  assert.strictEqual(recorder(REQUEST, 0, { lenient: kLenientKeepAlive }).parser.execute(closing), closing.length);
});

test('callbacks run in the context of initialize', () => {
  const storage = new AsyncLocalStorage();
  const parser = new HTTPParser();
  assert.strictEqual(parser.getAsyncId(), -1);
  storage.run('initialized', () => parser.initialize(REQUEST, {}));
  assert.ok(parser.getAsyncId() > 0);
  let seen;
  parser[kOnHeadersComplete] = () => {
    seen = storage.getStore();
  };
  storage.run('executed', () => parser.execute(bytes('GET / HTTP/1.1\r\n\r\n')));
  assert.strictEqual(seen, 'initialized');
});

test('one parser works inside the callback of another', () => {
  const outer = recorder(REQUEST);
  const inner = recorder(RESPONSE);
  outer.parser[kOnBody] = (chunk) => inner.parser.execute(chunk);
  const response = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi';
  outer.parser.execute(
    bytes(`POST / HTTP/1.1\r\nContent-Length: ${response.length}\r\n\r\n${response}GET / HTTP/1.1\r\n\r\n`),
  );
  assert.strictEqual(inner.log.map(([name]) => name).join(' '), 'begin head body end');
  assert.strictEqual(outer.log.map(([name]) => name).join(' '), 'begin head end begin head end');
});

test('a parser works inside a request handler, in the midst of a batch', async (t) => {
  const seen = [];
  const server = http.createServer((req, res) => {
    const { parser, log } = recorder(RESPONSE);
    const text = bytes(`HTTP/1.1 200 ${req.url}\r\nContent-Length: 2\r\n\r\nhi`);
    assert.strictEqual(parser.execute(text), text.length);
    seen.push([req.url, log.map(([name]) => name).join(' '), log[1][4]]);
    parser.close();
    res.end(req.url);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  t.after(() => server.close());
  const clients = [1, 2, 3].map(() => net.connect(server.address().port, '127.0.0.1'));
  await Promise.all(
    clients.map(async (client, index) => {
      client.write(`GET /${index}a HTTP/1.1\r\nHost: x\r\n\r\n`);
      client.write(`GET /${index}b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      let text = '';
      for await (const chunk of client) text += chunk;
      assert.strictEqual(text.match(/HTTP\/1\.1 200/g).length, 2);
    }),
  );
  assert.strictEqual(seen.length, 6);
  for (const [url, names, reason] of seen) assert.deepStrictEqual([names, reason], ['begin head body end', url]);
});

test('a parser that is garbage gives its place in the engine back', { skip: stock }, async () => {
  const parsing = require('../lib/internal/parsing.js');
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  const nextSlot = () => {
    const owner = {};
    const slot = parsing.open(owner, true, 0, 0);
    parsing.close(owner, slot);
    return slot;
  };
  const first = nextSlot();
  for (let i = 0; i < 500; i++) recorder(REQUEST).parser.execute(bytes('GET /'));
  const deadline = Date.now() + 30_000;
  while (nextSlot() >= first + 500) {
    assert.ok(Date.now() < deadline, 'no place has come back');
    collect();
    await turn();
  }
});

test('bodies larger than any ring come whole', () => {
  const { parser, log } = recorder(REQUEST);
  const body = 'x'.repeat(3_000_000);
  const text = bytes(`POST / HTTP/1.1\r\nContent-Length: ${body.length}\r\n\r\n${body}GET / HTTP/1.1\r\n\r\n`);
  assert.strictEqual(parser.execute(text), text.length);
  const parts = log.filter(([name]) => name === 'body').map(([, part]) => part);
  assert.ok(parts.join('') === body);
  assert.strictEqual(log.at(-1)[0], 'end');

  const chunked = recorder(REQUEST);
  const chunks = '3\r\nabc\r\n'.repeat(50_000);
  const many = bytes(`POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`);
  assert.strictEqual(chunked.parser.execute(many), many.length);
  assert.strictEqual(chunked.log.filter(([name]) => name === 'body').length, 50_000);
  assert.strictEqual(chunked.log.at(-1)[0], 'end');
});

test('a parser of the pool makes messages and comes back', () => {
  const parser = parsers.alloc();
  parser.initialize(REQUEST, {});
  const urls = [];
  let message;
  parser.onIncoming = (incoming) => {
    message = incoming;
    urls.push(incoming.url);
    incoming.resume();
    return 0;
  };
  parser.execute(bytes('POST /1 HTTP/1.1\r\nA: b\r\nContent-Length: 1\r\n\r\nx'));
  assert.strictEqual(message.method, 'POST');
  assert.deepStrictEqual(message.headers, { a: 'b', 'content-length': '1' });
  assert.strictEqual(message.complete, true);
  parser.execute(bytes(`GET /2 HTTP/1.1\r\n${'A: b\r\n'.repeat(40)}\r\n`));
  assert.deepStrictEqual(urls, ['/1', '/2']);
  assert.strictEqual(message.rawHeaders.length, 80);

  const req = { parser };
  const socket = { parser };
  freeParser(parser, req, socket);
  assert.strictEqual(req.parser, null);
  assert.strictEqual(socket.parser, null);
  assert.strictEqual(parser.onIncoming, null);
  assert.strictEqual(parsers.alloc(), parser);
});

test('a consumed stream is parsed before its socket sees it, and its end is the socket’s', async () => {
  const server = net.createServer((socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const socket = net.connect(server.address().port, '127.0.0.1');
  const { parser, log } = recorder(RESPONSE);
  const results = [];
  parser[kOnExecute] = (result) => results.push([result, parser.getCurrentBuffer().length]);
  socket.on('data', () => assert.fail('the socket has seen the bytes'));
  parser.consume(socket._handle);
  await new Promise((resolve) => socket.on('end', resolve));
  assert.strictEqual(log.at(-1)[0], 'end');
  assert.ok(results.length > 0 && results.every(([result, length]) => result === length));
  parser.close();
  server.close();
});

test('a parser is of its own class', () => {
  assert.throws(() => HTTPParser.prototype.execute.call({}, Buffer.alloc(1)), TypeError);
});

test('a parser in its own callback takes no other bytes, and goes on with those it has', {
  skip: stock && 'node mixes both',
}, () => {
  const { parser, log } = recorder(REQUEST);
  parser[kOnBody] = () => {
    assert.throws(
      () => parser.execute(bytes('GET /inner HTTP/1.1\r\n\r\n')),
      /ferrohttp: HTTPParser\.execute\(\) in a callback/,
    );
  };
  const text = bytes('POST /outer HTTP/1.1\r\nContent-Length: 2\r\n\r\nabGET /next HTTP/1.1\r\n\r\n');
  assert.strictEqual(parser.execute(text), text.length);
  assert.deepStrictEqual(
    log.map(([name, , , , url]) => (name === 'head' ? url : name)),
    ['begin', '/outer', 'end', 'begin', '/next', 'end'],
  );
});
