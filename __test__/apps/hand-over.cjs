'use strict';

// Hands each connection to a child, which answers in its place. With ?watched somebody listens to the socket's bytes before.
const { fork } = require('child_process');
const http = require('http');
const serve = require('../support/serve.js');

if (process.argv[2] === 'child') {
  process.on('message', (req, socket) => {
    const res = new http.ServerResponse(req);
    res.shouldKeepAlive = false;
    res.assignSocket(socket);
    res.end(`answered by the child: ${req.url}`);
    res.on('finish', () => socket.end());
  });
} else {
  const child = fork(__filename, ['child']);
  const responses = [];
  const server = http.createServer((req, res) => {
    const { socket } = res;
    if (req.url.endsWith('?watched')) socket.on('data', () => {});
    const { method, httpVersionMajor, httpVersionMinor, url } = req;
    child.send({ method, httpVersionMajor, httpVersionMinor, url }, socket);
    responses.push({ res, socket });
  });
  process.on('message', () => {
    process.send?.(responses.map(({ res, socket }) => [res.socket, socket._httpMessage, socket.parser]));
  });
  process.channel?.unref();
  process.once('disconnect', () => child.disconnect());
  serve(server);
}
