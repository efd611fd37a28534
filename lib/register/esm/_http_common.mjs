import m from '../../http_common.js';
import facades from '../facades.js';

export default m;
export let _checkInvalidHeaderChar,
  _checkIsHttpToken,
  chunkExpression,
  continueExpression,
  CRLF,
  freeParser,
  methods,
  parsers,
  kIncomingMessage,
  HTTPParser,
  isLenient,
  calculateLenientFlags,
  prepareError,
  kSkipPendingData;

facades.bind(() => {
  ({
    _checkInvalidHeaderChar,
    _checkIsHttpToken,
    chunkExpression,
    continueExpression,
    CRLF,
    freeParser,
    methods,
    parsers,
    kIncomingMessage,
    HTTPParser,
    isLenient,
    calculateLenientFlags,
    prepareError,
    kSkipPendingData,
  } = m);
});
