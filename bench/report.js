'use strict';

// The same results as a table, as Markdown and as a chart.

const { readFileSync, writeFileSync } = require('node:fs');
const { DISTURBED } = require('./summary');

/**
 * @typedef {import('./summary').Result} Result
 * @typedef {object} Report
 * @property {Record<string, string | number>} run when, where and how it was measured
 * @property {Result[]} results
 */

const EMPTY = '–';
const ROUNDS_ASKED = 5;

/** @returns {string} three significant digits, thousands grouped */
function figure(value, scale = 1) {
  if (value === undefined || value === null) return EMPTY;
  const scaled = value / scale;
  return Math.abs(scaled) >= 100 ? Math.round(scaled).toLocaleString('en') : scaled.toPrecision(3);
}

/** @param {import('./summary').Ratio | undefined} ratio */
function times(ratio) {
  return ratio ? `${ratio.median.toFixed(2)}×` : EMPTY;
}

/** Of which sides the first table has rows: the contender, and undici, which only the client scenarios have. */
const isInFirstTable = (side, index) => index === 1 || side.label === 'undici.request';

/** @param {Result[]} results @returns {string[]} the sides that have only the table of peers, in order */
function peerLabels(results) {
  const labels = results.flatMap(({ sides }) => sides.slice(1).filter((side, i) => !isInFirstTable(side, i + 1)));
  return [...new Set(labels.map(({ label }) => label))];
}

/**
 * @typedef {{ columns: string[], rows: string[][] }} Table
 * @param {Result[]} results
 * @returns {Table[]} a table for each kind of figure, where there are results
 */
function tables(results) {
  const load = { columns: [], rows: [] };
  const latency = { columns: ['latency', 'p50 ×', 'p99 ×', 'p50 µs', 'p99 µs'], rows: [] };
  const other = { columns: ['', '×', 'measured'], rows: [] };
  load.columns = ['', 'CPU ×', 'req/s ×', 'CPU µs/req', 'main thread ×', 'req/s', 'RSS MiB', 'crossings/request'];
  for (const { scenario, kind, latency: isLatency, error, sides } of results) {
    if (error) continue;
    const [base, ...others] = sides;
    for (const [i, side] of others.entries()) {
      const name = others.length > 1 ? `${scenario}, ${side.label}` : scenario;
      const pair = (key, scale) => `${figure(base.median[key], scale)} → ${figure(side.median[key], scale)}`;
      if (kind !== 'server' && kind !== 'client') {
        const key = kind === 'memory' ? 'idleRss' : 'require';
        const [scale, unit] = kind === 'memory' ? [1024, 'KiB'] : [1, 'ms'];
        other.rows.push([name, times(side.ratio[key]), `${pair(key, scale)} ${unit}`]);
        continue;
      }
      if (isLatency) latency.rows.push([name, times(side.ratio.p50), times(side.ratio.p99), pair('p50'), pair('p99')]);
      if (!isInFirstTable(side, i + 1)) continue;
      load.rows.push([
        kind === 'client' ? name : scenario,
        times(side.ratio.cpu),
        times(side.ratio.rps),
        pair('cpu'),
        times(side.ratio.mainCpu),
        pair('rps'),
        pair('rss', 2 ** 20),
        side.median.crossings?.toFixed(3) ?? EMPTY,
      ]);
    }
  }
  return [load, latency, other, ...peerTables(results)].filter(({ rows }) => rows.length > 0);
}

/**
 * @param {Result[]} results
 * @returns {Table[]} none without peers
 */
function peerTables(results) {
  if (peerLabels(results).length === 0) return [];
  const shown = loaded(results);
  const labels = [...new Set(shown.flatMap(({ sides }) => sides.map(({ label }) => label)))];
  const figures = { cpu: 'CPU µs per request', rps: 'requests per second' };
  return Object.entries(figures).map(([key, title]) => ({
    columns: [title, ...labels],
    rows: shown.map(({ scenario, sides }) => [
      scenario,
      ...labels.map((label) => {
        const side = sides.find((each) => each.label === label);
        if (!side) return EMPTY;
        return side.ratio[key] ? `${figure(side.median[key])} (${times(side.ratio[key])})` : figure(side.median[key]);
      }),
    ]),
  }));
}

