'use strict';

// The addon. A build for another platform's C library does not load, so the next candidate is tried.

const path = require('node:path');

const SUFFIXES = { linux: ['-gnu', '-musl'], win32: ['-msvc'], darwin: [''] };

/** @returns {{ startEngine: Function }} */
function load() {
  const { platform, arch } = process;
  const causes = [];
  for (const suffix of SUFFIXES[platform] ?? ['']) {
    const file = path.join(__dirname, '..', '..', `ferrohttp.${platform}-${arch}${suffix}.node`);
    // Not by require(), which looks for the file and makes a module of it first: half as long again as to load it takes.
    const module = { exports: /** @type {any} */ ({}) };
    try {
      process.dlopen(module, path.toNamespacedPath(file));
      return module.exports;
    } catch (error) {
      causes.push(error);
    }
  }
  throw new AggregateError(causes, `ferrohttp: no addon for ${platform}-${arch}: ${causes.map(String).join('; ')}`);
}

module.exports = load();
