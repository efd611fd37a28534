'use strict';

// Load generators: wrk where it is installed, else autocannon.

const { spawnSync } = require('node:child_process');
const os = require('node:os');
const path = require('node:path');
const { requestBody } = require('./apps');
const { runProgram } = require('./processes');

/** ms before the first requests, where there is a think time; see load.lua. */
const REST = 300;
const TIMEOUT = 10; // seconds an answer may take; generous, for a shared machine

/**
 * @typedef {object} Load
 * @property {number} requests answered
 * @property {number} seconds
 * @property {number} bytes received, heads included
 * @property {number} p50 µs from a request to its answer, median
 * @property {number} p99 µs, the 99th percentile
 * @property {string[]} errors socket errors, time-outs and refusals, named and counted
 */

/** @returns {'wrk' | 'autocannon'} the better generator of those there are */
function availableGenerator() {
  return spawnSync('wrk', ['-v']).error ? 'autocannon' : 'wrk';
}

/**
 * @param {'wrk' | 'autocannon'} generator
 * @param {import('./scenarios').Scenario} scenario
 * @param {string} url
 * @param {number} seconds whole
 * @returns {Promise<Load>}
 */
function load(generator, scenario, url, seconds) {
  return generator === 'wrk' ? loadByWrk(scenario, url, seconds) : loadByAutocannon(scenario, url, seconds);
}

/**
 * @param {import('./scenarios').Scenario} scenario
 * @param {string} url
 * @param {number} seconds
 * @returns {Promise<Load>}
 */
async function loadByWrk(scenario, url, seconds) {
  const { connections = 1, depth = 1, method = 'GET', bodyBytes = 0, fields = {}, think = 0 } = scenario;
  const threads = Math.min(connections, Math.max(1, Math.min(4, os.availableParallelism() >> 1)));
  const args = [`-t${threads}`, `-c${connections}`, `-d${seconds}s`, '--timeout', `${TIMEOUT}s`];
  for (const [name, value] of Object.entries(fields)) args.push('-H', `${name}: ${value}`);
  const rest = think > 0 ? REST : 0;
  const forScript = [depth, method, bodyBytes, Math.floor(connections / threads), rest, think];
  args.push('-s', path.join(__dirname, 'load.lua'), url, '--', ...forScript.map(String));
  const output = await runProgram('wrk', args);
  const totals = JSON.parse(output.trimEnd().slice(output.trimEnd().lastIndexOf('\n') + 1));
  return {
    requests: totals.requests,
    seconds: (totals.microseconds - rest * 1000) / 1e6,
    bytes: totals.bytes,
    p50: totals.p50,
    p99: totals.p99,
    errors: counted(totals.errors),
  };
}

/**
 * @param {import('./scenarios').Scenario} scenario
 * @param {string} url
 * @param {number} seconds
 * @returns {Promise<Load>}
 */
async function loadByAutocannon(scenario, url, seconds) {
  const { connections = 1, depth = 1, method = 'GET', bodyBytes = 0, fields, think = 0 } = scenario;
  if (think > 0) throw new Error('it takes wrk: autocannon has no think time');
  const autocannon = require('autocannon');
  const result = await autocannon({
    url,
    connections,
    pipelining: depth,
    method: /** @type {any} */ (method),
    headers: fields,
    body: bodyBytes > 0 ? requestBody(bodyBytes) : undefined,
    duration: seconds,
    timeout: TIMEOUT,
  });
  return {
    requests: result.requests.total,
    seconds: result.duration,
    bytes: result.throughput.total,
    p50: result.latency.p50 * 1000, // it tells whole ms
    p99: result.latency.p99 * 1000,
    errors: counted({ socket: result.errors - result.timeouts, timeout: result.timeouts, status: result.non2xx }),
  };
}

/**
 * @param {Record<string, number>} errors
 * @returns {string[]}
 */
function counted(errors) {
  return Object.entries(errors).flatMap(([name, count]) => (count > 0 ? [`${count} ${name} errors`] : []));
}

module.exports = { availableGenerator, load };
