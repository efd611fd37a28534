'use strict';

// Prints, as one JSON line, how each way to http compares with what require(<package>) gives.
const { createRequire } = require('node:module');
const ferrohttp = require('../..');

async function look() {
  const report = {
    bare: require('http') === ferrohttp,
    prefixed: require('node:http') === ferrohttp,
    createRequire: createRequire(__filename)('http') === ferrohttp,
    getBuiltinModule: process.getBuiltinModule === undefined || process.getBuiltinModule('http') === ferrohttp,
    importBare: (await import('http')).default === ferrohttp,
    importPrefixed: (await import('node:http')).default === ferrohttp,
    importNamed: (await import('http')).createServer === ferrohttp.createServer,
    oneNamespace: (await import('http')) === (await import('node:http')),
    fromModule: await import('./identity-static.mjs').then((m) => m.same(ferrohttp)),
  };
  const parts = {
    ...require('../../lib/register/parts.js'),
    common: require('../../lib/http_common.js'),
    server: require('../../lib/server.js'),
  };
  for (const [part, own] of Object.entries(parts)) {
    report[part] =
      require(`_http_${part}`) === own &&
      require(`node:_http_${part}`) === own &&
      (await import(`_http_${part}`)).default === own &&
      (await import(`node:_http_${part}`)).default === own;
  }
  return report;
}

module.exports = look();

if (require.main === module) module.exports.then((report) => console.log(JSON.stringify(report)));
