'use strict';

const assert = require('node:assert');
const path = require('node:path');
const { test } = require('node:test');
const { registerArgs, run } = require('./support/child.js');

/**
 * What an application in __test__/apps prints.
 * @param {string} name
 * @param {...string} args
 */
async function printed(name, ...args) {
  const { code, stdout, stderr } = await run([...registerArgs, path.join(__dirname, 'apps', name), ...args]);
  // Node 26's notice to whoever looks at the global localStorage, as MSW does.
  const errors = stderr.replace(/^\(node:\d+\) ExperimentalWarning: localStorage.*\n\(Use .*\n/gm, '');
  assert.deepStrictEqual({ code, errors }, { code: 0, errors: '' });
  return JSON.parse(stdout);
}

const options = { timeout: 120_000 };

test('nock answers, delays, fails and refuses requests, and lets others through', options, async () => {
  const { refused, ...others } = await printed('nock.cjs');
  assert.strictEqual(refused.code, 'ERR_NOCK_NO_MATCH');
  assert.deepStrictEqual(others, {
    json: { status: 200, kind: 'application/json', text: '{"n":1}' },
    post: { status: 201, text: '/post {"a":[1,2]}' },
    error: { code: 'EMADEUP', message: 'made up' },
    done: true,
    through: { status: 200, kind: 'text/real', text: 'real' },
    half: { status: 202, text: 'mocked' },
    restored: { status: 200, kind: 'text/real', text: 'restored' },
  });
});

test('MSW answers requests, and passes others on, with the events of a real one', options, async () => {
  const events = ['socket', 'finish', 'response', 'close'];
  assert.deepStrictEqual(await printed('msw.mjs'), {
    json: { status: 200, by: 'mock', text: '{"n":1}', events },
    echo: { status: 201, text: 'a bc', events },
    stream: { status: 200, text: 'one two three', events },
    error: { message: 'Network error' },
    through: { status: 200, by: 'server', text: 'to the server', events },
    changed: { status: 203, by: 'mock', text: 'changed GET /changed', events },
    unhandled: { status: 200, by: 'server', text: 'not known', events },
    closed: { status: 200, by: 'server', text: 'unpatched', events },
  });
});

/** What agents.mjs prints of each package's agent. @type {Record<string, unknown>} */
const agents = {
  agentkeepalive: {
    texts: ['/1', '/2', '/3', '/4'].map((target) => `GET ${target} true `),
    reused: [false, false, false, false],
    again: { status: 200, text: 'POST /5 true body', reused: true },
    counts: { createSocketCount: 2, closeSocketCount: 0, requestCount: 5, free: 2, busy: {} },
    late: 'ERR_SOCKET_TIMEOUT',
    created: 2,
    timedOut: 1,
  },
  'agent-base': {
    answers: ['/1', '/2'].map((target) => ({ status: 200, text: `GET ${target} true `, reused: false })),
    seen: [[true, false, true]],
    idle: [1],
    failed: 'no connection',
    delegated: { status: 200, text: 'GET /delegated true ', reused: false },
  },
  'http-proxy-agent': {
    first: { status: 200, text: 'GET /first true ', reused: false },
    second: { status: 200, text: 'POST /second true body', reused: true },
    asked: ['GET true Basic dXNlcjpzZWNyZXQ= yes', 'POST true Basic dXNlcjpzZWNyZXQ= yes'],
  },
  'https-proxy-agent': {
    first: { status: 200, text: 'GET /first true ', reused: false },
    second: { status: 200, text: 'POST /second true body', reused: true },
    refused: { status: 403, text: 'refused', reused: false },
    asked: ['CONNECT true Basic dXNlcjpzZWNyZXQ= yes', 'CONNECT true Basic dXNlcjpzZWNyZXQ= refuse'],
  },
};

for (const [name, expected] of Object.entries(agents)) {
  test(`${name}: its agents keep, reuse and give up sockets`, options, async () => {
    assert.deepStrictEqual(await printed('agents.mjs', name), expected);
  });
}
