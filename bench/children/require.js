'use strict';

// node children/require.js <module>: prints how many ms its first require takes.

// Not by `performance`, which loads modules that the required one may load, or spare.
const before = process.hrtime.bigint();
require(process.argv[2]);
console.log(Number(process.hrtime.bigint() - before) / 1e6);
