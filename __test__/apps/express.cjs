'use strict';

const http = require('http');
const app = require('./express-app.cjs');
const serve = require('../support/serve.js');

serve(http.createServer(app));
