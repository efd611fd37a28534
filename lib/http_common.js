'use strict';

const common = require('./common');
const { HTTPParser } = require('./parser');
const { freeParser, parsers } = require('./parser_pool');

/** What node's `_http_common` exports. */
module.exports = {
  _checkInvalidHeaderChar: common._checkInvalidHeaderChar,
  _checkIsHttpToken: common._checkIsHttpToken,
  chunkExpression: common.chunkExpression,
  continueExpression: common.continueExpression,
  CRLF: common.CRLF,
  freeParser,
  methods: common.methods,
  parsers,
  kIncomingMessage: common.kIncomingMessage,
  HTTPParser,
  isLenient: common.isLenient,
  calculateLenientFlags: common.calculateLenientFlags,
  prepareError: common.prepareError,
  kSkipPendingData: common.kSkipPendingData,
};
