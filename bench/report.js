'use strict';

// The same results as a table, as Markdown and as a chart.

const { readFileSync, writeFileSync } = require('node:fs');

/**
 * @typedef {import('./summary').Result} Result
 * @typedef {object} Report
 * @property {Record<string, string | number>} run when, where and how it was measured
 * @property {Result[]} results
 */

const EMPTY = '–';

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

/**
 * @param {Result[]} results
 * @returns {{ columns: string[], rows: string[][] }[]} a table for each kind of figure, where there are results
 */
function tables(results) {
  const load = { columns: [], rows: [] };
  const other = { columns: [], rows: [] };
  for (const { scenario, kind, error, sides } of results) {
    if (error) continue;
    const [base, ...others] = sides;
    for (const side of others) {
      const name = others.length > 1 ? `${scenario}, ${side.label}` : scenario;
      const pair = (key, scale) => `${figure(base.median[key], scale)} → ${figure(side.median[key], scale)}`;
      if (kind === 'server' || kind === 'client') {
        load.rows.push([
          name,
          times(side.ratio.cpu),
          times(side.ratio.rps),
          pair('cpu'),
          times(side.ratio.mainCpu),
          pair('rps'),
          pair('rss', 2 ** 20),
          side.median.crossings?.toFixed(3) ?? EMPTY,
        ]);
      } else {
        const key = kind === 'memory' ? 'idleRss' : 'require';
        const [scale, unit] = kind === 'memory' ? [1024, 'KiB'] : [1, 'ms'];
        other.rows.push([name, times(side.ratio[key]), `${pair(key, scale)} ${unit}`]);
      }
    }
  }
  load.columns = ['', 'CPU ×', 'req/s ×', 'CPU µs/req', 'main thread ×', 'req/s', 'RSS MiB', 'crossings/request'];
  other.columns = ['', '×', 'measured'];
  return [load, other].filter(({ rows }) => rows.length > 0);
}

/**
 * @param {Result[]} results
 * @returns {string} tables for a terminal
 */
function toText(results) {
  const text = tables(results).map(({ columns, rows }) => {
    const lines = [columns, ...rows];
    const widths = columns.map((_, i) => Math.max(...lines.map((cells) => cells[i].length)));
    return lines
      .map((cells) => cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  '))
      .join('\n');
  });
  for (const { scenario, error } of results) if (error) text.push(`FAILED ${scenario}: ${error}`);
  return `${text.join('\n\n')}\n`;
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
  parts.push(
    `node:http → ${run.contender}; × is how many times better, medians of ${run.rounds} alternating rounds of ${run.seconds} s. ` +
      `Node ${run.node}, ${run.platform}, ${run.cpus} × ${run.cpu}, load by ${run.generator}, ${run.date}.`,
    '![The ratios as bars](bench/chart.svg)',
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
 * @param {Report} report
 * @returns {string} bars of the CPU and req/s ratios, as SVG
 */
function toSvg({ run, results }) {
  const echarts = require('echarts');
  const bars = results.flatMap(({ scenario, kind, error, sides }) => {
    if (error || (kind !== 'server' && kind !== 'client')) return [];
    const others = sides.slice(1);
    return others.map(({ label, ratio }) => ({ name: others.length > 1 ? `${scenario}, ${label}` : scenario, ratio }));
  });
  const series = (name, key, color) => ({
    name,
    type: 'bar',
    color,
    data: bars.map(({ ratio }) => Number(ratio[key].median.toFixed(2))),
    label: { show: true, position: 'right', formatter: ({ value }) => `${value.toFixed(2)}×` },
    markLine: {
      silent: true,
      symbol: 'none',
      label: { show: false },
      lineStyle: { color: '#555' },
      data: [{ xAxis: 1 }],
    },
  });
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: 860, height: 120 + bars.length * 44 });
  chart.setOption({
    animation: false,
    backgroundColor: '#fff',
    title: {
      text: `${run.contender} against node:http`,
      subtext: `times better, 1 is node:http; Node ${run.node}, ${run.date}`,
      left: 'center',
    },
    legend: { bottom: 8 },
    grid: { left: 240, right: 70, top: 70, bottom: 60 },
    xAxis: { type: 'value', min: 0, axisLabel: { formatter: '{value}×' } },
    yAxis: { type: 'category', inverse: true, data: bars.map(({ name }) => name), axisTick: { show: false } },
    series: [series('CPU per request', 'cpu', '#b7410e'), series('requests per second', 'rps', '#5b7c99')],
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

module.exports = { toText, toMarkdown, toSvg, fillReadme };
