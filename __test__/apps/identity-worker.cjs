'use strict';

// The same report from inside a worker thread, two deep.
const { Worker, parentPort, workerData } = require('node:worker_threads');

if (parentPort === null) {
  new Worker(__filename, { workerData: 1 }).once('message', (report) => console.log(JSON.stringify(report)));
} else if (workerData === 1) {
  new Worker(__filename, { workerData: 2 }).once('message', (report) => parentPort.postMessage(report));
} else {
  require('./identity.cjs').then((report) => parentPort.postMessage(report));
}
