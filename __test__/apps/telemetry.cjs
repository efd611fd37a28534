'use strict';

require('./telemetry-run.cjs')(require('http'));
