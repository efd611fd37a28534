'use strict';

// Large bodies, both ways, and who waits for whom.

const assert = require('node:assert');
const crypto = require('node:crypto');
const { once } = require('node:events');
const net = require('node:net');
const { pipeline } = require('node:stream/promises');
const { test } = require('node:test');
const { http, stock } = require('./support/http.js');
const { deferred, listen } = require('./support/wire.js');

const options = { timeout: 120_000 };
const MIB = 1 << 20;

/** @param {import('node:crypto').BinaryLike} data */
const sha = (data) => crypto.createHash('sha256').update(data).digest('hex');

/**
 * Waits until `measure` has given the same number for a while.
 * @param {() => number} measure
 */
async function settled(measure) {
  let last = -1;
  for (let same = 0; same < 10; ) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    const now = measure();
    same = now === last ? same + 1 : 0;
    last = now;
  }
  return last;
}

/**
 * Writes `data` piece by piece as fast as write() allows.
 * @param {import('node:stream').Writable} stream @param {Buffer} data @param {number} size bytes of a piece
 */
async function pump(stream, data, size) {
  let refused = 0;
  for (let at = 0; at < data.length; at += size) {
    if (stream.write(data.subarray(at, at + size))) continue;
    refused++;
    await once(stream, 'drain');
  }
  return refused;
}

for (const size of [1000, 1 << 14, 1 << 16, 300_000]) {
  test(`a body echoed in pieces of ${size} bytes comes back as it was`, options, async (t) => {
    const server = http.createServer((req, res) => {
      if (req.headers['content-length']) res.setHeader('Content-Length', req.headers['content-length']);
      pipeline(req, res).catch((err) => res.destroy(err));
    });
    const port = await listen(t, server);
    const data = crypto.randomBytes(5 * MIB + 17);
    for (const headers of [{}, { 'Content-Length': data.length }]) {
      const req = http.request({ port, method: 'POST', headers, agent: false });
      const response = once(req, 'response');
      const hash = crypto.createHash('sha256');
      const received = response.then(async ([res]) => {
        for await (const chunk of res) hash.update(chunk);
        return res;
      });
      await pump(req, data, size);
      req.end();
      const res = await received;
      assert.strictEqual(hash.digest('hex'), sha(data));
      assert.strictEqual(res.complete, true);
    }
  });
}

test('a response waits for a slow reader: write() says false, and drain comes when he reads', options, async (t) => {
  const response = deferred();
  const port = await listen(
    t,
    http.createServer((_req, res) => response.resolve(res)),
  );
  const reader = net.connect(port, '127.0.0.1');
  t.after(() => reader.destroy());
  reader.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  /** @type {import('node:http').ServerResponse} */
  const res = await response.promise;
  const piece = Buffer.alloc(1 << 20, 'p');
  let written = 0;
  let drained = 0;
  res.on('drain', () => drained++);
  // The kernel takes some MiB on a loopback; far below this limit write() must refuse for good.
  const limit = 256 * MIB;
  for (let stuck = false; !stuck && written < limit; ) {
    written += piece.length;
    if (res.write(piece)) continue;
    const before = drained;
    await settled(() => drained);
    stuck = drained === before;
  }
  assert.ok(written < limit, 'write() never refused');
  assert.strictEqual(res.writableNeedDrain, true);
  assert.ok(res.writableLength > 0);

  const drain = once(res, 'drain');
  let received = 0;
  let tail = '';
  reader.on('data', (chunk) => {
    received += chunk.length;
    tail = (tail + chunk.toString('latin1')).slice(-5);
  });
  await drain;
  res.end();
  await once(reader, 'end');
  assert.ok(received > written);
  assert.strictEqual(tail, '0\r\n\r\n');
});

/**
 * What gets to a client that begins to read when its socket has been closed, in bytes, and what the server was told had been sent.
 * @param {import('node:test').TestContext} t
 * @param {number} most parts that are written one behind the other, unless the client's not reading holds one up before
 * @param {(socket: any) => void} close
 */
