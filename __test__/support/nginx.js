'use strict';

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');

/**
 * Starts an nginx of the test's own, which ends with the test: one process, on the loopback, with nothing outside a
 * folder of its own.
 * @param {import('node:test').TestContext} t
 * @param {string} binary
 * @param {{ upstream: number, files: Record<string, string | Uint8Array> }} site upstream: the port that /app/ leads to;
 *   files: what it serves itself, by name
 * @returns {Promise<{ port: number, errors: () => string }>}
 */
async function startNginx(t, binary, { upstream, files }) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ferrohttp-nginx-'));
  fs.mkdirSync(path.join(folder, 'www'));
  for (const [name, content] of Object.entries(files)) fs.writeFileSync(path.join(folder, 'www', name), content);
  // Nobody can ask nginx for a free port: one is chosen here, and if it is taken in between, another.
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    fs.writeFileSync(path.join(folder, 'nginx.conf'), configuration(port, upstream));
    const child = spawn(binary, ['-p', `${folder}/`, '-c', 'nginx.conf', '-e', 'error.log'], { stdio: 'ignore' });
    const exit = once(child, 'exit');
    let running = true;
    exit.then(() => {
      running = false;
    });
    while (running && !(await answers(port)));
    if (running) {
      t.after(async () => {
        child.kill('SIGQUIT');
        await exit;
        fs.rmSync(folder, { recursive: true });
      });
      return { port, errors: () => fs.readFileSync(path.join(folder, 'error.log'), 'utf8') };
    }
    if (attempt === 5)
      throw new Error(`nginx does not start: ${fs.readFileSync(path.join(folder, 'error.log'), 'utf8')}`);
  }
}

/** @param {number} port @param {number} upstream */
function configuration(port, upstream) {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${name};`);
  return `
daemon off;
master_process off;
pid nginx.pid;
error_log error.log warn;
events { worker_connections 512; }
http {
  ${temporary.join('\n  ')}
  access_log off;
  default_type application/octet-stream;
  types { text/plain txt; }
  keepalive_requests 100000;
  upstream app {
    server 127.0.0.1:${upstream};
    keepalive 64;
    keepalive_requests 100000;
  }
  server {
    listen 127.0.0.1:${port};
    root www;
    gzip on;
    gzip_types text/plain;
    location /app/ {
      gzip off;
      proxy_pass http://app;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_next_upstream off;
      client_max_body_size 64m;
    }
  }
}
`;
}

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {net.AddressInfo} */ (server.address());
  server.close();
  await once(server, 'close');
  return port;
}

/** @param {number} port @returns {Promise<boolean>} whether somebody listens there */
function answers(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => setTimeout(resolve, 20, false));
  });
}

module.exports = { startNginx };
