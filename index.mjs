import m from './index.js';
import facades from './lib/register/facades.js';

export * from './lib/register/esm/http-22.mjs';
export default m;
export let setGlobalProxyFromEnv;

facades.bind(() => {
  ({ setGlobalProxyFromEnv } = m);
});
