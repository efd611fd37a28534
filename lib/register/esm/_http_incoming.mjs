import m from '../../incoming.js';
import facades from '../facades.js';

export default m;
export let IncomingMessage, kDetachAbortSignal, readStart, readStop;

facades.bind(() => {
  ({ IncomingMessage, kDetachAbortSignal, readStart, readStop } = m);
});
