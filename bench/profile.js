'use strict';

// npm run profile: where the microseconds of a scenario go, by `perf record` over the process measured.

const { spawn, spawnSync } = require('node:child_process');
const { once } = require('node:events');
const { mkdtempSync, rmSync } = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { createInterface } = require('node:readline');
const { parseArgs } = require('node:util');
const { main } = require('../scripts/process');
const { apps, requestBody } = require('./apps');
const { availableGenerator, load } = require('./load');
const { serverChild } = require('./measure');
const { nativeSide, nodeFor, sidesOnNode } = require('./peers');
const { Child } = require('./processes');
const { aligned } = require('./report');
const { scenarios } = require('./scenarios');

const USAGE = `npm run profile -- [options]

  --only <regex>    server and client scenarios whose name matches
  --seconds <n>     of load (4)
  --node <major>    (24)
  --symbols <n>     also the functions that cost most, for each side
  --help

Prints µs of CPU for each request. Takes perf, and on most machines root.
`;

const WARM_UP = 3; // s
/** Samples in a second. Odd, so that nothing periodic is met always or never. */
const FREQUENCY = 1999;
/** What makes V8 tell perf which code is whose. Costs a little: compare the parts, and take the sums from npm run bench. */
const V8_FLAGS = ['--perf-basic-prof', '--interpreted-frames-native-stack'];

const COLLECTOR =
  /Scaveng|MarkCompact|Marking|Marker|Sweep|Evacuat|MinorGC|GarbageCollect|ConcurrentMark|v8::internal::Heap|GCTracer|RootVisitor|ObjectVisitor|Worklist|PageMetadata|MemoryChunk|NewSpace|WriteBarrier|RecordWrite/;
const JAVASCRIPT =
  /^(JS:|Builtins_|Builtin:|BytecodeHandler:|RegExp:|Script:|Eval:|Function:|LazyCompile:|Stub:|Handler:)/;

