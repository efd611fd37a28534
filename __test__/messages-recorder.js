'use strict';

const { Duplex } = require('node:stream');
const { FRAMING, kConnection } = require('../lib/internal/connection');
const { kSent } = require('../lib/internal/marks');

/**
 * A socket that nobody drives, and what was written to it.
 * @returns {Duplex & { written: Buffer[] }}
 */
function recordingSocket() {
  const written = [];
  const socket = new Duplex({
    highWaterMark: 16384,
    read() {},
    write(chunk, _encoding, callback) {
      written.push(chunk);
      setImmediate(callback);
    },
    writev(pieces, callback) {
      for (const { chunk } of pieces) written.push(chunk);
      setImmediate(callback);
    },
  });
  return Object.assign(socket, { written, setTimeout() {} });
}

/**
 * The same with a connection on it that codes chunks as the engine does: what reaches the wire can be compared.
 * @returns {Duplex & { written: Buffer[] }}
 */
function recordingConnection() {
  const socket = recordingSocket();
  socket[kConnection] = new RecordedConnection(socket.written);
  return socket;
}

class RecordedConnection {
  attached = true;
  writableLength = 0;
  framing = undefined;
  /** Whoever waits is told in his tick. */
  marks = { isHeard: true };

  constructor(written) {
    this.written = written;
  }

  put(data, encoding) {
    this.written.push(typeof data === 'string' ? Buffer.from(data, encoding || 'utf8') : Buffer.from(data));
  }

  tell(sent) {
    if (sent) setImmediate(() => (typeof sent === 'function' ? sent(null) : sent[kSent](null)));
    return true;
  }

  cork() {}
  beginUnit() {}

  letHeadGo() {}

  sendHead(text, framing) {
    this.framing = framing;
    this.put(text, 'latin1');
  }

  sendBody(chunk, encoding, sent) {
    const bytes = Buffer.from(chunk, encoding || 'utf8');
    if (this.framing === undefined) throw new Error('a body without a head');
    if (this.framing === FRAMING.NONE) throw new Error('a body where there must be none');
    if (bytes.length === 0) throw new Error('an empty chunk would end the body');
    if (this.framing === FRAMING.CHUNKED) this.put(`${bytes.length.toString(16)}\r\n`);
    this.put(bytes);
    if (this.framing === FRAMING.CHUNKED) this.put('\r\n');
    return this.tell(sent);
  }

  sendEnd(trailers, sent) {
    if (this.framing === undefined) throw new Error('an end without a head');
    if (this.framing === FRAMING.CHUNKED) this.put(`0\r\n${trailers}\r\n`, 'latin1');
    this.framing = undefined;
    this.tell(sent);
  }

  sendMessage(text, framing, _expect, chunk, encoding, sent) {
    const together = typeof chunk === 'string' && framing !== FRAMING.CHUNKED;
    this.framing = framing;
    this.put(text, together && (!encoding || encoding === 'utf8') ? 'utf8' : 'latin1');
    if (chunk !== null) this.sendBody(chunk, encoding, null);
    this.sendEnd('', sent);
    return true;
  }

  sendRaw(data, encoding, sent) {
    this.put(data, encoding);
    return this.tell(sent);
  }
}

module.exports = { recordingConnection, recordingSocket };
