'use strict';

// Reads every request to its end, and survives whatever is wrong with it.
const http = require('http');
const serve = require('../support/serve.js');

const server = http.createServer((req, res) => {
  req.on('error', () => {});
  res.on('error', () => {});
  req.on('end', () => res.end(`read ${req.url}`));
  req.resume();
});

process.on('message', () => process.send?.({ rss: process.memoryUsage().rss }));
process.channel?.unref();
serve(server);
