'use strict';

// The ledger: every file of Node's suite that does not pass, with the reason. It only shrinks.
//
//   { "node24": { "test-http-a.js": "why, on every driver",
//                 "test-http-b.js": { "fed": "why, on this driver only" } } }

const fs = require('node:fs');
const path = require('node:path');

/** Every driver the ledger can tell apart. */
const DRIVERS = ['local', 'fed'];

const FILE = path.join(__dirname, 'ledger.json');

/** What --update-ledger writes before anybody has looked into a failure. */
const PLACEHOLDER = 'not yet: ';

/** @typedef {string | Record<string, string>} Entry */

class Ledger {
  /** @param {number} major Node's @param {string} driver @param {string} [file] */
  constructor(major, driver, file = FILE) {
    this.file = file;
    this.driver = driver;
    /** @type {Record<string, Record<string, Entry>>} */
    this.all = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')) : {};
    this.all[`node${major}`] ??= {};
    this.entries = this.all[`node${major}`];
  }

  /** @param {string} name @returns {string | undefined} why this file is known not to pass on this driver */
  reason(name) {
    const entry = this.entries[name];
    return typeof entry === 'object' ? entry[this.driver] : entry;
  }

  /** @param {string} name @param {string} error adds a file, with a placeholder for the reason */
  add(name, error) {
    const entry = this.entries[name];
    const reasons = { ...(typeof entry === 'object' ? entry : {}), [this.driver]: PLACEHOLDER + error };
    const texts = Object.values(reasons);
    const everywhere =
      DRIVERS.every((driver) => driver in reasons) && texts.every((text) => text.startsWith(PLACEHOLDER));
    this.entries[name] = everywhere ? texts[0] : reasons;
  }

  /** @param {string} name takes a file out, for this driver */
  remove(name) {
    const entry = this.entries[name];
    const drivers = typeof entry === 'object' ? Object.keys(entry) : DRIVERS;
    const left = drivers.filter((driver) => driver !== this.driver);
    if (left.length === 0) delete this.entries[name];
    else
      this.entries[name] = Object.fromEntries(
        left.map((driver) => [driver, typeof entry === 'object' ? entry[driver] : entry]),
      );
  }

  save() {
    for (const [version, entries] of Object.entries(this.all)) {
      this.all[version] = Object.fromEntries(Object.entries(entries).sort(([a], [b]) => (a < b ? -1 : 1)));
    }
    fs.writeFileSync(this.file, `${JSON.stringify(this.all, null, 2)}\n`);
  }
}

module.exports = { DRIVERS, PLACEHOLDER, Ledger };
