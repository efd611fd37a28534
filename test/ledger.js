'use strict';

// The ledger: every file of Node's suite that does not pass, with the reason. It only shrinks.
//
//   { "node24": { "test-http-a.js": "why, on every driver",
//                 "test-http-b.js": { "fed": "why, on this driver only" } } }

const fs = require('node:fs');
const path = require('node:path');

/** Every driver the ledger can tell apart. */
const DRIVERS = ['local', 'fed', 'threads'];

const FILE = path.join(__dirname, 'ledger.json');

/** What --update-ledger writes before anybody has looked into a failure. */
const PLACEHOLDER = 'not yet: ';

/** @typedef {string | Record<string, string>} Entry */
/**
 * What an outcome means beside the ledger. `known`: it fails, as the ledger says. `unexpected`: it passes, though it is in
 * there.
 * @typedef {'pass' | 'skip' | 'fail' | 'known' | 'unexpected'} Verdict
 */

class Ledger {
  /** @param {number} major Node's @param {string} driver @param {Record<string, Record<string, Entry>>} all what the file holds */
  constructor(major, driver, all) {
    this.driver = driver;
    this.all = all;
    this.all[`node${major}`] ??= {};
    this.entries = this.all[`node${major}`];
  }

  /** @param {number} major @param {string} driver */
  static load(major, driver) {
    return new Ledger(major, driver, fs.existsSync(FILE) ? JSON.parse(fs.readFileSync(FILE, 'utf8')) : {});
  }

  /** @param {string} name @returns {string | undefined} why this file is known not to pass on this driver */
  reason(name) {
    const entry = this.entries[name];
    return typeof entry === 'object' ? entry[this.driver] : entry;
  }

  /** @param {string} name @param {'pass' | 'skip' | 'fail'} outcome @returns {Verdict} */
  judge(name, outcome) {
    if (this.reason(name) === undefined || outcome === 'skip') return outcome;
    return outcome === 'fail' ? 'known' : 'unexpected';
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
    fs.writeFileSync(FILE, `${JSON.stringify(this.all, null, 2)}\n`);
  }
}

module.exports = { DRIVERS, PLACEHOLDER, Ledger };
