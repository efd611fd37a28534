'use strict';

const host = require('./internal/host');

const { IncomingMessage } = require('./incoming');
const { ServerResponse } = require('./response');

/**
 * Express re-parents each message onto `app.request` and `app.response`, objects that inherit from the classes of the http it
 * loaded. Where that is the host's (no register), our messages would lose their own methods on the way. So, before such an
 * application gets its first message, the object of its own that stands just above the host's prototype is put on ours.
 */

/**
 * @param {unknown} object
 * @param {object} from
 * @param {object} to
 */
function reroot(object, from, to) {
  if (object === null || typeof object !== 'object') return;
  let own = object;
  for (let above = Object.getPrototypeOf(own); above !== null && above !== from; above = Object.getPrototypeOf(own)) {
    own = above;
  }
  if (Object.getPrototypeOf(own) === from) Object.setPrototypeOf(own, to);
}

/**
 * Whatever of it is an Express-like application: a function with `request` and `response` of its own.
 * Mounted applications inherit from those of their parent.
 * @param {any} listeners a 'request' listener, a list of them, or undefined
 */
function rootApplications(listeners) {
  for (const listener of Array.isArray(listeners) ? listeners : [listeners]) {
    if (typeof listener !== 'function') continue;
    // A once() listener is wrapped.
    const application = listener.listener ?? listener;
    reroot(application.request, host.IncomingMessage.prototype, IncomingMessage.prototype);
    reroot(application.response, host.ServerResponse.prototype, ServerResponse.prototype);
  }
}

module.exports = { rootApplications };
