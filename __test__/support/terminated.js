'use strict';

// A thread that is terminated while it accepts a connection, and a descriptor that gets the connection's number meanwhile. Prints what can be read from
// the latter afterwards. A process of its own: the thread, as it ends, closes that number a second time.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { closeSync } = require('node:fs');
const net = require('node:net');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');

/** What the thread tells without its loop: the number of the descriptor that it has closed. */
const told = new Int32Array(isMainThread ? new SharedArrayBuffer(4) : workerData);

/** The thread: closes its new connection's descriptor behind everybody's back, as Node does when it takes a thread down, and is stuck then. */
function serve() {
  const { http } = require('./http.js');
  const server = http.createServer();
  server.on('connection', (/** @type {any} */ socket) => {
    const { fd } = socket._handle;
    closeSync(fd);
    Atomics.store(told, 0, fd);
    Atomics.notify(told, 0);
    Atomics.wait(told, 0, fd);
  });
  server.listen(0, '127.0.0.1', () => parentPort?.postMessage(/** @type {net.AddressInfo} */ (server.address()).port));
}

async function main() {
  const peers = net.createServer();
  peers.listen(0, '127.0.0.1');
  await once(peers, 'listening');
  const worker = new Worker(__filename, { workerData: told.buffer });
  const [port] = await once(worker, 'message');
  net.connect(port, '127.0.0.1').on('error', () => {});
  while (Atomics.load(told, 0) === 0) await new Promise(setImmediate);

  // The lowest number that is free goes first. Nothing reads them here.
  const at = /** @type {net.AddressInfo} */ (peers.address()).port;
  /** @type {any} */
  let socket;
  /** @type {net.Socket} */
  let peer;
  do {
    socket = net.connect(at, '127.0.0.1').pause();
    [[peer]] = await Promise.all([once(peers, 'connection'), once(socket, 'connect')]);
  } while (socket._handle.fd < told[0]);
  if (socket._handle.fd !== told[0]) {
    process.stdout.write('the number is taken');
    process.exit();
  }
  // It has a duplicate, and waits for the word.
  const reader = spawn('sh', ['-c', 'read word <&3; cat'], { stdio: [socket, 'pipe', 'inherit', 'pipe'] });
  await new Promise((resolve) => peer.end('precious', resolve));
  await worker.terminate();
  let text = '';
  reader.stdout?.on('data', (data) => (text += data));
  /** @type {any} */ (reader.stdio[3]).end('go\n');
  await once(reader, 'close');
  process.stdout.write(text);
  process.exit();
}

if (isMainThread) main();
else serve();
