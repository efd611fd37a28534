'use strict';

const fs = require('node:fs');
const path = require('node:path');

/** Where downloads are kept, outside version control: FERROHTTP_CACHE (several clones may share one), or test/.cache. */
function cacheFolder() {
  const folder = path.resolve(process.env.FERROHTTP_CACHE || path.join(__dirname, '.cache'));
  fs.mkdirSync(folder, { recursive: true });
  return folder;
}

module.exports = { cacheFolder };
