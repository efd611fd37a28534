'use strict';

// The example's application on whatever http is under test.
const { http } = require('../support/http.js');
const serve = require('../support/serve.js');

const server = http.createServer(require('../../examples/app.js'));
process.once('disconnect', () => server.closeAllConnections());
serve(server);
