'use strict';

// Answers with what it was asked, and counts.
const crypto = require('node:crypto');
const http = require('http');
const serve = require('../support/serve.js');

let connections = 0;
let requests = 0;
const server = http.createServer((req, res) => {
  requests++;
  if (req.method === 'GET') return res.end(`answer to ${req.url}`);
  const hash = crypto.createHash('sha256');
  req.on('data', (chunk) => hash.update(chunk));
  req.on('end', () => res.end(hash.digest('hex')));
});
server.on('connection', () => connections++);

process.on('message', () => process.send?.({ connections, requests }));
process.channel?.unref();
serve(server);
