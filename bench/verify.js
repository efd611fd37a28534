'use strict';

const http = require('node:http');
const { requestBody } = require('./apps');

const REPEATS = 3;

/**
 * Asks the server with Node's own client, more than once over a connection, and compares the whole answers.
 * @param {import('./scenarios').Scenario} scenario
 * @param {import('./apps').App} app
 * @param {string} url
 * @returns {Promise<void>} rejects, saying how the answer differs
 */
async function verifyServer({ method = 'GET', bodyBytes = 0, fields = {} }, app, url) {
  const sent = requestBody(bodyBytes);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  try {
    for (let i = 0; i < REPEATS; i += 1) {
      const { res, body } = await exchange(url, { method, headers: fields, agent, timeout: 10_000 }, sent);
      verifyAnswer(res.statusCode, body, app.body(sent));
      for (const [name, value] of Object.entries(app.headers ?? {})) {
        const seen = String(res.headers[name.toLowerCase()]);
        if (seen !== value) throw new Error(`wrong answer: ${name} is ${seen}, not ${value}`);
      }
    }
  } finally {
    agent.destroy();
  }
}

/**
 * @param {number | undefined} status
 * @param {Buffer} body
 * @param {Buffer} expected
 */
function verifyAnswer(status, body, expected) {
  if (status !== 200) throw new Error(`wrong answer: status ${status}, not 200`);
  if (!body.equals(expected)) {
    throw new Error(`wrong answer: ${excerpt(body)}, not ${excerpt(expected)}`);
  }
}

/** @param {Buffer} body */
function excerpt(body) {
  return `${body.length} bytes ${JSON.stringify(body.toString('latin1', 0, 40))}`;
}

/**
 * @param {string} url
 * @param {http.RequestOptions} options
 * @param {Buffer} sent
 * @returns {Promise<{ res: http.IncomingMessage, body: Buffer }>}
 */
function exchange(url, options, sent) {
  return new Promise((resolve, reject) => {
    const req = http.request(url, options, (res) => {
      const chunks = [];
      res.on('data', (chunk) => chunks.push(chunk));
      res.on('end', () => resolve({ res, body: Buffer.concat(chunks) }));
      res.on('error', reject);
    });
    req.on('timeout', () => req.destroy(new Error('no answer within 10 s')));
    req.on('error', reject);
    req.end(sent.length > 0 ? sent : undefined);
  });
}

module.exports = { verifyServer, verifyAnswer };
