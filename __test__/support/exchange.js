const { once } = require('node:events');
const net = require('node:net');

/** Talking to a server byte by byte. */

/**
 * @param {import('node:http').Server} server
 * @returns {Promise<number>} the port it listens on
 */
async function listen(server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return /** @type {net.AddressInfo} */ (server.address()).port;
}

/**
 * @param {number} port
 * @param {string | Buffer} text what is sent
 * @returns {Promise<string>} all that the server sends until it closes, as latin1
 */
async function talk(port, text) {
  const socket = net.connect(port, '127.0.0.1');
  socket.setEncoding('latin1');
  socket.write(text);
  let answer = '';
  for await (const chunk of socket) answer += chunk;
  return answer;
}

/**
 * A request's head.
 * @param {string} target
 * @param {string} [fields] finished lines, CRLF included
 * @param {string} [method]
 */
function request(target, fields = '', method = 'GET') {
  return `${method} ${target} HTTP/1.1\r\nHost: test\r\n${fields}\r\n`;
}

/** @param {string} answer */
function statuses(answer) {
  return [...answer.matchAll(/HTTP\/1\.1 (\d+) /g)].map((match) => Number(match[1]));
}

module.exports = { listen, request, statuses, talk };
