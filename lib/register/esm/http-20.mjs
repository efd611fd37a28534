import m from '../../../index.js';
import facades from '../facades.js';

export default m;
export let Agent,
  ClientRequest,
  IncomingMessage,
  METHODS,
  OutgoingMessage,
  STATUS_CODES,
  Server,
  ServerResponse,
  _connectionListener,
  createServer,
  get,
  globalAgent,
  maxHeaderSize,
  request,
  setMaxIdleHTTPParsers,
  validateHeaderName,
  validateHeaderValue;

facades.bind(() => {
  ({
    Agent,
    ClientRequest,
    IncomingMessage,
    METHODS,
    OutgoingMessage,
    STATUS_CODES,
    Server,
    ServerResponse,
    _connectionListener,
    createServer,
    get,
    globalAgent,
    maxHeaderSize,
    request,
    setMaxIdleHTTPParsers,
    validateHeaderName,
    validateHeaderValue,
  } = /** @type {any} */ (m));
});
