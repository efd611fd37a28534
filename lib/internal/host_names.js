'use strict';

/**
 * The names that http exports, by Node's version. The package has those of the pinned Nodes here, as scripts/stage.js finds them.
 * @type {Record<string, readonly string[]>}
 */
module.exports = {};
