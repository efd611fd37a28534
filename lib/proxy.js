'use strict';

const { whole } = require('./internal/host');
const net = require('node:net');
const { codes } = require('./errors');
const { validateObject, validatePort } = require('./validators');

const { ERR_INVALID_ARG_VALUE, ERR_PROXY_INVALID_CONFIG } = codes;

/**
 * Plain-http requests through a proxy: which one (HTTP_PROXY and NO_PROXY of an Agent's proxyEnv), and the request in the
 * absolute form that proxies want (RFC 9112, section 3.2.2). Tunnels to https servers are node:https's.
 */

/** An Agent's ProxyConfig. */
const kProxy = Symbol('proxyConfig');

/** @typedef {Record<string, string | undefined>} Environment */

/** One proxy, and the hosts it is not for. */
class ProxyConfig {
  /**
   * @param {string} url
   * @param {string | undefined} bypass NO_PROXY's comma-separated list
   */
  constructor(url, bypass) {
    if (!URL.canParse(url)) throw new ERR_PROXY_INVALID_CONFIG(`Invalid proxy URL: ${url}`);
    const { hostname, port, protocol, username, password } = new URL(url);
    /** @type {'http:' | 'https:'} */
    this.protocol = /** @type {any} */ (protocol);
    /** Proxy-Authorization's value. @type {string | undefined} */
    this.auth = undefined;
    if (username || password) {
      const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
      this.auth = `Basic ${Buffer.from(credentials).toString('base64')}`;
    }
    /** @type {string[]} */
    this.bypass = bypass ? bypass.split(',').map((entry) => entry.trim().toLowerCase()) : [];
    this.connectOptions = {
      host: hostname[0] === '[' ? hostname.slice(1, -1) : hostname,
      port: port ? Number(port) : protocol === 'https:' ? 443 : 80,
    };
  }

