'use strict';

// An ordinary Express application: nothing in this file knows which http module serves it.

const { createHash } = require('node:crypto');
const path = require('node:path');
const express = require('express');

const app = express();

app.use(express.static(path.join(__dirname, 'public')));

app.get('/info', (_req, res) => {
  res.json({ engine: app.get('engine') ?? 'node:http', node: process.version });
});

// ?chunks=1..1000&delay=0..1000 (ms)
app.get('/stream', (req, res) => {
  const chunks = bounded(req.query.chunks, 20, 1, 1000);
  const delay = bounded(req.query.delay, 100, 0, 1000);
  res.type('text/plain').set('Cache-Control', 'no-store').set('X-Chunks', String(chunks));
  let sent = 0;
  const timer = setInterval(() => {
    sent += 1;
    res.write(`chunk ${sent} of ${chunks}\n`);
    if (sent === chunks) {
      clearInterval(timer);
      res.end();
    }
  }, delay);
  res.on('close', () => clearInterval(timer));
});

app.get('/events', (_req, res) => {
  res.set({ 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
  let id = 0;
  const send = () => {
    id += 1;
    res.write(`id: ${id}\ndata: ${JSON.stringify({ id, uptime: process.uptime() })}\n\n`);
  };
  send();
  const timer = setInterval(send, 500);
  res.on('close', () => clearInterval(timer));
});

app.post('/upload', (req, res, next) => {
  const hash = createHash('sha256');
  let bytes = 0;
  req.on('data', (chunk) => {
    bytes += chunk.length;
    hash.update(chunk);
  });
  req.on('end', () => res.json({ bytes, sha256: hash.digest('hex') }));
  req.on('error', next);
});

/** @returns {number} `text` as a whole number held between min and max; `fallback` when it is none. */
function bounded(text, fallback, min, max) {
  const value = Number.parseInt(text, 10);
  return Number.isNaN(value) ? fallback : Math.min(max, Math.max(min, value));
}

module.exports = app;
