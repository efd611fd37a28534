'use strict';

// The threads transport: as the local one, a descriptor that the engine borrows; but an I/O thread of the engine's moves the bytes, on a duplicate
// of it. What must come behind the bytes that were written has this thread send them first.

const { Local } = require('./local');
const ring = require('./ring');

class Threads extends Local {
  /** What is written wakes its I/O thread only once while that is busy: there is little to be won. */
  maySendLater() {
    return false;
  }

  beforeWrite() {
    this.connection.uncork();
    this.sendNow();
    return super.beforeWrite();
  }

  beforeShutdown(shutdown) {
    this.connection.uncork();
    this.sendNow();
    return super.beforeShutdown(shutdown);
  }

  writeQueueSize() {
    this.sendNow();
    return super.writeQueueSize();
  }

  /** What was told as sent is sent by its I/O thread yet, unless nobody is to have it. @param {boolean} [isReset] */
  onClose(isReset) {
    if (isReset) {
      ring.flush();
      ring.engine.reset(this.connection.slot);
    }
    super.onClose();
  }

  /** What the kernel has not taken would come among what the new owner writes, who is another process. */
  onTaken() {
    this.sendNow();
    ring.engine.dropOutput(this.connection.slot);
    super.onTaken();
  }

  sendNow() {
    ring.flush();
    ring.engine.sendNow(this.connection.slot);
  }
}

module.exports = { Threads };