  /**
   * @param {Environment} env
   * @param {string} protocol of the requests: 'http:' or 'https:'
   * @returns {ProxyConfig | null} null when env names none that can be used
   */
  static fromEnv(env, protocol) {
    const url = proxyUrl(env, protocol);
    // Another scheme may be meant for somebody else.
    if (!url || !/^https?:\/\//.test(url)) return null;
    return new ProxyConfig(url, env.no_proxy || env.NO_PROXY);
  }

  /**
   * @param {string} hostname
   * @param {string | number | undefined} port
   * @returns {boolean} whether NO_PROXY exempts the host
   */
  bypasses(hostname, port) {
    const host = hostname.toLowerCase();
    return this.bypass.some((entry) => matchesBypass(entry, host, port));
  }
}

/**
 * @param {string} entry one of NO_PROXY's
 * @param {string} host
 * @param {string | number | undefined} port
 * @returns {boolean}
 */
function matchesBypass(entry, host, port) {
  if (entry === '*' || entry === host || (port && entry === `${host}:${port}`)) return true;
  // As curl: a leading dot stands for the domain and all below it.
  if (entry[0] === '.') return host === entry.slice(1) || host.endsWith(entry);
  if (entry.startsWith('*.')) return host.endsWith(entry.slice(1));
  if (!entry.includes('-') || !net.isIPv4(host)) return false;
  const [first, last] = entry.split('-').map((address) => address.trim());
  if (!net.isIPv4(first) || !net.isIPv4(last)) return false;
  const number = ipv4Number(host);
  return ipv4Number(first) <= number && number <= ipv4Number(last);
}

/** @param {string} address */
function ipv4Number(address) {
  return address.split('.').reduce((number, octet) => number * 256 + Number(octet), 0);
}

/**
 * @param {Environment} env
 * @param {string} protocol
 * @returns {string | null} the proxy's URL for requests of this protocol; the lower-case name goes first, as everywhere
 */
function proxyUrl(env, protocol) {
  let url;
  if (protocol === 'http:') url = env.http_proxy || env.HTTP_PROXY;
  else if (protocol === 'https:') url = env.https_proxy || env.HTTPS_PROXY;
  if (!url) return null;
  if (/[\r\n]/.test(url)) throw new ERR_PROXY_INVALID_CONFIG(`Invalid proxy URL: ${url}`);
  return url;
}

/**
 * @param {ProxyConfig | null | undefined} proxy
 * @param {Record<string, any>} options of the request; a Unix socket is never reached through a proxy
 * @returns {boolean}
 */
function usesProxy(proxy, options) {
  if (!proxy || options.socketPath) return false;
  return !proxy.bypasses(options.host || 'localhost', options.port);
}

/**
 * @param {ProxyConfig} proxy
 * @param {(() => void) | null} onConnect
 * @returns {import('node:net').Socket}
 */
function connectToProxy(proxy, onConnect) {
  const options = { ...proxy.connectOptions };
  const listener = onConnect ?? undefined;
  return proxy.protocol === 'https:' ? require('node:tls').connect(options, listener) : net.connect(options, listener);
}

/**
 * Makes a request fit for its Agent's proxy, if it goes through one: absolute-form target, proxy header fields.
 * Refuses a request whose Host field or target names another authority than its options.
 * @param {any} req with its own header fields set, the Host field too
 * @param {Record<string, any>} options
 * @param {{ host: string, port: number | string }} authority from the options; an IPv6 address in brackets
 * @param {string | undefined} userHost the Host field as the user set it
 * @param {any[]} [headerArray] options.headers, when it is an array
 */
function rewriteForProxy(req, options, authority, userHost, headerArray) {
  const proxy = req.agent?.[kProxy];
  if (!proxy || req._header || (options.protocol || req.agent.protocol) !== 'http:' || !usesProxy(proxy, options))
    return;

  let target;
  // CONNECT and OPTIONS * have forms of their own.
  if (req.method !== 'CONNECT' && !(req.method === 'OPTIONS' && req.path === '*')) {
    validatePort(authority.port, 'options.port', true);
    const base = new URL(`http://${authority.host}`);
    base.port = String(authority.port);
    checkHostField(base.host, userHost, headerArray);
    target = targetURL(base, String(req.path));
    if (headerArray === undefined) {
      const host = req.getHeader('host');
      if (host !== undefined && host !== base.host) req.setHeader('Host', base.host);
    }
  }

  if (proxy.auth) req.setHeader('proxy-authorization', proxy.auth);
  req.setHeader('proxy-connection', req.shouldKeepAlive ? 'keep-alive' : 'close');
  if (target) req.path = target.href;
}

/**
 * @param {string} host the authority that the options give
 * @param {string | undefined} userHost
 * @param {any[] | undefined} headerArray
 */
function checkHostField(host, userHost, headerArray) {
  const given = headerArray === undefined ? userHost : hostInArray(headerArray);
  if (given === undefined) return;
  // An array is sent as it is, so it must say the very same; elsewhere the field is made to.
  if (headerArray === undefined ? sameAuthority(host, given) : given === host) return;
  throw new ERR_INVALID_ARG_VALUE('Host in options.headers', given, `must match the request authority (${host})`);
}

/**
 * @param {any[]} headers [name, value, name, value, …] or pairs
 * @returns {string | undefined} the Host field's value
 */
function hostInArray(headers) {
  const pairs = Array.isArray(headers[0]);
  let host;
  for (let i = 0; pairs ? i < headers.length : i + 1 < headers.length; i += pairs ? 1 : 2) {
    if (pairs && !Array.isArray(headers[i])) {
      const reason = 'must be an array when headers is passed as an array of pairs';
      throw new ERR_INVALID_ARG_VALUE(`options.headers[${i}]`, typeof headers[i], reason);
    }
    const [name, value] = pairs ? headers[i] : [headers[i], headers[i + 1]];
    if (String(name).toLowerCase() !== 'host') continue;
    if (host !== undefined) {
      throw new ERR_INVALID_ARG_VALUE('options.headers', '(redacted)', 'must not contain duplicate Host headers');
    }
    host = String(value);
  }
  return host;
}

/**
 * @param {string} host
 * @param {string} given
 * @returns {boolean}
 */
function sameAuthority(host, given) {
  const url = `http://${given}`;
  if (!URL.canParse(url)) return false;
  const { username, password, pathname, search, hash, host: other } = new URL(url);
  return !username && !password && pathname === '/' && !search && !hash && other === host;
}

/**
 * @param {URL} base
 * @param {string} path
 * @returns {URL} the request's absolute target
 */
function targetURL(base, path) {
  if (!URL.canParse(path)) {
    if (path[0] !== '/')
      throw new ERR_INVALID_ARG_VALUE('options.path', path, 'must be in absolute-form or start with /');
    return new URL(base.origin + path);
  }
  const url = new URL(path);
  if (url.username || url.password) {
    url.username = '';
    url.password = '';
    const reason = 'must not contain userinfo, use options.auth instead';
    throw new ERR_INVALID_ARG_VALUE('options.path', url.href, reason);
  }
  if (url.protocol !== 'http:') {
    const reason = 'must use http: scheme when specified as an absolute URL';
    throw new ERR_INVALID_ARG_VALUE('options.path', url.protocol, reason);
  }
  if (url.host !== base.host) {
    throw new ERR_INVALID_ARG_VALUE('options.path', url, `must match the request authority (${base.host})`);
  }
  return url;
}

/** @returns {Environment | undefined} process.env, when the process was told to use the proxies named there */
function envOfProxies() {
  const given = [...(process.env.NODE_OPTIONS ?? '').split(/\s+/), ...process.execArgv];
  const last = given.filter((flag) => flag === '--use-env-proxy' || flag === '--no-use-env-proxy').pop();
  const used = last === undefined ? process.env.NODE_USE_ENV_PROXY === '1' : last === '--use-env-proxy';
  return used ? process.env : undefined;
}

/**
 * http.setGlobalProxyFromEnv: makes the global Agents use the proxies that env names.
 * @param {{ globalAgent: any }} http the module whose globalAgent is replaced
 * @param {(env: Environment) => any} makeAgent
 * @param {Environment} [env]
 * @returns {() => void} what undoes it
 */
function setGlobalProxyFromEnv(http, makeAgent, env = process.env) {
  validateObject(env, 'proxyEnv');
  const urls = { http: proxyUrl(env, 'http:'), https: proxyUrl(env, 'https:') };
  if (!urls.http && !urls.https) return () => {};
  for (const url of [urls.http, urls.https]) {
    if (url && !URL.canParse(url)) throw new ERR_PROXY_INVALID_CONFIG(url);
  }

  // fetch and https are the host's, and so are their proxies.
  const { setGlobalProxyFromEnv: setForHost } = whole();
  if (!setForHost && urls.https)
    throw new Error('ferrohttp: setGlobalProxyFromEnv cannot set the https proxy on this version of Node');
  const restoreHost = setForHost?.(env);
  const { globalAgent } = http;
  if (urls.http) http.globalAgent = makeAgent(env);
  return () => {
    if (urls.http) http.globalAgent = globalAgent;
    restoreHost?.();
  };
}

module.exports = {
  connectToProxy,
  envOfProxies,
  kProxy,
  ProxyConfig,
  rewriteForProxy,
  setGlobalProxyFromEnv,
  usesProxy,
};
