// Runs on Node's loader thread (module.register), where module.registerHooks is missing.

import { isBuiltin } from 'node:module';

/** @type {Map<string, string>} */
let urlOf = new Map();

/** @param {Map<string, string>} data specifier → URL of its facade */
export function initialize(data) {
  urlOf = data;
}

/** @type {import('node:module').ResolveHook} */
export async function resolve(specifier, context, nextResolve) {
  const url = urlOf.get(specifier);
  const found = await nextResolve(specifier, context);
  // A hook beneath may wrap the builtin; see hooks.js.
  return url === undefined || !isBuiltin(found.url) ? found : { url, format: 'module', shortCircuit: true };
}
