const assert = require('node:assert');
const { test } = require('node:test');
const { http } = require('./support/http.js');

const INTEGERS = [
  'connectionsCheckingInterval',
  'headersTimeout',
  'keepAliveTimeout',
  'keepAliveTimeoutBuffer',
  'maxHeaderSize',
  'requestTimeout',
];
const BOOLEANS = [
  'insecureHTTPParser',
  'joinDuplicateHeaders',
  'optimizeEmptyRequests',
  'rejectNonStandardBodyWrites',
  'requireHostHeader',
];

for (const name of INTEGERS) {
  test(`createServer refuses a ${name} that is no whole number of at least 0`, () => {
    for (const value of ['1', null, true, {}]) {
      assert.throws(() => http.createServer({ [name]: value }), { code: 'ERR_INVALID_ARG_TYPE', name: 'TypeError' });
    }
    for (const value of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.throws(() => http.createServer({ [name]: value }), { code: 'ERR_OUT_OF_RANGE', name: 'RangeError' });
    }
  });
}

for (const name of BOOLEANS) {
  test(`createServer refuses a ${name} that is no boolean`, () => {
    for (const value of [0, 'true', null, {}]) {
      assert.throws(() => http.createServer({ [name]: value }), { code: 'ERR_INVALID_ARG_TYPE' });
    }
  });
}

test('a server waits a second longer than the keep-alive time-out it announces, unless told otherwise', () => {
  assert.strictEqual(http.createServer().keepAliveTimeoutBuffer, 1000);
  assert.strictEqual(http.createServer({ keepAliveTimeoutBuffer: 0 }).keepAliveTimeoutBuffer, 0);
});

test('createServer refuses options that are no object', () => {
  for (const options of [1, 'x', true, []]) {
    assert.throws(() => http.createServer(/** @type {any} */ (options)), { code: 'ERR_INVALID_ARG_TYPE' });
  }
});

test('httpValidation takes three names, and not beside insecureHTTPParser', () => {
  for (const httpValidation of ['strict', 'relaxed', 'insecure']) {
    assert.strictEqual(http.createServer({ httpValidation }).httpValidation, httpValidation);
  }
  assert.throws(() => http.createServer({ httpValidation: 'lax' }), { code: 'ERR_INVALID_ARG_VALUE' });
  const both = { httpValidation: 'strict', insecureHTTPParser: true };
  assert.throws(() => http.createServer(both), {
    code: 'ERR_INVALID_ARG_VALUE',
    message: /cannot be used together with options\.insecureHTTPParser/,
  });
});

test('shouldUpgradeCallback must be a function', () => {
  assert.throws(() => http.createServer({ shouldUpgradeCallback: true }), { code: 'ERR_INVALID_ARG_TYPE' });
});

test('headersTimeout may not exceed requestTimeout, and defaults to the smaller of it and a minute', () => {
  assert.throws(() => http.createServer({ headersTimeout: 2, requestTimeout: 1 }), { code: 'ERR_OUT_OF_RANGE' });
  assert.strictEqual(http.createServer({ requestTimeout: 5 }).headersTimeout, 5);
  assert.strictEqual(http.createServer({ requestTimeout: 0, headersTimeout: 7 }).headersTimeout, 7);
  assert.strictEqual(http.createServer().headersTimeout, 60_000);
});

test('a Server has the properties of the host’s', () => {
  const host = new (require('node:http').Server)();
  const own = /** @type {any} */ (http.createServer());
  for (const [name, value] of Object.entries(host)) {
    if (typeof value === 'function' || (typeof value === 'object' && value !== null)) continue;
    assert.deepStrictEqual([name, own[name]], [name, value]);
  }
  assert.deepStrictEqual(
    Reflect.ownKeys(http.Server.prototype).map(String).sort(),
    Reflect.ownKeys(Object.getPrototypeOf(host)).map(String).sort(),
  );
});

test('Server and ServerResponse are functions, called with new or without', () => {
  assert.ok(/** @type {any} */ (http.Server)() instanceof http.Server);
  const req = { method: 'HEAD', httpVersionMajor: 1, httpVersionMinor: 1 };
  const own = Object.create(http.ServerResponse.prototype);
  /** @type {any} */ (http.ServerResponse).call(own, req);
  assert.strictEqual(own._hasBody, false);
  class Derived extends http.ServerResponse {}
  assert.strictEqual(new Derived(/** @type {any} */ (req)).statusCode, 200);
});
