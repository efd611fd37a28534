'use strict';

// Two cluster workers on one port. Prints a JSON line.
const cluster = require('node:cluster');
const http = require('http');
const { http: own, stock } = require('../support/http.js');

async function primary() {
  const workers = [cluster.fork(), cluster.fork()];
  const messages = await Promise.all(
    workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))),
  );
  const port = messages[0].port;
  const exits = workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve)));
  const seen = new Set();
  let answers = 0;
  for (let i = 0; i < 40; i++) {
    const body = await new Promise((resolve, reject) => {
      http
        .get({ port, host: '127.0.0.1', agent: false }, (res) => {
          let text = '';
          res.setEncoding('utf8').on('data', (part) => {
            text += part;
          });
          res.on('end', () => resolve(text));
        })
        .on('error', reject);
    });
    seen.add(body);
    answers++;
  }
  for (const worker of workers) worker.send('close');
  console.log(
    JSON.stringify({
      answers,
      workers: seen.size,
      exits: await Promise.all(exits),
      ferrohttp: messages.every(({ same }) => same),
    }),
  );
}

if (cluster.isPrimary) {
  primary();
} else {
  const server = http.createServer((_req, res) => res.end(String(process.pid)));
  server.listen(0, '127.0.0.1', () => {
    process.send?.({ port: server.address().port, same: !stock && server instanceof own.Server });
  });
  process.once('message', () => server.close(() => cluster.worker?.disconnect()));
}
