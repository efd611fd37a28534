'use strict';

// node children/require.js <engine>: prints how many ms the first require takes.

const { loadEngine } = require('./engine');

const before = performance.now();
loadEngine(process.argv[2], false);
console.log(performance.now() - before);
