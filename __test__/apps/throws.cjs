'use strict';

const http = require('http');
const serve = require('../support/serve.js');

const thrown = [];
process.on('uncaughtException', (err) => thrown.push(err.message));

const server = http.createServer((req, res) => {
  const n = Number(req.url?.slice(1));
  if (n < 100 && n % 3 === 0) throw new Error(`thrown by ${req.url}`);
  res.end(`${req.url};`);
});

process.on('message', () => process.send?.({ thrown }));
process.channel?.unref();
serve(server);
