// What users write, through `require` and the package's own name.

import type { AddressInfo } from 'node:net';
import http = require('ferrohttp');

export const server: http.Server = http.createServer({ keepAlive: true }, (req, res) => {
  const host: string | undefined = req.headers.host;
  res.writeHead(200, { 'content-type': 'text/plain' }).end(host);
});

server.on('upgrade', (_req, socket, head: Buffer) => socket.end(head));

export const port = (server.address() as AddressInfo).port;

const agent = new http.Agent({ keepAlive: true, maxSockets: 50, ioThreads: 1 });

http.createServer({ ioThreads: 2 }, (_req, res) => res.end());

// @ts-expect-error: how many, not whether
http.createServer({ ioThreads: true });

http
  .get({ port, agent }, (res: http.IncomingMessage) => res.resume())
  .on('information', ({ statusCode }) => statusCode.toFixed())
  .on('error', (error: Error) => error.message);

// @ts-expect-error: a port is a number or a string
http.get({ port: {} });
