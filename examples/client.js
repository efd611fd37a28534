'use strict';

// node examples/client.js [url]: fetches it twice over one kept-alive connection. Without a url it asks a server of its own.

const http = require('ferrohttp');

const agent = new http.Agent({ keepAlive: true });

/**
 * @param {string} url
 * @returns {Promise<string>} one line about the answer
 */
function fetchOnce(url) {
  return new Promise((resolve, reject) => {
    const req = http.get(url, { agent }, (res) => {
      let bytes = 0;
      res.on('data', (chunk) => {
        bytes += chunk.length;
      });
      res.on('end', () => {
        const connection = req.reusedSocket ? 'the same connection' : 'a new connection';
        resolve(`${res.statusCode} ${res.statusMessage}: ${bytes} bytes over ${connection}`);
      });
      res.on('error', reject);
    });
    req.on('error', reject);
  });
}

/** @param {string} url */
async function fetchTwice(url) {
  console.log(await fetchOnce(url));
  console.log(await fetchOnce(url));
  agent.destroy();
}

/** @param {Error} err */
function fail(err) {
  console.error(`examples/client.js: ${err.message}`);
  process.exitCode = 1;
}

if (process.argv[2]) {
  fetchTwice(process.argv[2]).catch(fail);
} else {
  const server = http.createServer((_req, res) => res.end('Hello from ferrohttp\n'));
  server.listen(0, '127.0.0.1', () => {
    fetchTwice(`http://127.0.0.1:${server.address().port}/`)
      .catch(fail)
      .finally(() => server.close());
  });
}
