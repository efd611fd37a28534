'use strict';

// The addon. A build for another platform's C library does not load, so the next candidate is tried.

const path = require('node:path');

const SUFFIXES = { linux: ['-gnu', '-musl'], win32: ['-msvc'], darwin: [''] };

/** @returns {{ Engine: any }} */
function load() {
  const { platform, arch } = process;
  const causes = [];
  for (const suffix of SUFFIXES[platform] ?? ['']) {
    const file = path.join(__dirname, '..', '..', `ferrohttp.${platform}-${arch}${suffix}.node`);
    try {
      return require(file);
    } catch (error) {
      causes.push(error);
    }
  }
  throw new AggregateError(causes, `ferrohttp: no addon for ${platform}-${arch}: ${causes.map(String).join('; ')}`);
}

module.exports = load();
