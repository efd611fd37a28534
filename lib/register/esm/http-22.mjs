import m from '../../../index.js';
import facades from '../facades.js';

export * from './http-20.mjs';
export default m;
export let CloseEvent, MessageEvent, WebSocket;

facades.bind(() => {
  ({ CloseEvent, MessageEvent, WebSocket } = m);
});
