'use strict';

// Answers each request of a turn in an immediate of its own; the immediate behind them makes an end of the process, in the way it is told.

const http = require('http');
const serve = require('../support/serve.js');

const [how, count] = process.argv.slice(2);

const exchanges = [];
const server = http.createServer((req, res) => {
  exchanges.push({ req, res });
  if (exchanges.length < Number(count)) return;
  setImmediate(() => {
    if (how === 'leaves') letGo();
    for (const { req, res } of exchanges) setImmediate(() => res.end(`${req.url};`));
    setImmediate(() => {
      if (how === 'exits') process.exit();
      if (how === 'throws') throw new Error('nobody catches it');
      letGo();
    });
  });
});

/** Nothing keeps the process any more. */
function letGo() {
  server.unref();
  process.channel?.unref();
  for (const { req } of exchanges) req.socket.unref();
}

serve(server);
