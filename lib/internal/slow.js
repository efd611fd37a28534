'use strict';

// Answers of several callbacks that leave together must not wait behind one of those that is slow. Of answers that are given outside a batch here; those
// of a batch are ring.js's.

const { now } = require('./clock');

/** A handler that takes longer (ms) makes the engine send between connections for a while: others' answers must not wait behind it. */
const SLOW = 0.5;
/** For how many connections; and, of answers that are given outside a batch, for how many of those. */
const EAGER_TURNS = 256;

/** When the first and the last answer that is gathered was (ms). */
let first = 0;
let last = 0;
/** So many answers are not gathered: somebody has been slow. */
let eagerAnswers = 0;

/** Whether an answer is not to be gathered for what has been learnt; counts it then. */
function isEager() {
  if (eagerAnswers === 0) return false;
  eagerAnswers--;
  return true;
}

/**
 * An answer is about to be gathered.
 * @param {boolean} isFirst none is yet
 * @returns {boolean} whether those that are have not waited for too long
 */
function isInTime(isFirst) {
  const time = now();
  if (isFirst) first = time;
  else noticeSlow(time);
  last = time;
  return time - first <= SLOW;
}

/** Who has run since an answer was gathered last may have held it back: for a while none is. @param {number} time ms */
function noticeSlow(time) {
  if (time - last > SLOW) eagerAnswers = EAGER_TURNS;
}

module.exports = { EAGER_TURNS, SLOW, isEager, isInTime, noticeSlow };
