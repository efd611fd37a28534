'use strict';

// node children/require.js <module>: prints how many ms its first require takes.

const before = performance.now();
require(process.argv[2]);
console.log(performance.now() - before);
