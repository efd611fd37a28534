'use strict';

/**
 * The http module a child is to use.
 * @param {string} engine 'node' | 'ferrohttp'
 * @param {boolean} registered the process was started with register.mjs
 * @returns {typeof import('node:http')}
 */
function loadEngine(engine, registered) {
  if (engine === 'node') return require('node:http');
  if (engine !== 'ferrohttp') throw new Error(`no http module called ${engine}`);
  const ferrohttp = require('../..');
  if (registered && require('node:http').Server !== ferrohttp.Server) {
    throw new Error('register.mjs did not put ferrohttp in place of node:http');
  }
  return ferrohttp;
}

module.exports = { loadEngine };
