'use strict';

// An Express application as it would be anywhere: nothing here knows who serves it.
const express = require('express');
const fs = require('node:fs');

const app = express();
app.use(express.json());
app.use('/static', express.static(__dirname));
app.get('/hello/:name', (req, res) => {
  res.set('X-Protocol', req.protocol).send(`hello ${req.params.name} from ${req.ip} at ${req.query.at}`);
});
app.post('/echo', (req, res) => {
  res.status(201).json({ type: req.get('content-type'), body: req.body });
});
app.get('/stream', (_req, res) => {
  fs.createReadStream(require.resolve('express/package.json')).pipe(res.type('json'));
});
app.get('/ticks', async (_req, res) => {
  for (let i = 0; i < 5; i++) {
    res.write(`tick ${i}\n`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  res.end();
});
app.get('/teapot', async () => {
  throw Object.assign(new Error('short and stout'), { status: 418 });
});
app.use((/** @type {any} */ err, _req, res, _next) => {
  res.status(err.status ?? 500).json({ error: err.message });
});

module.exports = app;