/** Who has the processor, by the place that a sample hit; the first that says yes. @type {[string, (dso: string, symbol: string) => boolean][]} */
const OWNERS = [
  ['kernel', (dso) => /^\[(kernel|guest)|\.ko$/.test(dso)],
  ['engine', (dso) => /ferrohttp.*\.node$/.test(dso)],
  ['collector', (_, symbol) => COLLECTOR.test(symbol)],
  ['JavaScript', (dso, symbol) => JAVASCRIPT.test(symbol) || /perf-\d+\.map$|^\[JIT\]|^\/\/anon|^\[anon/.test(dso)],
  ['V8 in C++', (_, symbol) => /^v8::|^non-virtual thunk to v8::/.test(symbol)],
  ['Node in C++', (_, symbol) => /^node::|^uv_|^uv__|^llhttp|^napi_/.test(symbol)],
  ['libc', (dso) => /libc\.so|libc-|libpthread|\[vdso\]|libstdc/.test(dso)],
];
const OWNER_NAMES = [...OWNERS.map(([name]) => name), 'other'];

/**
 * @param {number} pid
 * @param {() => Promise<{ requests: number, cpu: number }>} work
 * @returns {Promise<{ requests: number, cpu: number, owners: Map<string, number>, symbols: Map<string, number> }>} samples by
 *   owner, and by function; `cpu`: µs
 */
async function recorded(pid, work) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'ferrohttp-profile-'));
  const data = path.join(folder, 'perf.data');
  try {
    const perf = spawn('perf', ['record', '-q', '-F', String(FREQUENCY), '-p', String(pid), '-o', data], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const exited = once(perf, 'exit'); // rejects when there is no perf
    exited.catch(() => {});
    await once(perf, 'spawn');
    const result = await work();
    perf.kill('SIGINT');
    await exited;
    return { ...result, ...(await readSamples(data)) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** @param {string} data a file of perf's */
async function readSamples(data) {
  const script = spawn('perf', ['script', '-i', data, '-F', 'ip,sym,dso'], { stdio: ['ignore', 'pipe', 'ignore'] });
  /** @type {Map<string, number>} */
  const owners = new Map();
  /** @type {Map<string, number>} */
  const symbols = new Map();
  for await (const line of createInterface({ input: script.stdout })) {
    const found = /^\s*[0-9a-f]+ (.*) \((.*)\)$/.exec(line);
    if (!found) continue;
    const [, symbol, dso] = found;
    const owner = OWNERS.find(([, owns]) => owns(dso, symbol))?.[0] ?? 'other';
    owners.set(owner, (owners.get(owner) ?? 0) + 1);
    const name = `${owner}: ${symbol.slice(0, 90)}`;
    symbols.set(name, (symbols.get(name) ?? 0) + 1);
  }
  return { owners, symbols };
}

/** @param {any} scenario @param {import('./peers').Side} side @param {number} seconds */
async function profileServer(scenario, side, seconds) {
  const server = serverChild(side, scenario.app);
  try {
    const url = `http://127.0.0.1:${await server.ask('start')}/`;
    const generator = availableGenerator();
    await load(generator, scenario, url, WARM_UP);
    return await recorded(Number(server.process.pid), async () => {
      const before = await server.ask('sample');
      const { requests } = await load(generator, scenario, url, seconds);
      return { requests, cpu: (await server.ask('sample')).cpu - before.cpu };
    });
  } finally {
    await server.stop();
  }
}

/** @param {any} scenario @param {import('./peers').Side} side @param {number} seconds */
async function profileClient({ app, connections, method = 'GET', bodyBytes = 0 }, side, seconds) {
  const target = serverChild(nativeSide('epoll'), app);
  const client = new Child('client', [side.engine], { side });
  try {
    const port = await target.ask('start');
    const answerBytes = apps[app].body(requestBody(bodyBytes)).length;
    await client.ask('prepare', { port, connections, method, bodyBytes });
    await client.ask('run', { connections, seconds: WARM_UP, answerBytes });
    return await recorded(Number(client.process.pid), async () => {
      const { requests, before, after } = await client.ask('run', { connections, seconds, answerBytes });
      return { requests, cpu: after.cpu - before.cpu };
    });
  } finally {
    await client.stop();
    await target.stop();
  }
}

async function profile() {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', default: '' },
      seconds: { type: 'string', default: '4' },
      node: { type: 'string', default: '24' },
      symbols: { type: 'string', default: '0' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return;
  }
  if (spawnSync('perf', ['--version']).error) throw new Error('perf is not installed');
  const chosen = scenarios.filter(
    ({ name, kind }) => (kind === 'server' || kind === 'client') && new RegExp(values.only, 'i').test(name),
  );
  const sides = sidesOnNode(nodeFor(Number(values.node)).command, 'ferrohttp').map((side) => ({
    ...side,
    flags: V8_FLAGS,
  }));
  const rows = [];
  for (const scenario of chosen) {
    const { name, kind, app } = scenario;
    const all = kind === 'server' && apps[app].native ? [...sides, nativeSide('epoll')] : sides;
    for (const side of all.filter(({ kinds }) => kinds.includes(kind))) {
      process.stderr.write(`${name}, ${side.label}\n`);
      const one = kind === 'client' ? profileClient : profileServer;
      const { requests, cpu, owners, symbols } = await one(scenario, side, Number(values.seconds));
      const samples = [...owners.values()].reduce((sum, count) => sum + count, 0);
      if (samples === 0) throw new Error(`perf took no samples of ${side.label}`);
      const each = (count = 0) => ((cpu / requests) * (count / samples)).toFixed(cpu / requests < 100 ? 2 : 0);
      rows.push([`${name}, ${side.label}`, each(samples), ...OWNER_NAMES.map((owner) => each(owners.get(owner)))]);
      const top = [...symbols].sort((a, b) => b[1] - a[1]).slice(0, Number(values.symbols));
      for (const [symbol, count] of top) console.log(`${each(count).padStart(8)}  ${symbol}`);
    }
  }
  console.log(`\n${aligned({ columns: ['µs of CPU per request', 'all', ...OWNER_NAMES], rows })}`);
}

main(profile());
