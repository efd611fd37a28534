'use strict';

// One driver suffices: nothing is sent.

const assert = require('node:assert');
const { test } = require('node:test');
const stock = require('node:http');
const ferrohttp = require('..');

function shapeOf(module) {
  return Object.entries(Object.getOwnPropertyDescriptors(module)).map(
    ([name, { get, set, enumerable, configurable }]) => {
      return { name, read: Boolean(get), written: Boolean(set), enumerable, configurable };
    },
  );
}

// They speak no HTTP of ours. Not all are global on every Node that has them here.
const HOSTS_OWN = ['WebSocket', 'CloseEvent', 'MessageEvent'];

test("the module has this node:http's names, in its order, each of its kind", () => {
  assert.deepStrictEqual(shapeOf(ferrohttp), shapeOf(stock));
  for (const [name, value] of Object.entries(stock)) {
    if (name === 'globalAgent') continue;
    if (typeof value === 'function' && !HOSTS_OWN.includes(name)) {
      assert.strictEqual(typeof ferrohttp[name], 'function', name);
      assert.notStrictEqual(ferrohttp[name], value, name);
    } else {
      assert.deepStrictEqual(ferrohttp[name], value, name);
    }
  }
});

test('no method of a class of node:http is missing', () => {
  const missing = [];
  for (const [name, Class] of Object.entries(stock)) {
    if (typeof Class !== 'function' || Object.keys(Class.prototype ?? {}).length === 0) continue;
    for (const key of Object.keys(Object.getOwnPropertyDescriptors(Class.prototype))) {
      // Deprecated long ago, and gone from the newest releases.
      if (['_headers', '_headerNames'].includes(key)) continue;
      if (!(key in ferrohttp[name].prototype)) missing.push(`${name}.prototype.${key}`);
    }
  }
  assert.deepStrictEqual(missing, []);
});

test('a message says whom it tells of what, also when it is nobody', () => {
  const messages = [
    new ferrohttp.OutgoingMessage(),
    new ferrohttp.ServerResponse({ method: 'GET' }),
    new ferrohttp.IncomingMessage(null),
  ];
  for (const message of messages) {
    const listener = () => {};
    assert.deepStrictEqual(message.eventNames(), []);
    message.on('close', listener);
    assert.deepStrictEqual(message.eventNames(), ['close']);
    message.off('close', listener);
    assert.deepStrictEqual(message.eventNames(), []);
  }
});

test('globalAgent can be replaced, and put back', () => {
  const { globalAgent } = ferrohttp;
  const other = new ferrohttp.Agent();
  ferrohttp.globalAgent = other;
  try {
    assert.strictEqual(ferrohttp.globalAgent, other);
  } finally {
    ferrohttp.globalAgent = globalAgent;
  }
  assert.strictEqual(ferrohttp.globalAgent, globalAgent);
});
