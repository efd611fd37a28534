'use strict';

// Express loads the host's http itself, and only the server is ours.
const app = require('./express-app.cjs');
const { http } = require('../support/http.js');
const serve = require('../support/serve.js');

serve(http.createServer(app));
