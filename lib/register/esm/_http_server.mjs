import m from '../../server.js';
import facades from '../facades.js';

export default m;
export let STATUS_CODES,
  Server,
  ServerResponse,
  setupConnectionsTracking,
  storeHTTPOptions,
  _connectionListener,
  kServerResponse,
  httpServerPreClose,
  kConnectionsCheckingInterval;

facades.bind(() => {
  ({
    STATUS_CODES,
    Server,
    ServerResponse,
    setupConnectionsTracking,
    storeHTTPOptions,
    _connectionListener,
    kServerResponse,
    httpServerPreClose,
    kConnectionsCheckingInterval,
  } = m);
});
