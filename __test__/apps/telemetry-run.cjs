'use strict';

// What telemetry.cjs and telemetry.mjs do with the http they have loaded: a request whose handler makes another. Prints the spans, as JSON.

const { http: own, stock } = require('../support/http.js');

/** Span kinds by number. @type {Record<number, string>} */
const KINDS = { 1: 'server', 2: 'client' };

/** @param {{ createServer: typeof import('http').createServer, get: typeof import('http').get }} http */
module.exports = function run({ createServer, get }) {
  const server = createServer((req, res) => {
    if (req.url === '/inner') res.end(String(req.headers.traceparent !== undefined));
    else get(`${base}/inner`, (answer) => answer.pipe(res));
  });
  let base = '';
  server.listen(0, '127.0.0.1', () => {
    base = `http://127.0.0.1:${/** @type {import('net').AddressInfo} */ (server.address()).port}`;
    get(`${base}/outer`, (res) => {
      let text = '';
      res.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
      res.on('end', () => {
        server.close();
        report(text);
      });
    });
  });

  /** @param {string} text A server's span ends when its response has closed, which a client may see first. */
  function report(text) {
    /** @type {any[]} */
    const spans = /** @type {any} */ (globalThis).finishedSpans();
    if (spans.length < 4) return setTimeout(report, 5, text).ref();
    const rows = spans.map(({ kind, attributes }) => `${KINDS[kind]} ${pathOf(attributes)} ${statusOf(attributes)}`);
    const ids = spans.map((span) => span.spanContext().spanId);
    const parents = spans.map((span) => rows[ids.indexOf(span.parentSpanContext?.spanId)] ?? null);
    const traces = new Set(spans.map((span) => span.spanContext().traceId));
    console.log(
      JSON.stringify({
        ferrohttp: !stock && server instanceof own.Server,
        text,
        traces: traces.size,
        parents: Object.fromEntries(rows.map((row, i) => [row, parents[i]])),
      }),
    );
  }
};

/** Attributes have had two sets of names. @param {Record<string, any>} attributes */
function pathOf(attributes) {
  return attributes['http.target'] ?? attributes['url.path'] ?? new URL(attributes['url.full']).pathname;
}

/** @param {Record<string, any>} attributes */
function statusOf(attributes) {
  return attributes['http.status_code'] ?? attributes['http.response.status_code'];
}
