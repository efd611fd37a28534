'use strict';

// One driver suffices: the local one is the one that shows on sockets.

// What a program finds that looks at the classes and at live objects instead of using them: as in this node:http, but for what is
// listed here with its reason. Node 24's shapes are ours; on other releases nothing may be missing, and there may be more.

const assert = require('node:assert');
const { once } = require('node:events');
const { test } = require('node:test');
const stock = require('node:http');
const ferrohttp = require('..');
const { registered } = require('./support/registered.js');
const { liveShape, moduleShape } = require('./support/shapes.js');

const IS_REFERENCE = process.versions.node.startsWith('24.');

/** @typedef {{ at: RegExp, why: string }} Exception a difference that is meant, told by differences() as `at` has it */

/** What earlier releases have otherwise. @type {Exception[]} */
const EARLIER = [
  { at: /^ClientRequest .* (own|printed) path: /, why: "the prototype's since Node 24" },
  {
    at: /^(OutgoingMessage|ServerResponse|ClientRequest) .* (own|printed|enumerated) socket: /,
    why: "the prototype's since Node 22",
  },
];

/** @param {Exception[]} exceptions @param {string[]} differences */
function assertExcused(differences, exceptions) {
  const held = IS_REFERENCE ? differences : differences.filter((text) => text.endsWith('| missing'));
  const excused = IS_REFERENCE ? exceptions : [...exceptions, ...EARLIER];
  assert.deepStrictEqual(
    held.filter((text) => !excused.some(({ at }) => at.test(text))),
    [],
  );
  if (!IS_REFERENCE) return;
  const unused = exceptions.filter(({ at }) => !differences.some((text) => at.test(text)));
  assert.deepStrictEqual(unused, [], 'an exception nobody needs');
}

/**
 * @param {Record<string, string>} node
 * @param {Record<string, string>} ours
 * @param {string} prefix
 */
