'use strict';

const fs = require('node:fs');
const path = require('node:path');

const WIRE = path.join(__dirname, '../../proto/tests/wire');

/**
 * The messages of the protocol core's fixtures, by kind: one Markdown file each, the messages in blocks marked `http`.
 * @returns {Record<string, Buffer[]>}
 */
function wireFixtures() {
  /** @type {Record<string, Buffer[]>} */
  const kinds = {};
  for (const file of fs.readdirSync(WIRE).filter((name) => name.endsWith('.md'))) {
    const blocks = fs.readFileSync(path.join(WIRE, file), 'utf8').matchAll(/^```http[^\n]*\n([\s\S]*?)^```/gm);
    kinds[path.basename(file, '.md')] = Array.from(blocks, ([, block]) => bytesOf(block));
  }
  return kinds;
}

const ESCAPED = new Map([
  ['r', '\r'],
  ['n', '\n'],
  ['t', '\t'],
  ['\\', '\\'],
]);

/**
 * A block's own line ends count for nothing; those of the message are escaped.
 * @param {string} block
 */
function bytesOf(block) {
  const text = block.replaceAll('\n', '').replace(/\\(?:x([0-9a-fA-F]{2})|(.))/g, (whole, hex, letter) => {
    const found = hex ? String.fromCharCode(Number.parseInt(hex, 16)) : ESCAPED.get(letter);
    if (found === undefined) throw new Error(`no such escape: ${whole}`);
    return found;
  });
  return Buffer.from(text, 'latin1');
}

/**
 * Random numbers that are the same in every run (mulberry32).
 * @param {number} seed
 * @returns {(below: number) => number} a whole number from 0 up to and without `below`
 */
function randomFrom(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const NASTY = [
  '\r',
  '\n',
  '\r\n',
  '\r\n\r\n',
  '\0',
  ' ',
  '\t',
  ':',
  ';',
  '\x7f',
  '\xff',
  '%',
  '-1',
  '0x',
  'Transfer-Encoding: chunked\r\n',
];
const NASTY_LINES = [
  'Content-Length: 9\r\n',
  'Content-Length: 99999999999999999999\r\n',
  ' folded\r\n',
  'X'.repeat(20_000),
];

/**
 * One damaged copy of a message: cut, or with something changed, lost, doubled or put in.
 * @param {Buffer} message @param {(below: number) => number} random
 * @returns {Buffer}
 */
function damaged(message, random) {
  const at = random(message.length + 1);
  const head = message.subarray(0, at);
  const tail = message.subarray(at);
  switch (random(7)) {
    case 0:
      return head;
    case 1:
      return Buffer.concat([head, Buffer.from([random(256)]), tail.subarray(1)]);
    case 2:
      return Buffer.concat([head, tail.subarray(1 + random(8))]);
    case 3:
      return Buffer.concat([head, tail.subarray(0, random(40)), tail]);
    case 4: {
      const nasty = [...NASTY, ...NASTY_LINES];
      return Buffer.concat([head, Buffer.from(nasty[random(nasty.length)], 'latin1'), tail]);
    }
    case 5:
      return Buffer.concat([head, Buffer.from(Array.from({ length: 1 + random(200) }, () => random(256))), tail]);
    default:
      return Buffer.from(message.toString('latin1').replaceAll('\r\n', random(2) ? '\n' : '\r'), 'latin1');
  }
}

module.exports = { damaged, randomFrom, wireFixtures };
