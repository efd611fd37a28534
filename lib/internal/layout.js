'use strict';

// Rendered from src/ring/layout.rs: UPDATE_LAYOUT=1 cargo test layout

module.exports = {
  RECORD: {
    KIND: 0,
    SLOT: 1,
    GENERATION: 2,
    LENGTH: 3,
    A: 4,
    B: 5,
    WORDS: 6,
    ALIGN: 8,
  },
  RING: {
    TAIL: 0,
    HEAD: 1,
    BACKLOG: 2,
    START: 16,
  },
  EVENT: {
    HEAD: 1,
    BODY: 2,
    COMPLETE: 3,
    PARSE_ERROR: 4,
    END: 5,
    IO_ERROR: 6,
    SENT: 7,
    OUT_OF_LINE: 8388608,
  },
  HEAD: {
    KEEP_ALIVE: 1,
    UPGRADE: 2,
    EXPECT: 4,
    HOST: 8,
    BODY: 16,
    CONTENT_LENGTH: 32,
    TRANSFER_ENCODING: 64,
    VERSION_SHIFT: 8,
  },
  COMMAND: {
    MESSAGE_HEAD: 1,
    BODY: 2,
    END: 3,
    MESSAGE: 4,
    RAW: 5,
    PAUSE: 6,
    RESUME: 7,
    UPGRADE: 8,
    MARK: 128,
    FRAMING_SHIFT: 0,
    EXPECT_SHIFT: 2,
    CHOICE_MASK: 3,
  },
  FRAMING: {
    NONE: 0,
    LENGTH: 1,
    CHUNKED: 2,
    UNTIL_CLOSE: 3,
  },
  EXPECT: {
    MESSAGE: 0,
    HEAD: 1,
    CONNECT: 2,
  },
  TABLE: {
    QUEUED: 0,
    SENT: 1,
    BYTES_READ: 2,
    BYTES_WRITTEN: 3,
    GENERATION: 4,
    STRIDE: 5,
  },
  TRANSPORT: {
    PENDING: 0,
    LOCAL: 1,
    FED: 2,
  },
  ROLE: {
    SERVER: 0,
    CLIENT: 1,
  },
  TIMEOUT: {
    HEADERS: 1,
    REQUEST: 2,
    KEEP_ALIVE: 4,
  },
};