function differences(node, ours, prefix = '') {
  const names = new Set([...Object.keys(node), ...Object.keys(ours)]);
  // What only its own module can name is missed by nobody.
  const isPrivate = (name) => /^\[?Symbol\(\w+\)/.test(name) && ours[name] === undefined;
  return [...names]
    .filter((name) => node[name] !== ours[name] && !isPrivate(name))
    .map((name) => `${prefix}${name}: ${node[name] ?? 'none'} | ${ours[name] ?? 'missing'}`);
}

// --- classes --------------------------------------------------------------------------------------------------------

/** @type {Exception[]} */
const CLASS_EXCEPTIONS = [
  {
    at: /^IncomingMessage\.prototype\._readableState: none/,
    why: 'most requests have no body: their stream is made when looked at',
  },
  { at: /^IncomingMessage\.prototype\.raw(Headers|Trailers): none/, why: 'cut from the head when looked at' },
  {
    at: /^ServerResponse\.prototype\.prepend(Once)?Listener: none/,
    why: "the connection's own listener for 'finish' is put there before the first that goes before all others",
  },
  {
    at: /^(Incoming|Outgoing)Message\.prototype\.eventNames: none/,
    why: "EventEmitter's wants a table also of those that have no listeners",
  },
  { at: /^IncomingMessage\.prototype\.Symbol\(kAttachAbortSignal\)/, why: 'a step of its own in Node only' },
  {
    at: /^(Incoming|Outgoing)Message\.prototype\.Symbol\(nodejs\.util\.inspect\.custom\): none/,
    why: 'shows them as Node does',
  },
  {
    at: /prototype\.(_isLenientHeaderValidation|Symbol\(kDetachAbortSignal\)|Symbol\(nodejs\.rejection\)): .*function \//,
    why: 'without a name in Node',
  },
  {
    at: /\.validateHeader(Name|Value)\b/,
    why: 'Node wraps them to hide a stack frame: no parameters, and withoutStackTrace',
  },
  { at: /^(validateHeader(Name|Value))\.(withoutStackTrace|as a value|length)/, why: 'the same' },
];

test('the module and its classes have the properties, and the functions the names and lengths, of this node:http', () => {
  assertExcused(differences(moduleShape(stock), moduleShape(ferrohttp)), CLASS_EXCEPTIONS);
});

test('classes and their prototypes list their properties in the order of this node:http', () => {
  const classes = Object.entries(stock).filter(([, value]) => typeof value === 'function' && value.prototype);
  for (const [name, Stock] of classes) {
    if (Object.is(Stock, globalThis[name])) continue;
    for (const [node, ours] of [
      [Stock, ferrohttp[name]],
      [Stock.prototype, ferrohttp[name].prototype],
    ]) {
      const [here, there] = [Object.getOwnPropertyNames(node), Object.getOwnPropertyNames(ours)];
      assert.deepStrictEqual(
        there.filter((key) => here.includes(key)),
        here.filter((key) => there.includes(key)),
        name,
      );
    }
  }
});

/** The internals that packages require. */
const INTERNALS = ['_http_agent', '_http_client', '_http_common', '_http_incoming', '_http_outgoing', '_http_server'];

for (const name of INTERNALS) {
  test(`${name} exports what this Node's does`, () => {
    const names = (module) => Object.fromEntries(Object.keys(module).map((key) => [key, typeof module[key]]));
    assertExcused(differences(names(require(name)), registered(name)), []);
  });
}

// --- live objects ---------------------------------------------------------------------------------------------------

/**
 * One server, one keep-alive client, a GET and a POST: every object in each of its states.
 * @param {typeof import('node:http')} http
 */
async function lives(http) {
  /** @type {Record<string, ReturnType<typeof liveShape>>} */
  const shapes = {};
  const note = (name, object) => {
    shapes[name] = liveShape(object);
  };
  note('IncomingMessage alone', new http.IncomingMessage(null));
  note('OutgoingMessage alone', new http.OutgoingMessage());
  note('ServerResponse alone', new http.ServerResponse({ method: 'GET', httpVersionMajor: 1, httpVersionMinor: 1 }));

  const agent = new http.Agent({ keepAlive: true });
  note('Agent fresh', agent);
  const server = http.createServer((req, res) => {
    note(`IncomingMessage received (${req.method})`, req);
    note(`ServerResponse fresh (${req.method})`, res);
    note(`Socket of a request (${req.method})`, req.socket);
    req.resume();
    req.on('end', () => {
      note(`IncomingMessage read (${req.method})`, req);
      res.setHeader('X-One', '1');
      res.end('x');
      note(`ServerResponse ended (${req.method})`, res);
    });
  });
  note('Server fresh', server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  note('Server listening', server);

  const { port } = server.address();
  for (const method of ['GET', 'POST']) {
    const req = http.request({ port, host: '127.0.0.1', method, agent, headers: { a: 1 } });
    note(`ClientRequest fresh (${method})`, req);
    const res = await new Promise((resolve) => {
      req.on('response', (res) => {
        note(`ClientRequest answered (${method})`, req);
        note(`IncomingMessage as response (${method})`, res);
        note(`Agent busy (${method})`, agent);
        note(`Socket of a response (${method})`, res.socket);
        res.resume();
        res.on('close', () => resolve(res));
      });
      req.end(method === 'POST' ? 'body' : undefined);
    });
    note(`ClientRequest done (${method})`, req);
    note(`IncomingMessage as response, read (${method})`, res);
    await new Promise(setImmediate);
    note(`Agent idle (${method})`, agent);
  }
  agent.destroy();
  server.close();
  await once(server, 'close');
  note('Server closed', server);
  return shapes;
}

const names = (list) => Object.fromEntries(list.map((name) => [name, 'present']));

function liveDifferences(node, ours) {
  const found = [];
  for (const [state, shape] of Object.entries(node)) {
    const other = ours[state];
    for (const part of ['own', 'symbols', 'printed'])
      found.push(...differences(shape[part], other[part], `${state}, ${part} `));
    found.push(...differences(names(shape.enumerated), names(other.enumerated), `${state}, enumerated `));
    for (const part of ['chain', 'json']) {
      if (shape[part] !== other[part]) found.push(`${state}, ${part}: ${shape[part]} | ${other[part]}`);
    }
    const [here, there] = [shape, other].map(({ keys }) => keys.filter((key) => key in shape.own && key in other.own));
    if (String(here) !== String(there)) found.push(`${state}, order: ${here} | ${there}`);
  }
  return found;
}

/** @type {Exception[]} */
const LIVE_EXCEPTIONS = [
  { at: /own (_readableState|raw(Headers|Trailers)): .*missing$/, why: "made when looked at: the prototype's" },
  {
    at: /enumerated _readableState: present/,
    why: 'the same; on the prototype it is not enumerable, so that copying looks at none',
  },
  { at: /(own|printed) _events: /, why: 'an emitter without listeners needs no table' },
  {
    at: /^IncomingMessage.*((own|printed) _eventsCount: none|, order: )/,
    why: 'there from the start: one shape for all',
  },
  { at: /^\w+ alone, json: /, why: 'for the same four reasons' },
  {
    at: /^(IncomingMessage|OutgoingMessage|ServerResponse|ClientRequest).*, symbols /,
    why: 'state of ours; inspect does not show it',
  },
  { at: /printed Symbol\(kUniqueHeaders\): none/, why: 'there from the start: one shape for all' },
  { at: /printed _eventsCount: /, why: 'which listeners of its own an implementation needs' },
  { at: / printed parser: /, why: "a connection's or a response's, which the engine parses" },
  {
    at: /^Socket .* own (push|unshift|writableLength|on|addListener|prependListener|pause|resume): none/,
    why: 'while its descriptor is lent',
  },
  {
    at: /^Socket .* enumerated (push|unshift|on|addListener|prependListener|pause|resume): present/,
    why: 'not to be listed, they hide their like above',
  },
  {
    at: /^Socket of a response .* own (write|end): none/,
    why: 'ours while it was connecting; deleting them would slow it down',
  },
  { at: /^Socket of a response .* enumerated (write|end): present/, why: 'the same' },
  { at: /^Socket of a request \(POST\), .* timeout: /, why: 'no request arms or clears a timer' },
];

test('live objects list, enumerate, stringify and print as those of this node:http', { timeout: 60_000 }, async () => {
  const [node, ours] = [await lives(stock), await lives(ferrohttp)];
  assert.deepStrictEqual(Object.keys(ours), Object.keys(node));
  assertExcused(liveDifferences(node, ours), LIVE_EXCEPTIONS);
});
