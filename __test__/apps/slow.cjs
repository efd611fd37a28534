'use strict';

// Every handler keeps the thread busy for as many milliseconds as the first argument says, and then answers.
const http = require('http');
const serve = require('../support/serve.js');

const busy = Number(process.argv[2]);
const server = http.createServer((_req, res) => {
  const begun = Date.now();
  while (Date.now() - begun < busy);
  res.end(`begun ${begun};`);
});

serve(server);
