import m from '../../agent.js';
import facades from '../facades.js';

export default m;
export let Agent, globalAgent;

facades.bind(() => {
  ({ Agent, globalAgent } = m);
});
