'use strict';

// The Node binaries that tests and benchmarks run in, pinned by a lock file per version in node-versions/.

const fs = require('node:fs');
const path = require('node:path');
const { pinnedFile, pinnedVersion } = require('./pinned');

const LOCKS = path.join(__dirname, 'node-versions');

/** The versions there are. */
const MAJORS = fs.readdirSync(LOCKS).map(Number);

/** The package that holds Node for this platform. */
const PACKAGE = `node-${process.platform}-${process.arch}`;

/** @param {number | string} major 20, 22 … @returns {string} the exact version pinned, '24.21.0' */
function nodeVersion(major) {
  if (!MAJORS.includes(Number(major))) throw new Error(`no Node ${major} is pinned (there are ${MAJORS.join(', ')})`);
  const version = pinnedVersion(path.join(LOCKS, String(major)), PACKAGE);
  if (!version) throw new Error(`no Node ${major} is pinned for ${process.platform} on ${process.arch}`);
  return version;
}

/**
 * The path of the pinned Node of this major version, installed when it is not there yet.
 * @param {number | string} major
 * @returns {string}
 * @throws when this version or platform is not pinned, or cannot be installed
 */
function nodeBinary(major) {
  nodeVersion(major); // says what is wrong
  const locks = path.join(LOCKS, String(major));
  return pinnedFile({ locks, name: PACKAGE, file: 'bin/node', what: 'node', purpose: 'tests and benchmarks' });
}

module.exports = { MAJORS, nodeBinary, nodeVersion };