async function sendToNobody(t, most, close) {
  const closed = deferred();
  const part = Buffer.alloc(60_000, 'x');
  let told = 0;
  const port = await listen(
    t,
    http.createServer((req, res) => {
      /** Begins with the first part that was told: until then a busy machine may take any time. @type {NodeJS.Timeout | undefined} */
      let timer;
      const stop = () => {
        clearTimeout(timer);
        close(req.socket);
        closed.resolve();
      };
      const write = () => {
        res.write(part, (error) => {
          if (error || req.socket.destroyed) return;
          told++;
          clearTimeout(timer);
          timer = setTimeout(stop, 200);
          if (told === most) stop();
          else write();
        });
      };
      res.writeHead(200, { 'Content-Length': 1 << 30 });
      write();
    }),
  );
  const client = net.connect(port, '127.0.0.1');
  client.pause();
  client.on('error', () => {});
  client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await closed.promise;
  let received = 0;
  client.on('data', (/** @type {Buffer} */ data) => (received += data.length)).resume();
  await new Promise((resolve) => client.on('close', resolve));
  return { told, isThere: received >= told * part.length };
}

test(
  'what was told as sent gets to who reads it late, though its socket was destroyed in that callback',
  options,
  async (t) => {
    const { told: most, isThere } = await sendToNobody(t, Infinity, (socket) => socket.destroy());
    assert.ok(isThere);
    // About as much as the kernel takes: what is told last then is what it may refuse.
    for (let parts = most - 2; parts <= most + 1; parts++) {
      const seen = await sendToNobody(t, parts, (socket) => socket.destroy());
      assert.ok(seen.isThere, `${seen.told} of ${parts} parts were told as sent`);
    }
  },
);

for (const size of [20_000, 70_000, 4 * MIB]) {
  test(`a body of ${size} bytes that is written and ended in one turn waits for no drain`, options, async (t) => {
    let drains = 0;
    const server = http.createServer((_req, res) => {
      res.on('drain', () => drains++);
      res.write(Buffer.alloc(size));
      res.end();
    });
    const port = await listen(t, server);
    const [res] = await once(http.get({ port, agent: false }), 'response');
    let length = 0;
    for await (const chunk of res) length += chunk.length;
    assert.deepEqual({ length, drains }, { length: size, drains: 0 });
  });
}

for (const kind of ['answer', 'request']) {
  test(`a socket does not time out while its peer reads the ${kind}, and does when he stops`, options, async (t) => {
    const data = Buffer.alloc(64 * MIB);
    const incoming = deferred();
    const server = http.createServer((req, res) => {
      if (kind === 'answer') res.end(data);
      incoming.resolve({ req, res });
    });
    server.setTimeout(1_000_000, () => {});
    const port = await listen(t, server);
    const req = http.request({ port, method: 'POST', agent: false, timeout: 1_000_000 });
    t.after(() => req.destroy());
    req.on('error', () => {});
    const response = kind === 'answer' ? once(req, 'response') : [];
    req.end(kind === 'request' ? data : '');
    const { req: received, res } = await incoming.promise;
    const [sender, reader] = kind === 'answer' ? [res, (await response)[0]] : [req, received];
    const { socket } = sender;
    let told = 0;
    socket.on('timeout', () => told++);
    /** As Node's timer has it, which need not be waited for. */
    const timesOut = () => {
      const before = told;
      socket._onTimeout();
      return told > before;
    };
    const timesOutInTheEnd = async () => {
      while (!timesOut()) await new Promise((resolve) => setTimeout(resolve, 20));
    };
    let count = 0;
    reader.on('error', () => {});
    reader.on('data', (/** @type {Buffer} */ chunk) => (count += chunk.length));
    reader.pause();
    await timesOutInTheEnd();
    for (let round = 1; round <= 2; round++) {
      reader.resume();
      // More than kernels hold.
      while (count < round * 20 * MIB) await new Promise((resolve) => setTimeout(resolve, 1));
      reader.pause();
      assert.ok(!timesOut(), 'he has read some of it');
      await timesOutInTheEnd();
    }
  });
}

test('a reset is a reset, whatever was told as sent', options, async (t) => {
  const { isThere } = await sendToNobody(t, Infinity, (socket) => socket.resetAndDestroy());
  assert.ok(!isThere, 'the kernel drops what it holds');
});

