'use strict';

const { inspect } = require('node:util');

const { annotate } = require('./internal/annotate');

/**
 * What util.inspect shows of a message: what it shows of one of Node's, though here some of that is made when asked for, and state
 * that Node has not lies beside it. Only who inspects pays for it.
 */

/** @typedef {{ mark: symbol, after?: Record<string, string[]>, as?: Map<PropertyKey, (value: any) => unknown> }} Look */

/** State that Node's messages have not. @type {Set<PropertyKey>} */
const hidden = new Set();

/** What is shown for a message: always the same object, by which inspect notices circles. @type {WeakMap<object, object>} */
const views = new WeakMap();
/** @type {WeakSet<object>} */
const areViews = new WeakSet();

/** @param {symbol[]} symbols not to be shown */
function hide(...symbols) {
  for (const symbol of symbols) hidden.add(symbol);
}

/**
 * @param {any} msg
 * @param {any} view
 * @param {Look} look
 */
function fill(msg, view, look) {
  for (const key of Reflect.ownKeys(view)) delete view[key];
  for (const key of Reflect.ownKeys(msg)) {
    if (hidden.has(key)) continue;
    const descriptor = /** @type {PropertyDescriptor} */ (Object.getOwnPropertyDescriptor(msg, key));
    const as = look.as?.get(key);
    if (as) descriptor.value = as(descriptor.value);
    Object.defineProperty(view, key, { ...descriptor, configurable: true });
    for (const name of look.after?.[/** @type {string} */ (key)] ?? []) {
      const value = msg[name];
      Object.defineProperty(view, name, { configurable: true, enumerable: true, writable: true, value });
    }
  }
}

/**
 * Has a class's instances inspected as they are in Node.
 * @param {object} prototype
 * @param {Look} look `mark`: a property that instances have of their own; `after`: properties of the prototype that are shown as the
 *   instance's own, by the name they stand behind; `as`: what is shown of a value
 */
function defineView(prototype, look) {
  /** @this {any} */
  function view() {
    // The prototype, and objects made from it, are no messages.
    if (areViews.has(this) || !Object.hasOwn(this, look.mark)) return this;
    const above = Object.getPrototypeOf(this);
    let shown = views.get(this);
    if (shown === undefined) {
      shown = {};
      views.set(this, shown);
      areViews.add(shown);
    }
    // Frameworks re-parent messages.
    Object.setPrototypeOf(shown, above);
    fill(this, shown, look);
    return shown;
  }
  annotate(prototype, inspect.custom, view);
}

/** @param {object | undefined} events an emitter's table: none before the first listener */
const asEvents = (events) => events ?? Object.create(null);

module.exports = { asEvents, defineView, hide };
