'use strict';

// npm run build, npm run build:debug.

const { parseArgs } = require('node:util');
const { ensureBuilt } = require('./prepare');
const { main } = require('./process');

const { values } = parseArgs({ options: { debug: { type: 'boolean', default: false } } });

main(ensureBuilt(values.debug ? 'dev' : 'release').then(() => {}));