test('a request nobody reads stops its sender, and goes on when it is read', options, async (t) => {
  const arrived = deferred();
  const port = await listen(
    t,
    http.createServer((req, res) => arrived.resolve({ req, res })),
  );
  const sender = net.connect(port, '127.0.0.1');
  t.after(() => sender.destroy());
  const data = crypto.randomBytes(64 * MIB);
  sender.write(`POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${data.length}\r\n\r\n`);
  sender.write(data);
  const { req, res } = await arrived.promise;
  const before = process.memoryUsage();
  const accepted = await settled(() => req.socket.bytesRead);
  assert.ok(accepted < data.length / 2, `${accepted} bytes were read with nobody to read them`);
  const after = process.memoryUsage();
  const grown = after.external + after.arrayBuffers - before.external - before.arrayBuffers;
  assert.ok(grown < data.length / 2, `${grown} bytes were kept`);
  const hash = crypto.createHash('sha256');
  for await (const chunk of req) hash.update(chunk);
  assert.strictEqual(hash.digest('hex'), sha(data));
  res.end('ok');
  await once(sender, 'data');
});

test('a paused request delivers nothing until it is resumed', options, async (t) => {
  const arrived = deferred();
  const port = await listen(
    t,
    http.createServer((req, res) => arrived.resolve({ req, res })),
  );
  const client = http.request({ port, method: 'POST' });
  client.write('first');
  const { req, res } = await arrived.promise;
  let text = '';
  req.on('data', (/** @type {Buffer} */ chunk) => {
    text += chunk;
    req.pause();
    setImmediate(() => {
      assert.strictEqual(req.isPaused(), true);
      req.resume();
    });
  });
  for (let i = 0; i < 50; i++) client.write(` ${i}`);
  client.end();
  await once(req, 'end');
  assert.strictEqual(text, `first${Array.from({ length: 50 }, (_, i) => ` ${i}`).join('')}`);
  res.end();
  const [response] = await once(client, 'response');
  response.resume();
  await once(response, 'end');
});

test('what a client sent before it closed its half is read whole and answered, however late', options, async (t) => {
  const port = await listen(
    t,
    http.createServer(async (req, res) => {
      // Whoever receives ahead has come to the end meanwhile; who is slower than that finds nothing else.
      await new Promise((resolve) => setTimeout(resolve, 200));
      let length = 0;
      req.on('data', (/** @type {Buffer} */ part) => (length += part.length));
      req.on('end', () => res.end(`${length} bytes`));
      req.on('error', (/** @type {any} */ error) => res.destroy(error));
    }),
  );
  const client = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  client.end(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n${'x'.repeat(200_000)}`);
  let answer = '';
  for await (const part of client.setEncoding('latin1')) answer += part;
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n[\s\S]*200000 bytes/);
});

test('a client’s upload waits for a slow server', options, async (t) => {
  const arrived = deferred();
  const server = net.createServer((socket) => arrived.resolve(socket.pause()));
  const port = await listen(t, server);
  const req = http.request({ port, method: 'PUT', agent: false });
  req.on('error', () => {});
  const piece = Buffer.alloc(1 << 20, 'p');
  let written = 0;
  let drained = 0;
  req.on('drain', () => drained++);
  const limit = 256 * MIB;
  for (let stuck = false; !stuck && written < limit; ) {
    written += piece.length;
    if (req.write(piece)) continue;
    const before = drained;
    await settled(() => drained);
    stuck = drained === before;
  }
  assert.ok(written < limit, 'write() never refused');
  const drain = once(req, 'drain');
  const socket = await arrived.promise;
  socket.resume();
  await drain;
  req.destroy();
});

test('a client’s response waits for its reader', options, async (t) => {
  const total = 64 * MIB;
  /** @type {import('node:net').Socket | undefined} */
  let far;
  const server = net.createServer((socket) => {
    far = socket;
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${total}\r\n\r\n`);
      const piece = Buffer.alloc(MIB, 'r');
      let left = total;
      const more = () => {
        while (left > 0) {
          left -= piece.length;
          if (!socket.write(piece)) break;
        }
        if (left > 0) socket.once('drain', more);
      };
      more();
    });
  });
  const port = await listen(t, server);
  const req = http.get({ port, agent: false });
  const [res] = await once(req, 'response');
  const sent = await settled(() => far?.bytesWritten ?? 0);
  assert.ok(sent < total / 2, `${sent} bytes were sent with nobody to read them`);
  let received = 0;
  for await (const chunk of res) received += chunk.length;
  assert.strictEqual(received, total);
});

