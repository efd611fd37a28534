'use strict';

// The same report from a cluster worker.
const cluster = require('node:cluster');

if (cluster.isPrimary) {
  cluster.fork().once('message', (report) => {
    console.log(JSON.stringify(report));
    cluster.disconnect();
  });
} else {
  require('./identity.cjs').then((report) => process.send?.(report));
}
