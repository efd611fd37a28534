// Agents from the wild under whatever http this process has. Prints what came of each as JSON.
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { Agent as BaseAgent } from 'agent-base';
import KeepAliveAgent from 'agentkeepalive';
import { HttpProxyAgent } from 'http-proxy-agent';
import { HttpsProxyAgent } from 'https-proxy-agent';

/** @param {http.Server} server */
async function listen(server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return /** @type {net.AddressInfo} */ (server.address()).port;
}

/** @param {http.RequestOptions} options @param {string} [body] */
async function fetchText(options, body) {
  const req = http.request(options);
  req.end(body);
  const [res] = await once(req, 'response');
  let text = '';
  for await (const chunk of res.setEncoding('utf8')) text += chunk;
  return { status: res.statusCode, text, reused: req.reusedSocket };
}

/** The next turn of the loop but one: a socket that is done with is back in its pool. */
const turns = () => new Promise((resolve) => setTimeout(resolve, 20));

const origin = http.createServer((req, res) => {
  if (req.url === '/never') return;
  req.setEncoding('utf8');
  let text = '';
  req.on('data', (chunk) => {
    text += chunk;
  });
  req.on('end', () => res.end(`${req.method} ${req.url} ${req.headers.host === `127.0.0.1:${port}`} ${text}`));
});
const port = await listen(origin);

/** Forwards absolute-form requests, and digs tunnels. @type {string[]} */
const asked = [];
const proxy = http.createServer((req, res) => {
  const { pathname, host } = new URL(/** @type {string} */ (req.url));
  asked.push(
    `${req.method} ${host === `127.0.0.1:${port}`} ${req.headers['proxy-authorization']} ${req.headers['x-extra']}`,
  );
  const onward = http.request(
    { host: '127.0.0.1', port, method: req.method, path: pathname, headers: { host } },
    (answer) => {
      res.writeHead(/** @type {number} */ (answer.statusCode), answer.headers);
      answer.pipe(res);
    },
  );
  req.pipe(onward);
});
proxy.on('connect', (req, socket, head) => {
  asked.push(
    `CONNECT ${req.url === `127.0.0.1:${port}`} ${req.headers['proxy-authorization']} ${req.headers['x-extra']}`,
  );
  if (req.headers['x-extra'] === 'refuse') return socket.end('HTTP/1.1 403 No\r\nContent-Length: 7\r\n\r\nrefused');
  const onward = net.connect(port, '127.0.0.1', () => {
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    onward.write(head);
    socket.pipe(onward).pipe(socket);
  });
});
const proxyPort = await listen(proxy);
const target = { host: '127.0.0.1', port };

/** @type {Record<string, () => Promise<unknown>>} */
const agents = {
  async agentkeepalive() {
    const agent = new KeepAliveAgent({ maxSockets: 2, freeSocketTimeout: 10_000, timeout: 60_000 });
    const all = await Promise.all(['/1', '/2', '/3', '/4'].map((path) => fetchText({ ...target, agent, path })));
    await turns();
    const again = await fetchText({ ...target, agent, path: '/5', method: 'POST' }, 'body');
    await turns();
    const { createSocketCount, closeSocketCount, requestCount, freeSockets, sockets } = agent.getCurrentStatus();
    const [name] = Object.keys(freeSockets);
    const counts = { createSocketCount, closeSocketCount, requestCount, free: freeSockets[name], busy: sockets };
    const late = await fetchText({ ...target, agent, path: '/never', timeout: 50 }).catch((err) => err.code);
    agent.destroy();

    const brief = new KeepAliveAgent({ maxSockets: 1, freeSocketTimeout: 30 });
    await fetchText({ ...target, agent: brief });
    while (Object.keys(brief.freeSockets).length > 0) await turns();
    await fetchText({ ...target, agent: brief });
    const { createSocketCount: created, timeoutSocketCount: timedOut } = brief.getCurrentStatus();
    brief.destroy();
    return {
      texts: all.map(({ text }) => text),
      reused: all.map(({ reused }) => reused),
      again,
      counts,
      late,
      created,
      timedOut,
    };
  },

  async 'agent-base'() {
    /** @type {unknown[]} */
    const seen = [];
    class Own extends BaseAgent {
      /** @param {http.ClientRequest} req @param {any} options */
      async connect(req, options) {
        seen.push([req instanceof http.ClientRequest, options.secureEndpoint, options.port === port]);
        await turns();
        return net.connect(options);
      }
    }
    const agent = new Own({ keepAlive: true, maxSockets: 1 });
    const answers = await Promise.all(['/1', '/2'].map((path) => fetchText({ ...target, agent, path })));
    await turns();
    const idle = Object.values(agent.freeSockets).map((sockets) => sockets?.length);
    agent.destroy();

    class Failing extends BaseAgent {
      async connect() {
        await turns();
        throw new Error('no connection');
      }
    }
    const failed = await fetchText({ ...target, agent: new Failing() }).catch((err) => err.message);
    class Delegating extends BaseAgent {
      async connect() {
        return new http.Agent();
      }
    }
    const delegated = await fetchText({ ...target, agent: new Delegating(), path: '/delegated' });
    return { answers, seen, idle, failed, delegated };
  },

  async 'http-proxy-agent'() {
    const url = `http://user:secret@127.0.0.1:${proxyPort}`;
    const agent = new HttpProxyAgent(url, { keepAlive: true, headers: { 'X-Extra': 'yes' } });
    const first = await fetchText({ ...target, agent, path: '/first' });
    await turns();
    const second = await fetchText({ ...target, agent, path: '/second', method: 'POST' }, 'body');
    agent.destroy();
    return { first, second, asked: asked.splice(0) };
  },

  async 'https-proxy-agent'() {
    const url = `http://user:secret@127.0.0.1:${proxyPort}`;
    const agent = new HttpsProxyAgent(url, { keepAlive: true, headers: { 'X-Extra': 'yes' } });
    const first = await fetchText({ ...target, agent, path: '/first' });
    await turns();
    const second = await fetchText({ ...target, agent, path: '/second', method: 'POST' }, 'body');
    agent.destroy();
    const refusing = new HttpsProxyAgent(url, { headers: { 'X-Extra': 'refuse' } });
    const refused = await fetchText({ ...target, agent: refusing });
    return { first, second, refused, asked: asked.splice(0) };
  },
};

const name = process.argv[2];
console.log(JSON.stringify(await agents[name]()));
for (const server of [origin, proxy]) {
  server.close();
  server.closeAllConnections();
}