test('chunks keep their bytes while later ones arrive', options, async (t) => {
  const server = http.createServer(async (req, res) => {
    const chunks = [];
    for await (const chunk of req) chunks.push(chunk);
    // Looked at only now: each must still hold what arrived in it, and be writable without harm to the next.
    const hash = sha(Buffer.concat(chunks));
    for (const chunk of chunks) chunk.fill(0);
    res.end(hash);
  });
  const port = await listen(t, server);
  for (let i = 0; i < 8; i++) {
    const data = crypto.randomBytes(3 * MIB);
    const answer = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: data });
    assert.strictEqual(await answer.text(), sha(data));
  }
});

test('a buffer that was transferred away does no harm', options, async (t) => {
  const server = http.createServer(async (req, res) => {
    let bytes = 0;
    for await (const chunk of req) {
      bytes += chunk.length;
      try {
        structuredClone(chunk.buffer, { transfer: [chunk.buffer] });
      } catch (err) {
        // What belongs to a pool may refuse.
        if (/** @type {Error} */ (err).name !== 'DataCloneError') throw err;
      }
    }
    res.end(String(bytes));
  });
  const port = await listen(t, server);
  for (let i = 0; i < 4; i++) {
    const answer = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: crypto.randomBytes(4 * MIB) });
    assert.strictEqual(await answer.text(), String(4 * MIB));
  }
});

/**
 * Sends bodies to a server that does something to each part as it comes, and to its memory; all that it heard comes back.
 * @param {import('node:test').TestContext} t
 * @param {(part: Buffer) => void} disturb
 */
async function disturbed(t, disturb) {
  const server = http.createServer((req, res) => {
    const hash = crypto.createHash('sha256');
    req.on('data', (part) => {
      hash.update(part);
      disturb(part);
    });
    req.on('end', () => res.end(hash.digest('hex')));
  });
  const port = await listen(t, server);
  const bodies = Array.from({ length: 8 }, () => crypto.randomBytes(2 * MIB));
  const answers = bodies.map(async (body) => {
    const req = http.request({ host: '127.0.0.1', port, method: 'POST', agent: false });
    req.end(body);
    const [res] = await once(req, 'response');
    return Buffer.concat(await res.toArray()).toString();
  });
  assert.deepStrictEqual(await Promise.all(answers), bodies.map(sha));
}

test('parts of bodies whose memory is transferred elsewhere leave all others as they were', options, async (t) => {
  const taken = [];
  await disturbed(t, (part) => taken.push(structuredClone(part.buffer, { transfer: [part.buffer] })));
  assert.ok(taken.length > 0);
});

test('parts of bodies that are overwritten leave all others as they were', options, async (t) => {
  await disturbed(t, (part) => new Uint8Array(part.buffer).fill(0));
});

test(
  'uploads that are broken off or paused leave those beside them as they were, while their parts are kept',
  options,
  async (t) => {
    const bodies = Array.from({ length: 24 }, () => crypto.randomBytes(MIB));
    const kept = bodies.map(() => /** @type {Buffer[]} */ ([]));
    const server = http.createServer((req, res) => {
      const number = Number(req.url?.slice(1));
      req.on('error', () => {});
      req.on('data', (part) => {
        kept[number].push(part);
        if (number % 3 === 1 && kept[number].length === 3) req.destroy();
        if (number % 3 === 2 && kept[number].length === 2) {
          req.pause();
          setImmediate(() => req.resume());
        }
      });
      req.on('end', () => res.end());
    });
    const port = await listen(t, server);
    // The second round finds memory that the first one has used, and what the broken ones gave back.
    for (let round = 0; round < 3; round++) {
      for (const parts of kept) parts.length = 0;
      await Promise.all(
        bodies.map(async (body, number) => {
          const req = http.request({ host: '127.0.0.1', port, path: `/${number}`, method: 'POST', agent: false });
          req.end(body);
          if (number % 3 === 1) return assert.rejects(once(req, 'response'));
          (await once(req, 'response'))[0].resume();
        }),
      );
      for (const [number, body] of bodies.entries()) {
        const got = Buffer.concat(kept[number]);
        assert.ok(number % 3 === 1 ? got.length > 0 : got.length === MIB, `${number}: ${got.length}`);
        assert.ok(got.equals(body.subarray(0, got.length)), `${number} of round ${round}`);
      }
    }
  },
);

