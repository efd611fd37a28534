'use strict';

const { deprecate } = require('node:util');

const { Fields, kOutHeaders } = require('./common');
const { lowerCase } = require('./headers');

/**
 * OutgoingMessage's accessors for its header fields from the time before setHeader, deprecated since Node 12 and gone since Node 24.
 * https://nodejs.org/api/deprecations.html#dep0066-outgoingmessageprototype_headers-outgoingmessageprototype_headernames
 */

/** @param {string} name @param {(this: any, value?: any) => any} access */
const warnOf = (name, access) => deprecate(access, `OutgoingMessage.prototype.${name} is deprecated`, 'DEP0066');

module.exports = {
  _headers: {
    get: warnOf('_headers', function headers() {
      return this.getHeaders();
    }),
    set: warnOf('_headers', function setHeaders(given) {
      if (given === null || given === undefined) {
        this[kOutHeaders] = null;
      } else if (typeof given === 'object') {
        const fields = new /** @type {any} */ (Fields)();
        for (const [name, value] of Object.entries(given)) fields[lowerCase(name)] = [name, value];
        this[kOutHeaders] = fields;
      }
    }),
  },
  _headerNames: {
    get: warnOf('_headerNames', function headerNames() {
      const fields = this[kOutHeaders];
      if (fields === null) return null;
      const names = Object.create(null);
      for (const lower of Object.keys(fields)) names[lower] = fields[lower][0];
      return names;
    }),
    set: warnOf('_headerNames', function setHeaderNames(given) {
      const fields = this[kOutHeaders];
      if (typeof given !== 'object' || given === null || fields === null) return;
      for (const [lower, name] of Object.entries(given)) if (fields[lower]) fields[lower][0] = name;
    }),
  },
};
