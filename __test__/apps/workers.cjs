'use strict';

// Worker threads with a server each, one after another, ended in the middle of their work. Prints a JSON line.
const http = require('http');
const { Worker, isMainThread, parentPort } = require('node:worker_threads');
const { http: own, stock } = require('../support/http.js');

async function main(count) {
  let answers = 0;
  let ferrohttp = true;
  for (let n = 0; n < count; n++) {
    const worker = new Worker(__filename);
    const { port, same } = await new Promise((resolve, reject) =>
      worker.once('message', resolve).once('error', reject),
    );
    ferrohttp &&= same;
    const agent = new http.Agent({ keepAlive: true });
    await new Promise((resolve) => {
      let enough = 0;
      const one = () => {
        const req = http.get({ port, host: '127.0.0.1', agent }, (res) => {
          res.on('error', () => {});
          res.on('end', () => {
            answers++;
            if (++enough === 20) resolve(undefined);
            one();
          });
          res.resume();
        });
        req.on('error', () => {});
      };
      for (let i = 0; i < 8; i++) one();
    });
    // Requests are under way: the thread is torn down beneath them.
    if (n % 2 === 0) await worker.terminate();
    else {
      worker.postMessage('close');
      await new Promise((resolve) => worker.once('exit', resolve));
    }
    agent.destroy();
  }
  console.log(JSON.stringify({ workers: count, answers, ferrohttp }));
}

if (isMainThread) {
  main(Number(process.argv[2]));
} else {
  const server = http.createServer((_req, res) => {
    res.write('some ');
    setImmediate(() => res.end('body'));
  });
  server.listen(0, '127.0.0.1', () => {
    parentPort?.postMessage({ port: server.address().port, same: !stock && server instanceof own.Server });
  });
  parentPort?.once('message', () => {
    server.close();
    server.closeAllConnections();
  });
}