test('a part of a body shows nothing of what others have sent, in all of its memory', options, async (t) => {
  const secret = 's3cr3t';
  let shown = false;
  const server = http.createServer((req, res) => {
    req.on('data', (part) => {
      // Node's own pool of small buffers is shared by design.
      if (!part.includes('-') && part.length > 4096) shown ||= Buffer.from(part.buffer).includes(secret);
    });
    req.on('end', () => res.end());
  });
  const port = await listen(t, server);
  const post = async (/** @type {string} */ body) => {
    const req = http.request({ host: '127.0.0.1', port, method: 'POST', agent: false });
    req.end(body);
    (await once(req, 'response'))[0].resume();
  };
  const raw = net.connect(port, '127.0.0.1');
  const secrets = Array.from({ length: 60 }, () => `400\r\n${secret.padEnd(1024, '-')}\r\n`).join('');
  for (let round = 0; round < 10; round++) {
    // Enough for the engine to have slabs; then small chunks that are received together and fill one; then a part that leaves some of it.
    await post('x'.repeat(MIB));
    raw.write(`POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${secrets}0\r\n\r\n`);
    await once(raw, 'data');
    await post('z'.repeat(40 * 1024));
  }
  raw.destroy();
  assert.strictEqual(shown, false);
});

test(
  'a head that is not ASCII goes out in the bytes of Node’s, whatever the body and its encoding',
  options,
  async (t) => {
    const bodies = ['body', 'b\xf6dy', '\u20ac', '\ud800', 'x'.repeat(100_000)];
    const encodings = /** @type {any[]} */ ([undefined, 'utf8', 'utf-8', 'UTF8', 'latin1', 'binary', 'ucs2']);
    const cases = ['x', '\xe9'].flatMap((field) =>
      bodies.flatMap((body) =>
        encodings.flatMap((encoding) => [false, true].map((chunked) => ({ field, body, encoding, chunked }))),
      ),
    );
    const send = (/** @type {any} */ req, /** @type {any} */ res) => {
      const { field, body, encoding, chunked } = cases[Number(req.url.slice(1))];
      res.sendDate = false;
      res.setHeader('X-A', field);
      if (chunked) res.setHeader('Transfer-Encoding', 'chunked');
      res.end(body, encoding);
    };
    const ports = [await listen(t, require('node:http').createServer(send)), await listen(t, http.createServer(send))];
    for (const [i, each] of cases.entries()) {
      const [theirs, ours] = await Promise.all(
        ports.map(async (port) => {
          const client = net.connect(port, '127.0.0.1').setEncoding('latin1');
          client.write(`GET /${i} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
          let answer = '';
          for await (const text of client) answer += text;
          return answer;
        }),
      );
      assert.ok(ours === theirs, `${JSON.stringify({ ...each, body: each.body.slice(0, 9) })}: ${ours.slice(0, 200)}`);
    }
  },
);

test('a small part of a body is memory of its own, which its reader may give away', options, async (t) => {
  for (const size of [1, 64, 65]) {
    const body = crypto.randomBytes(size);
    const server = http.createServer((req, res) => req.pipe(res));
    const port = await listen(t, server);
    const req = http.request({ host: '127.0.0.1', port, method: 'POST', agent: false });
    req.end(body);
    const [res] = await once(req, 'response');
    const ended = once(res, 'end');
    const [part] = await once(res, 'data');
    assert.ok(Buffer.isBuffer(part));
    assert.deepStrictEqual(part, body);
    // Node's is the socket's, with all that came along.
    if (!stock) assert.strictEqual(part.buffer.byteLength, size);
    const { buffer, byteOffset } = part;
    const given = Buffer.from(structuredClone(buffer, { transfer: [buffer] }), byteOffset, size);
    assert.deepStrictEqual(given, body);
    await ended;
  }
});

test('an end that the socket is told by its user cuts the message off, and nobody else', options, async (t) => {
  const refused = deferred();
  const server = http.createServer((req) => {
    req.on('error', () => {});
    req.once('data', () => {
      req.socket.push(null);
      req.socket.read(0);
    });
  });
  server.on('clientError', (/** @type {any} */ err, socket) => {
    refused.resolve(err.code);
    socket.destroy();
  });
  const port = await listen(t, server);
  const client = net.connect(port, '127.0.0.1');
  client.on('error', () => {});
  client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n');
  client.write(Buffer.alloc(2_000_000, 'x'));
  assert.strictEqual(await refused.promise, 'HPE_INVALID_EOF_STATE');
});