/** @param {Table} table @returns {string} for a terminal */
function aligned({ columns, rows }) {
  const lines = [columns, ...rows];
  const widths = columns.map((_, i) => Math.max(...lines.map((cells) => cells[i].length)));
  return lines
    .map((cells) => cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  '))
    .join('\n');
}

/**
 * @param {Report} report
 * @returns {string} tables for a terminal
 */
function toText({ run, results }) {
  const text = tables(results).map(aligned);
  for (const { scenario, error } of results) if (error) text.push(`FAILED ${scenario}: ${error}`);
  if (run.missing) text.push(`not measured: ${run.missing}`);
  const disturbed = results.flatMap(({ scenario, sides }) => {
    const others = Math.max(...sides.map(({ median }) => median.others ?? 0));
    return others > DISTURBED ? [`${scenario} (${others.toFixed(2)})`] : [];
  });
  if (disturbed.length > 0) {
    text.push(`disturbed, with the CPU seconds that other programs took in each second: ${disturbed.join(', ')}`);
  }
  return `${text.join('\n\n')}\n`;
}

/**
 * @param {import('./summary').Verdict[]} verdicts
 * @param {number} rounds
 * @returns {string} a table for a terminal
 */
function toVerdicts(verdicts, rounds) {
  const rows = verdicts.map(({ scenario, figure: name, target, measured, ok }) => {
    return [scenario, name, target, measured, ok ? 'ok' : 'MISSED'];
  });
  const missed = verdicts.filter(({ ok }) => !ok).length;
  const sum = `${verdicts.length - missed} targets reached, ${missed} missed`;
  const note = rounds < ROUNDS_ASKED ? `; they are meant for medians of ${ROUNDS_ASKED} rounds, not ${rounds}` : '';
  return `${aligned({ columns: ['scenario', 'figure', 'target', 'measured', ''], rows })}\n${sum}${note}\n`;
}

/**
 * @param {Report} report
 * @returns {string} tables for a README, with what they were measured on
 */
function toMarkdown({ run, results }) {
  const parts = tables(results).map(({ columns, rows }) => {
    const line = (cells) => `| ${cells.join(' | ')} |`;
    return [line(columns), line(columns.map((_, i) => (i === 0 ? '---' : '--:'))), ...rows.map(line)].join('\n');
  });
  for (const { scenario, error } of results) if (error) parts.push(`${scenario} failed: ${error}`);
  const peers = peerLabels(results).length > 0;
  if (run.missing) parts.push(`Not measured: ${run.missing}.`);
  parts.push(
    `node:http → ${run.contender}; × is how many times better, medians of ${run.rounds} alternating rounds of ${run.seconds} s. ` +
      `Node ${run.node}, ${run.platform}, ${run.cpus} × ${run.cpu}, load by ${run.generator}, ${run.date}.`,
    '![The ratios as bars](bench/chart.svg)',
    ...(peers ? ['![The peers as bars](bench/peers.svg)'] : []),
  );
  return parts.join('\n\n');
}

/**
 * Puts the tables between the README's bench markers.
 * @param {Report} report
 * @param {string} file
 * @throws {Error} when the markers are not there
 */
function fillReadme(report, file) {
  const text = readFileSync(file, 'utf8');
  const markers = /(<!-- bench:start -->\n).*?(<!-- bench:end -->)/s;
  if (!markers.test(text)) throw new Error(`no bench markers in ${file}`);
  writeFileSync(
    file,
    text.replace(markers, (_, start, end) => `${start}\n${toMarkdown(report)}\n\n${end}`),
  );
}

/**
 * @param {{ title: string, subtext: string, categories: string[], barsInEach: number,
 *   series: { name: string, color: string, values: (number | null)[] }[], axis?: object }} bars
 * @returns {string} SVG
 */
function barChart({ title, subtext, categories, barsInEach, series, axis = { type: 'value', min: 0 } }) {
  const echarts = require('echarts');
  const height = 120 + categories.length * (14 + 15 * barsInEach);
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: 860, height });
  chart.setOption({
    animation: false,
    backgroundColor: '#fff',
    title: { text: title, subtext, left: 'center' },
    legend: { bottom: 8 },
    grid: { left: 240, right: 70, top: 70, bottom: 60 },
    xAxis: { ...axis, axisLabel: { formatter: '{value}×' } },
    yAxis: { type: 'category', inverse: true, data: categories, axisTick: { show: false } },
    series: series.map(({ name, color, values }) => ({
      name,
      type: 'bar',
      color,
      data: values,
      label: { show: true, position: 'right', formatter: ({ value }) => (value ? `${value.toFixed(2)}×` : '') },
      markLine: {
        silent: true,
        symbol: 'none',
        label: { show: false },
        lineStyle: { color: '#555' },
        data: [{ xAxis: 1 }],
      },
    })),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

/** @param {import('./summary').Ratio | undefined} ratio */
const bar = (ratio) => (ratio ? Number(ratio.median.toFixed(2)) : null);

/** @param {Report} report */
const subtext = ({ run }) => `times better, 1 is node:http; Node ${run.node}, ${run.date}`;

/** @param {Result[]} results */
const loaded = (results) => results.filter(({ kind, error }) => !error && (kind === 'server' || kind === 'client'));

/**
 * @param {Report} report
 * @returns {string} bars of the CPU and req/s ratios of the contender, as SVG
 */
function toSvg(report) {
  const bars = loaded(report.results).flatMap(({ scenario, kind, sides }) => {
    const others = sides.slice(1).filter((side, i) => isInFirstTable(side, i + 1));
    return others.map(({ label, ratio }) => ({ name: kind === 'client' ? `${scenario}, ${label}` : scenario, ratio }));
  });
  return barChart({
    title: `${report.run.contender} against node:http`,
    subtext: subtext(report),
    categories: bars.map(({ name }) => name),
    barsInEach: 2,
    series: [
      { name: 'CPU per request', color: '#b7410e', values: bars.map(({ ratio }) => bar(ratio.cpu)) },
      { name: 'requests per second', color: '#5b7c99', values: bars.map(({ ratio }) => bar(ratio.rps)) },
    ],
  });
}

/**
 * @param {Report} report
 * @returns {string | undefined} bars of everybody's CPU ratios, as SVG; undefined when no peer was measured
 */
function toPeersSvg(report) {
  if (peerLabels(report.results).length === 0) return undefined;
  const results = loaded(report.results);
  const labels = [...new Set(results.flatMap(({ sides }) => sides.slice(1).map(({ label }) => label)))];
  return barChart({
    title: 'CPU per request',
    subtext: subtext(report),
    categories: results.map(({ scenario }) => scenario),
    barsInEach: labels.length,
    axis: { type: 'log', logBase: 2, min: 0.25 }, // what has no JavaScript is tens of times better where requests are pipelined
    series: labels.map((name, i) => ({
      name,
      color: COLOURS[i % COLOURS.length],
      values: results.map(({ sides }) => bar(sides.find(({ label }) => label === name)?.ratio.cpu)),
    })),
  });
}

const COLOURS = ['#b7410e', '#2f6f4f', '#8a6fb0', '#333f48', '#c9a227', '#9aa5ad'];

module.exports = { aligned, toText, toMarkdown, toSvg, toPeersSvg, toVerdicts, fillReadme };
