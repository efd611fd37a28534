'use strict';

// Throws where the request's target says, and notes what is told of each connection; a request to /report gets the notes.
const http = require('http');
const serve = require('../support/serve.js');

/** @type {string[]} */
let notes = [];
process.on('uncaughtException', (err) => notes.push(`uncaught ${err.message}`));

const server = http.createServer((req, res) => {
  if (req.url === '/report') {
    res.end(`${notes.join(', ')};`);
    notes = [];
    return;
  }
  notes.push('request');
  req.on('error', () => {});
  req.on('data', (chunk) => {
    notes.push(`data ${chunk}`);
    if (req.url === '/data') throw new Error('data');
  });
  req.on('end', () => {
    notes.push('end');
    if (req.url === '/end') throw new Error('end');
    res.end('read;');
  });
  if (req.url === '/request') throw new Error('request');
});
server.on('clientError', (/** @type {any} */ err, socket) => {
  notes.push(`clientError ${err.code}`);
  socket.destroy();
});

serve(server);
