'use strict';

// Garbage and truncated messages, sent to one live server: each gets an answer that is an answer, or a closed
// connection, and the server goes on.

const assert = require('node:assert');
const net = require('node:net');
const { test } = require('node:test');
const { startApp } = require('./support/child.js');
const { damaged, randomFrom, wireFixtures } = require('./support/fixtures.js');

const options = { timeout: 300_000 };
const EACH = 300;
const AT_A_TIME = 16;
const SEED = 20_261_122;

/** Messages every kind of which must be refused. @type {Record<string, string>} */
const INVALID = {
  'no method': ' / HTTP/1.1\r\nHost: a\r\n\r\n',
  'unknown method': 'BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n',
  'lower-case method': 'get / HTTP/1.1\r\nHost: a\r\n\r\n',
  'version to come': 'GET / HTTP/3.1\r\nHost: a\r\n\r\n',
  'space in the target': 'GET /a b HTTP/1.1\r\nHost: a\r\n\r\n',
  'space before the colon': 'GET / HTTP/1.1\r\nHost : a\r\n\r\n',
  'space in a name': 'GET / HTTP/1.1\r\nHo st: a\r\n\r\n',
  'no colon': 'GET / HTTP/1.1\r\nHost\r\n\r\n',
  'NUL in a value': 'GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n',
  'bare CR in a value': 'GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n',
  'bare LF line ends': 'GET / HTTP/1.1\nHost: a\n\n',
  'no host': 'GET / HTTP/1.1\r\n\r\n',
  'two lengths': 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
  'signed length': 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na',
  'list of lengths': 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\na',
  'length beyond numbers': `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${'9'.repeat(30)}\r\n\r\na`,
  'length and chunks': 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'chunked not last': 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n',
  'chunk size of letters': 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n',
  'chunk size negative': 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n',
  'chunk size beyond numbers': `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${'f'.repeat(30)}\r\n`,
  'chunk longer than its size': 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n',
  'a TLS hello': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  'an HTTP/2 preface': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'a response': 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  'head too large': `GET / HTTP/1.1\r\nHost: a\r\n${'X: y\r\n'.repeat(20_000)}\r\n`,
};

/** What a server takes, to be damaged. */
const VALID = [
  'GET /a?b HTTP/1.1\r\nHost: a\r\nAccept: */*\r\nCookie: c=d\r\n\r\n',
  'POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world',
  'POST /chunks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nX-T: 1\r\n\r\n',
  'GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /up HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nraw',
  'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\nraw',
  'PUT /expect HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok',
  'GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
];

/**
 * Sends `data` and our end, and gives all that came back until the server's.
 * @param {number} port @param {Uint8Array | string} data
 * @returns {Promise<string>} latin1
 */
function send(port, data) {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = net.connect({ port, host: '127.0.0.1' });
    socket.setEncoding('latin1');
    socket.on('data', (part) => {
      text += part;
    });
    // Refused while still being sent to: the reset may overtake the answer.
    socket.on('error', (/** @type {any} */ err) => ['ECONNRESET', 'EPIPE'].includes(err.code) || reject(err));
    socket.on('close', () => resolve(text));
    socket.end(data, /** @type {any} */ ('latin1'));
  });
}

/** @param {string} answer @param {string} sent */
function assertIsAnAnswer(answer, sent) {
  if (answer === '') return;
  assert.match(answer, /^HTTP\/1\.1 [1-5]\d\d [ -~]*\r\n([^\r\n:]+: [^\r\n]*\r\n)*\r\n/, `to ${JSON.stringify(sent)}`);
}

/**
 * Sends many messages, some at a time, and a good one after each batch.
 * @param {number} port @param {Buffer[]} messages @param {(answer: string, sent: string) => void} check
 */
async function sendAll(port, messages, check) {
  for (let at = 0; at < messages.length; at += AT_A_TIME) {
    await Promise.all(
      messages
        .slice(at, at + AT_A_TIME)
        .map(async (message) => check(await send(port, message), message.toString('latin1'))),
    );
    const good = await send(port, 'GET /good HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    assert.match(good, /^HTTP\/1\.1 200 OK\r\n[\s\S]*read \/good/);
  }
}

/** @param {(port: number, app: Awaited<ReturnType<typeof startApp>>) => Promise<void>} check */
async function withSink(check) {
  const app = await startApp('sink.cjs');
  try {
    await check(app.port, app);
  } finally {
    const { code, signal, stderr } = await app.stop();
    assert.deepStrictEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
  }
}

test('what no server may accept gets a 4xx or a closed connection', options, () =>
  withSink(async (port) => {
    for (const [name, message] of Object.entries(INVALID)) {
      const answer = await send(port, message);
      assert.match(answer, /^$|^HTTP\/1\.1 4\d\d [\s\S]*Connection: close\r\n/, `${name}: ${answer}`);
      assert.doesNotMatch(answer, /read /, name);
    }
    assert.match(await send(port, 'GET /good HTTP/1.1\r\nHost: a\r\n\r\n'), /read \/good/);
  }),
);

test('the same byte by byte', options, () =>
  withSink(async (port) => {
    await Promise.all(
      Object.entries(INVALID)
        .filter(([, message]) => message.length < 1000)
        .map(async ([name, message]) => {
          const socket = net.connect(port, '127.0.0.1').setNoDelay(true).setEncoding('latin1');
          let text = '';
          socket.on('data', (part) => {
            text += part;
          });
          socket.on('error', () => {});
          const closed = new Promise((resolve) => socket.on('close', resolve));
          for (const byte of message) {
            if (!socket.writable) break;
            socket.write(byte, 'latin1');
            await new Promise((resolve) => setTimeout(resolve, 1));
          }
          socket.end();
          await closed;
          assert.match(text, /^$|^HTTP\/1\.1 4\d\d [\s\S]*Connection: close\r\n/, `${name}: ${text}`);
        }),
    );
  }),
);

test('random bytes', options, () =>
  withSink(async (port) => {
    const random = randomFrom(SEED);
    const messages = Array.from({ length: EACH }, () =>
      Buffer.from(Array.from({ length: 1 + random(2000) }, () => random(256))),
    );
    await sendAll(port, messages, (answer, sent) => {
      assert.match(answer, /^$|^HTTP\/1\.1 4\d\d /, `to ${JSON.stringify(sent)}`);
    });
  }),
);

test('damaged and truncated messages of each kind', options, async (t) => {
  const kinds = {
    own: [...Object.values(INVALID), ...VALID].map((text) => Buffer.from(text, 'latin1')),
    ...wireFixtures(),
  };
  assert.ok(Object.keys(kinds).length > 1, 'there are wire fixtures');
  await withSink(async (port, app) => {
    const { rss } = await app.send('report');
    for (const [kind, messages] of Object.entries(kinds)) {
      await t.test(kind, { timeout: 300_000 }, async () => {
        assert.ok(messages.length > 0);
        const random = randomFrom(SEED);
        // Each as it is, and many more that are not.
        const sent = [...messages];
        for (let i = 0; i < Math.max(EACH, messages.length); i++) {
          sent.push(damaged(messages[i % messages.length], random));
        }
        await sendAll(port, sent, assertIsAnAnswer);
      });
    }
    const grown = (await app.send('report')).rss - rss;
    assert.ok(grown < 300 << 20, `${grown} bytes more after all of it`);
  });
});
