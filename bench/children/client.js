'use strict';

// node children/client.js <engine>: keeps sockets busy with requests to a server in another process.

const { answerParent } = require('../processes');
const { requestBody } = require('../apps');
const { loadEngine } = require('./engine');
const { sample } = require('./sample');

const [engine] = process.argv.slice(2);

/**
 * One request. `onChunk` sees the answer's body, `onDone` its end.
 * @typedef {(onChunk: (chunk: Buffer) => void, onDone: (err: Error | null, status?: number) => void) => void} Issue
 */

/** @returns {Issue} */
function issueByHttp({ port, connections, method, bodyBytes }) {
  const http = loadEngine(engine, false);
  const agent = new http.Agent({ keepAlive: true, maxSockets: connections });
  const body = requestBody(bodyBytes);
  const headers = bodyBytes > 0 ? { 'Content-Length': bodyBytes } : {};
  const options = { host: '127.0.0.1', port, path: '/', method, headers, agent };
  return (onChunk, onDone) => {
    const req = http.request(options, (res) => {
      res.on('data', onChunk);
      res.on('end', () => onDone(null, res.statusCode));
      res.on('error', onDone);
    });
    req.on('error', onDone);
    req.end(bodyBytes > 0 ? body : undefined);
  };
}

/** @returns {Issue} */
function issueByUndici({ port, connections, method, bodyBytes }) {
  const undici = require('undici');
  const dispatcher = new undici.Agent({ connections, pipelining: 1 });
  const body = bodyBytes > 0 ? requestBody(bodyBytes) : undefined;
  const url = `http://127.0.0.1:${port}/`;
  return (onChunk, onDone) => {
    undici.request(url, { dispatcher, method, body }).then((res) => {
      res.body.on('data', onChunk);
      res.body.on('end', () => onDone(null, res.statusCode));
      res.body.on('error', onDone);
    }, onDone);
  };
}

/** @type {Issue} */
let issue;

answerParent({
  prepare(details) {
    issue = engine === 'undici' ? issueByUndici(details) : issueByHttp(details);
  },

  /** One answer, whole. */
  once() {
    const chunks = [];
    return new Promise((resolve, reject) => {
      issue(
        (chunk) => chunks.push(chunk),
        (err, status) => (err ? reject(err) : resolve({ status, body: Buffer.concat(chunks).toString('latin1') })),
      );
    });
  },

  /** Keeps `connections` requests in flight for `seconds`; each answer must be a 200 of `answerBytes`. */
  run({ connections, seconds, answerBytes }) {
    const before = sample(engine);
    const started = performance.now();
    let over = false;
    setTimeout(() => {
      over = true;
    }, seconds * 1000);
    const faults = new Map();
    let requests = 0;
    let inFlight = connections;
    return new Promise((resolve) => {
      const next = () => {
        let bytes = 0;
        issue(
          (chunk) => {
            bytes += chunk.length;
          },
          (err, status) => {
            if (!err && status === 200 && bytes === answerBytes) {
              requests += 1;
            } else {
              const fault = err ? String(err) : `status ${status}, ${bytes} bytes`;
              faults.set(fault, (faults.get(fault) ?? 0) + 1);
            }
            if (!over) {
              next();
              return;
            }
            inFlight -= 1;
            if (inFlight > 0) return;
            const errors = Array.from(faults, ([text, count]) => `${count} × ${text}`);
            resolve({ requests, seconds: (performance.now() - started) / 1000, errors, before, after: sample(engine) });
          },
        );
      };
      for (let i = 0; i < connections; i += 1) next();
    });
  },
});
