import m from '../../client.js';
import facades from '../facades.js';

export default m;
export let ClientRequest;

facades.bind(() => {
  ({ ClientRequest } = m);
});
