'use strict';

const { execFileSync } = require('node:child_process');
const path = require('node:path');

const REGISTER = path.resolve(__dirname, '../../register.cjs');
const NAMES =
  'const m = require(process.argv[1]); console.log(JSON.stringify(Object.entries(m).map(([k, v]) => [k, typeof v])))';

/**
 * What a module exports where ferrohttp is registered.
 * @param {string} name
 * @returns {Record<string, string>} typeof each, by name
 */
function registered(name) {
  const output = execFileSync(process.execPath, ['--require', REGISTER, '--eval', NAMES, name], { encoding: 'utf8' });
  return Object.fromEntries(JSON.parse(output));
}

module.exports = { registered };
