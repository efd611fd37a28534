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
  for (const part of ['agent', 'client', 'common', 'incoming', 'outgoing', 'server']) {
    // `common` is the one whose name stood for something else already.
    const own = require(part === 'common' ? '../../lib/http_common.js' : `../../lib/${part}.js`);
    const given = require(`_http_${part}`);
    // Of a part's own exports, only those that Node's part has are given.
    report[part] =
      Object.keys(given).length > 0 &&
      Object.keys(given).every((name) => given[name] === own[name]) &&
      require(`node:_http_${part}`) === given &&
      (await import(`_http_${part}`)).default === given &&
      (await import(`node:_http_${part}`)).default === given;
  }
  return report;
}

module.exports = look();

if (require.main === module) module.exports.then((report) => console.log(JSON.stringify(report)));
