'use strict';

const http = require('http');
const { WebSocketServer, WebSocket } = require('ws');
const serve = require('../support/serve.js');

const server = http.createServer((_req, res) => res.end('not a web socket'));
const sockets = new WebSocketServer({ server });
sockets.on('connection', (socket, req) => {
  socket.send(`welcome to ${req.url}`);
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
});

// A client in the same process, so that the upgrade is made by both halves of one http.
process.on('message', (/** @type {{ messages: string[] }} */ { messages }) => {
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const socket = new WebSocket(`ws://127.0.0.1:${port}/own`);
  const got = [];
  socket.on('open', () => {
    for (const message of messages) socket.send(message);
  });
  socket.on('message', (data) => {
    got.push(String(data));
    if (got.length === messages.length + 1) socket.close();
  });
  socket.on('error', (err) => process.send?.({ error: err.message }));
  socket.on('close', (code) => process.send?.({ code, got }));
});

serve(server);
