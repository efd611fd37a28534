import facades from '../facades.js';
import parts from '../parts.js';

const m = parts.agent;

export default m;
export let Agent, globalAgent;

facades.bind(() => {
  ({ Agent, globalAgent } = m);
});
