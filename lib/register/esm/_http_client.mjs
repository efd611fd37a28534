import facades from '../facades.js';
import parts from '../parts.js';

const m = parts.client;

export default m;
export let ClientRequest;

facades.bind(() => {
  ({ ClientRequest } = m);
});
