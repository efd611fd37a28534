'use strict';

const fs = require('node:fs');
const Koa = require('koa');
const serve = require('../support/serve.js');

const app = new Koa();
app.silent = true;
app.use(async (ctx, next) => {
  await next();
  ctx.set('X-Matched', String(ctx.status));
});
app.use(async (ctx) => {
  switch (ctx.path) {
    case '/hello':
      ctx.body = { hello: ctx.query.name, fresh: ctx.fresh, ip: ctx.ip };
      break;
    case '/upload': {
      let bytes = 0;
      for await (const chunk of ctx.req) bytes += chunk.length;
      ctx.body = `${bytes}`;
      break;
    }
    case '/stream':
      ctx.type = 'json';
      ctx.body = fs.createReadStream(require.resolve('koa/package.json'));
      break;
    case '/fail':
      ctx.throw(422, 'not like this');
  }
});

// app.listen() makes its server from the http it loaded, as an application would have it.
const server = require('http').createServer(app.callback());
serve(server);
