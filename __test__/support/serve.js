'use strict';

const { http, stock } = require('./http.js');

/**
 * The last line of an application under test: listens, tells the test its port and whose server it is, and closes when
 * the test has heard enough. Nothing here ends the process: it ends when nothing holds it any longer.
 * @param {import('node:http').Server} server
 */
module.exports = function serve(server) {
  server.listen(0, '127.0.0.1', () => {
    const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
    process.send?.({ port, ferrohttp: !stock && server instanceof http.Server });
  });
  process.once('disconnect', () => server.close());
};
