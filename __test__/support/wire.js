'use strict';

const { once } = require('node:events');
const net = require('node:net');

/**
 * Listens on a free port of the loopback until the test is over.
 * @param {import('node:test').TestContext} t
 * @param {import('node:net').Server} server closed after the test, with the connections it still has
 * @returns {Promise<number>} the port
 */
async function listen(t, server) {
  /** @type {Set<net.Socket>} */
  const sockets = new Set();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    if (!server.listening && sockets.size === 0) return;
    const closed = server.listening ? once(server, 'close') : undefined;
    if (server.listening) server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  return /** @type {net.AddressInfo} */ (server.address()).port;
}

/**
 * A client that says exactly what the test says.
 * @param {import('node:test').TestContext} t
 * @param {number} port
 */
async function dial(t, port) {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  t.after(() => socket.destroy());
  return speak(socket);
}

/**
 * Reads and writes latin1 text on a socket.
 * @param {net.Socket} socket
 */
function speak(socket) {
  let text = '';
  let over = false;
  /** @type {() => void} */
  let wake = () => {};
  socket.setEncoding('latin1');
  socket.on('data', (chunk) => {
    text += chunk;
    wake();
  });
  for (const event of ['end', 'close']) {
    socket.on(event, () => {
      over = true;
      wake();
    });
  }
  socket.on('error', () => {});

  /** @param {() => boolean} enough */
  async function until(enough) {
    while (!enough()) {
      if (over) throw new Error(`the connection ended after ${JSON.stringify(text)}`);
      await new Promise((resolve) => {
        wake = () => resolve(undefined);
      });
    }
  }

  return {
    socket,
    /** @param {string | Uint8Array} data */
    write: (data) => socket.write(data, 'latin1'),
    /**
     * Waits for `mark`, and takes everything up to its end.
     * @param {string} mark
     * @returns {Promise<string>}
     */
    async read(mark) {
      await until(() => text.includes(mark));
      const end = text.indexOf(mark) + mark.length;
      const taken = text.slice(0, end);
      text = text.slice(end);
      return taken;
    },
    /**
     * Waits for the peer's end, and takes everything.
     * @returns {Promise<string>}
     */
    async rest() {
      while (!over) {
        await new Promise((resolve) => {
          wake = () => resolve(undefined);
        });
      }
      return text;
    },
  };
}

/**
 * Sends `data`, and gives all that comes back until the server closes.
 * @param {number} port
 * @param {string | Uint8Array} data
 * @returns {Promise<string>} latin1
 */
async function exchange(port, data) {
  const socket = net.connect(port, '127.0.0.1');
  const { rest } = speak(socket);
  socket.write(data, /** @type {any} */ ('latin1'));
  const text = await rest();
  socket.destroy();
  return text;
}

/**
 * A server that says exactly what the test says.
 * @param {import('node:test').TestContext} t
 * @param {(peer: ReturnType<typeof speak>, index: number) => void} onConnection index: 0, 1 …
 * @returns {Promise<number>} the port
 */
async function rawServer(t, onConnection) {
  let index = 0;
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    // A test's own failure must not hide as an unhandled rejection.
    Promise.resolve(onConnection(speak(socket), index++)).catch((err) => socket.destroy(err));
  });
  return listen(t, server);
}

/**
 * The value that `callback`-style code produces later.
 * @template T
 */
function deferred() {
  /** @type {(value: T) => void} */
  let resolve = () => {};
  /** @type {(reason: unknown) => void} */
  let reject = () => {};
  /** @type {Promise<T>} */
  const promise = new Promise((res, rej) => {
    resolve = res;
    reject = rej;
  });
  return { promise, resolve, reject };
}

/**
 * @param {import('node:stream').Readable} stream
 * @returns {Promise<string>}
 */
async function textOf(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

module.exports = { deferred, dial, exchange, listen, rawServer, textOf };
