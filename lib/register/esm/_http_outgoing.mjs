import m from '../../outgoing.js';
import facades from '../facades.js';

export default m;
export let kHighWaterMark,
  kUniqueHeaders,
  parseUniqueHeadersOption,
  validateHeaderName,
  validateHeaderValue,
  OutgoingMessage;

facades.bind(() => {
  ({
    kHighWaterMark,
    kUniqueHeaders,
    parseUniqueHeadersOption,
    validateHeaderName,
    validateHeaderValue,
    OutgoingMessage,
  } = m);
});
