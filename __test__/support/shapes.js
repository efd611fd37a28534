'use strict';

// What can be learnt of an object without calling anything: names, kinds, order, what it inherits from, how it prints.

const { inspect } = require('node:util');

/** A symbol by which modules know each other's objects, and not one that only its own module has. */
const isShared = (key) => Symbol.keyFor(key) !== undefined || Object.values(WELL_KNOWN).includes(key);
const WELL_KNOWN = Object.fromEntries(
  Reflect.ownKeys(Symbol)
    .filter((name) => typeof Symbol[name] === 'symbol')
    .map((name) => [name, Symbol[name]]),
);

const textOf = (value) => (typeof value === 'function' ? `function ${value.name}/${value.length}` : typeof value);

/**
 * The property as text: enumerable, configurable, writable, then what it holds.
 * @param {object} object @param {PropertyKey} key
 */
function propertyOf(object, key) {
  const { enumerable, configurable, writable, value, get, set } = Object.getOwnPropertyDescriptor(object, key);
  const flags = `${enumerable ? 'e' : '-'}${configurable ? 'c' : '-'}`;
  if (get || set) return `${flags} ${get ? 'get' : '-'} ${set ? 'set' : '-'}`;
  return `${flags}${writable ? 'w' : '-'} ${textOf(value)}`;
}

/** Of what an object inherits from, the classes' names. @param {object} object */
function chainOf(object) {
  const names = [];
  for (let above = Object.getPrototypeOf(object); above !== null; above = Object.getPrototypeOf(above)) {
    names.push(typeof above === 'function' ? above.name : above.constructor.name);
  }
  return names.join(' < ');
}

/**
 * An object's properties, by name; module's own symbols only where they are seen by whoever enumerates.
 * @param {object} object
 * @returns {Record<string, string>}
 */
function propertiesOf(object) {
  const properties = {};
  for (const key of Reflect.ownKeys(object)) {
    const isOwn = typeof key === 'symbol' && !isShared(key);
    if (!isOwn) properties[String(key)] = propertyOf(object, key);
    else if (Object.prototype.propertyIsEnumerable.call(object, key)) properties[String(key)] = 'e';
  }
  return properties;
}

/** A function's parameters and its name, and whatever else it carries. */
function functionShape(fn) {
  const { prototype, ...properties } = propertiesOf(fn);
  return { 'as a value': textOf(fn), 'inherits from': chainOf(fn), ...properties };
}

/**
 * A module's exports, its classes and their prototypes, flat: 'Class.prototype.method' to a property's text.
 * @param {Record<string, any>} module
 * @returns {Record<string, string>}
 */
function moduleShape(module) {
  const shape = {};
  const add = (prefix, properties) => {
    for (const [name, text] of Object.entries(properties)) shape[`${prefix}.${name}`] = text;
  };
  add('exports', propertiesOf(module));
  for (const [name, value] of Object.entries(module)) {
    // The globals are the host's.
    if (typeof value !== 'function' || Object.is(value, globalThis[name])) continue;
    add(name, functionShape(value));
    if (!value.prototype || Reflect.ownKeys(value.prototype).length === 1) continue;
    add(`${name}.prototype`, { 'inherits from': chainOf(value.prototype), ...propertiesOf(value.prototype) });
  }
  return shape;
}

function enumerated(object) {
  const names = [];
  for (const name in object) names.push(name);
  return names;
}

const CHANGING = [
  [/\d\d:\d\d:\d\d GMT/g, '<time>'],
  [/(127\.0\.0\.1|localhost):\d+/g, '$1:<port>'],
  [/\[Function[^\]]*\]/g, '[Function]'],
  [/(_idleStart|Symbol\((?:asyncId|triggerId|async_id_symbol)\)\]?): -?\d+/g, '$1: <number>'],
];

/** @param {string} text @returns {string} without what is another each time */
function steady(text) {
  return CHANGING.reduce((result, [pattern, by]) => result.replace(pattern, by), text);
}

/**
 * The lines of util.inspect, one level deep, by property; a symbol's without its value, which is its module's own affair.
 * @param {object} object
 * @returns {Record<string, string>}
 */
function printed(object) {
  const [, ...lines] = steady(inspect(object, { depth: 0, sorted: false })).split('\n');
  const properties = {};
  let name = '';
  for (const line of lines) {
    const start = /^ {2}(\[?Symbol\([^)]*\)\]?|\w+): /.exec(line);
    if (start) {
      [, name] = start;
      properties[name] = name.includes('Symbol(') ? 'symbol' : line.slice(start[0].length).replace(/,$/, '');
    } else if (line.startsWith('    ')) {
      if (!name.includes('Symbol(')) properties[name] += line;
    }
  }
  return properties;
}

/** @param {object} object @returns {string} JSON, or how making it failed */
function asJson(object) {
  try {
    return steady(JSON.stringify(object));
  } catch (error) {
    return error.constructor.name;
  }
}

/**
 * A snapshot of an object that lives on.
 * @param {object} object
 */
function liveShape(object) {
  const kinds = Object.getOwnPropertyNames(object).map((name) => {
    const { enumerable, configurable, writable, value } = Object.getOwnPropertyDescriptor(object, name);
    return [name, `${enumerable}, ${configurable}, ${writable}, ${value === null ? 'null' : typeof value}`];
  });
  return {
    own: Object.fromEntries(kinds),
    symbols: Object.fromEntries(
      Object.getOwnPropertySymbols(object)
        .filter((key) => Object.prototype.propertyIsEnumerable.call(object, key))
        .map((key) => [String(key), 'e']),
    ),
    keys: Object.keys(object),
    enumerated: enumerated(object),
    chain: chainOf(object),
    printed: printed(object),
    json: asJson(object),
  };
}

module.exports = { liveShape, moduleShape };
