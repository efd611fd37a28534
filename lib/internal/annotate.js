'use strict';

/**
 * Sets a property of ours on an object that is not ours: whoever lists or prints that object finds nothing new.
 * @param {object} object
 * @param {PropertyKey} key
 * @param {unknown} value may be assigned anew
 */
function annotate(object, key, value) {
  Object.defineProperty(object, key, { configurable: true, writable: true, value });
}

/** On a socket: the Connection that has taken it over. */
const kConnection = Symbol('ferrohttp.connection');

module.exports = { annotate, kConnection };
