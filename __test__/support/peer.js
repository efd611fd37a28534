'use strict';

const { once } = require('node:events');
const net = require('node:net');

/** A server that speaks byte by byte, for what a client makes of it. */

/**
 * @param {(socket: net.Socket, head: string, count: number) => void} onRequest called for each request head, count from 1 for all sockets
 * @returns {Promise<{ port: number, sockets: net.Socket[], close: () => Promise<void> }>}
 */
async function startPeer(onRequest) {
  /** @type {net.Socket[]} */
  const sockets = [];
  let count = 0;
  const server = net.createServer((socket) => {
    sockets.push(socket);
    let text = '';
    socket.setEncoding('latin1');
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      text += chunk;
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const head = text.slice(0, end);
        text = text.slice(end + 4);
        count++;
        onRequest(socket, head, count);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {net.AddressInfo} */ (server.address());
  return {
    port,
    sockets,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/**
 * A whole response.
 * @param {string} body
 * @param {string} [fields] finished lines, CRLF included
 */
function response(body, fields = '') {
  return `HTTP/1.1 200 OK\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${fields}\r\n${body}`;
}

/**
 * Reads a response to its end.
 * @param {import('node:events').EventEmitter} req
 * @returns {Promise<{ res: import('node:http').IncomingMessage, body: string }>}
 */
async function answer(req) {
  const [res] = await once(req, 'response');
  res.setEncoding('latin1');
  let body = '';
  res.on('data', (/** @type {string} */ chunk) => {
    body += chunk;
  });
  await once(res, 'end');
  return { res, body };
}

/**
 * Waits for 'close', whatever errors come before it.
 * @param {import('node:events').EventEmitter} emitter
 * @returns {Promise<void>}
 */
function closed(emitter) {
  return new Promise((resolve) => emitter.once('close', resolve));
}

/**
 * Waits until something holds, which the loop has to turn for.
 * @param {() => unknown} condition
 */
async function until(condition) {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/**
 * Notes the names of an emitter's events as they come.
 * @param {import('node:events').EventEmitter} emitter
 * @param {string[]} names
 * @param {string} prefix
 * @param {string[]} [log]
 */
function record(emitter, names, prefix = '', log = []) {
  for (const name of names) {
    emitter.on(name, (...args) => {
      const [first] = args;
      log.push(prefix + name + (first instanceof Error ? ` ${/** @type {any} */ (first).code ?? first.message}` : ''));
    });
  }
  return log;
}

module.exports = { answer, closed, record, response, startPeer, until };
