'use strict';

// What `npm start` serves: the Express application of app.js on ferrohttp. PORT chooses the port, else a free one is taken.

const http = require('ferrohttp');
const { version } = require('../package.json');
const app = require('./app');

app.set('engine', `ferrohttp ${version}`);

const server = http.createServer(app);
server.on('error', (err) => {
  console.error(`examples/server.js: ${err.message}`);
  process.exitCode = 1;
});
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}/`);
});

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    server.close();
    server.closeAllConnections();
  });
}
