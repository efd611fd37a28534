'use strict';

const http = require('http');
const httpProxy = require('http-proxy');
const serve = require('../support/serve.js');

const target = process.argv[2];
const proxy = httpProxy.createProxyServer({ target, ws: true });
proxy.on('error', (err, _req, res) => {
  if ('writeHead' in res) res.writeHead(502).end(err.message);
  else res.destroy();
});
const server = http.createServer((req, res) => proxy.web(req, res));
server.on('upgrade', (req, socket, head) => proxy.ws(req, socket, head));

serve(server);
