// Runs on Node's loader thread (module.register), where module.registerHooks is missing.

/** @type {Map<string, string>} */
let urlOf = new Map();

/** @param {Map<string, string>} data specifier → URL of its facade */
export function initialize(data) {
  urlOf = data;
}

/** @type {import('node:module').ResolveHook} */
export function resolve(specifier, context, nextResolve) {
  const url = urlOf.get(specifier);
  return url === undefined ? nextResolve(specifier, context) : { url, format: 'module', shortCircuit: true };
}
