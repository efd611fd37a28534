'use strict';

/**
 * A Server's connections, in the order in which they came: a list whose members hold each other. A Set hashes each of them, and is made anew again and
 * again as they come and go.
 */
class ConnectionList {
  constructor() {
    /** @type {Member | null} */
    this.first = null;
    /** @type {Member | null} */
    this.last = null;
  }

  /** @param {Member} member of no list yet */
  add(member) {
    member.list = this;
    member.before = this.last;
    if (this.last === null) this.first = member;
    else this.last.after = member;
    this.last = member;
  }

  /** @returns {any[]} those it has now */
  toArray() {
    const all = [];
    for (let one = this.first; one !== null; one = one.after) all.push(one);
    return all;
  }
}

/** One of a ConnectionList. */
class Member {
  constructor() {
    /** @type {ConnectionList | null} */
    this.list = null;
    /** @type {Member | null} */
    this.before = null;
    /** @type {Member | null} */
    this.after = null;
  }

  /** Takes it out of its list, if it is in one. */
  leave() {
    const { after, before, list } = this;
    if (list === null) return;
    if (before === null) list.first = after;
    else before.after = after;
    if (after === null) list.last = before;
    else after.before = before;
    this.list = null;
    this.before = null;
    this.after = null;
  }
}

module.exports = { ConnectionList, Member };
