'use strict';

// One driver suffices: nothing is sent.

const assert = require('node:assert');
const { test } = require('node:test');
const stock = require('node:http');
const ferrohttp = require('..');

// Each call is made on node:http's classes and on ours: the two errors must be told apart by nothing.

const VALUES = {
  undefined: undefined,
  null: null,
  zero: 0,
  'minus zero': -0,
  'a fraction': 1.5,
  NaN: Number.NaN,
  infinity: Number.POSITIVE_INFINITY,
  'a large number': 5e9,
  'a negative number': -1,
  'a bigint': 10n,
  'an empty string': '',
  'a string': 'abc def',
  'a long string': 'x'.repeat(29),
  'a string with a quote': "it's",
  true: true,
  'a symbol': Symbol('name'),
  'a named function': function named() {},
  'a class': class Named {},
  'an object': {},
  'an array': [1],
  'an object without a prototype': Object.create(null),
  'a Map': new Map([['a b', 'c']]),
  'a Date': new Date(0),
};

const CALLS = {
  'setHeader, as a name': ({ OutgoingMessage }, value) => new OutgoingMessage().setHeader(value, '1'),
  'setHeader, as a value': ({ OutgoingMessage }, value) => new OutgoingMessage().setHeader('a', value),
  'getHeader, as a name': ({ OutgoingMessage }, value) => new OutgoingMessage().getHeader(value),
  'hasHeader, as a name': ({ OutgoingMessage }, value) => new OutgoingMessage().hasHeader(value),
  'removeHeader, as a name': ({ OutgoingMessage }, value) => new OutgoingMessage().removeHeader(value),
  'setHeaders, as the fields': ({ OutgoingMessage }, value) => new OutgoingMessage().setHeaders(value),
  'write, as the chunk': ({ ServerResponse }, value) => new ServerResponse({ method: 'GET' }).write(value),
  'writeHead, as the status': ({ ServerResponse }, value) => new ServerResponse({ method: 'GET' }).writeHead(value),
  'writeEarlyHints, as the hints': ({ ServerResponse }, value) =>
    new ServerResponse({ method: 'GET' }).writeEarlyHints(value),
  'writeEarlyHints, as the link': ({ ServerResponse }, value) => {
    new ServerResponse({ method: 'GET' }).writeEarlyHints({ link: value });
  },
  'validateHeaderName, as the name': ({ validateHeaderName }, value) => validateHeaderName(value),
  'validateHeaderValue, as the value': ({ validateHeaderValue }, value) => validateHeaderValue('a', value),
  'setMaxIdleHTTPParsers, as the bound': ({ setMaxIdleHTTPParsers }, value) => setMaxIdleHTTPParsers(value),
  '_implicitHeader, as nothing': ({ OutgoingMessage }) => new OutgoingMessage()._implicitHeader(),
  '_storeHeader, as fields': ({ ServerResponse }, value) => {
    new ServerResponse({ method: 'GET' })._storeHeader('HTTP/1.1 200 OK\r\n', ['a', value, 'b']);
  },
};

function errorOf(call, module, value) {
  try {
    call(module, value);
  } catch (err) {
    const { name, code, message, stack } = err;
    const heading = stack.slice(0, stack.indexOf('\n    at '));
    const maker = Object.getPrototypeOf(err).constructor;
    return {
      name,
      code,
      message,
      text: `${err}`,
      heading,
      maker,
      keys: Object.keys(err),
      isError: err instanceof Error,
    };
  }
  return undefined;
}

for (const [what, call] of Object.entries(CALLS)) {
  test(`what is passed to ${what} is refused as node:http refuses it`, () => {
    let refused = 0;
    for (const [name, value] of Object.entries(VALUES)) {
      const expected = errorOf(call, stock, value);
      assert.deepStrictEqual(errorOf(call, ferrohttp, value), expected, name);
      if (expected) refused++;
    }
    assert.ok(refused > 0);
  });
}

for (const character of [
  '\0',
  '\b',
  '\t',
  '\n',
  '\r',
  ' ',
  '"',
  '(',
  '/',
  ':',
  '@',
  '{',
  '\x7f',
  '\x80',
  '\xff',
  '\u0100',
  '\ud83d',
]) {
  test(`${JSON.stringify(character)} is allowed where node:http allows it`, () => {
    for (const text of [character, `a${character}b`, `a long name ${character}`, `a-long-name-${character}`]) {
      const { _checkIsHttpToken, _checkInvalidHeaderChar } = require('../lib/common');
      const theirs = require('node:_http_common');
      assert.strictEqual(_checkIsHttpToken(text), theirs._checkIsHttpToken(text));
      assert.strictEqual(_checkInvalidHeaderChar(text), theirs._checkInvalidHeaderChar(text));
    }
  });
}
