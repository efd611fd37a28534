'use strict';

// node --require ferrohttp/register app.js
require('./lib/register/index.js');
