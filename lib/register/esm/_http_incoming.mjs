import facades from '../facades.js';
import parts from '../parts.js';

const m = parts.incoming;

export default m;
export let IncomingMessage, kDetachAbortSignal, readStart, readStop;

facades.bind(() => {
  ({ IncomingMessage, kDetachAbortSignal, readStart, readStop } = m);
});
