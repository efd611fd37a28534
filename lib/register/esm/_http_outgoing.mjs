import facades from '../facades.js';
import parts from '../parts.js';

const m = parts.outgoing;

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
