'use strict';

/**
 * What is measured. `better` says which way is: 'less' or 'more'.
 * @type {Record<string, { unit: string, better: 'less' | 'more' }>}
 */
const FIGURES = {
  cpu: { unit: 'µs CPU per request, whole process', better: 'less' },
  mainCpu: { unit: 'µs CPU per request, main thread', better: 'less' },
  rps: { unit: 'requests per second', better: 'more' },
  rss: { unit: 'bytes resident at the end of a round', better: 'less' },
  crossings: { unit: 'Node-API calls per request', better: 'less' },
  idleRss: { unit: 'bytes resident per idle connection', better: 'less' },
  require: { unit: 'ms', better: 'less' },
};

/**
 * @typedef {object} SideSummary
 * @property {string} label
 * @property {Record<string, number>} median by figure
 * @property {Record<string, Ratio>} ratio by figure, to the first side; above 1 is better than it
 * @property {Record<string, number>[]} rounds as measured
 *
 * @typedef {{ median: number, min: number, max: number }} Ratio
 *
 * @typedef {object} Result
 * @property {string} scenario
 * @property {string} kind
 * @property {{ cpu?: number, crossings?: number }} [threshold]
 * @property {string} [error] why there are no figures
 * @property {SideSummary[]} sides the first is the base
 */

/**
 * @param {number[]} values at least one
 * @returns {number}
 */
function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * @param {import('./measure').Side[]} sides
 * @param {Record<string, number>[][]} figures by side, then by round
 * @returns {SideSummary[]}
 */
function summarize(sides, figures) {
  const base = figures[0];
  return sides.map(({ label }, i) => {
    const rounds = figures[i];
    /** @type {SideSummary} */
    const summary = { label, median: {}, ratio: {}, rounds };
    for (const name of Object.keys(rounds[0])) {
      summary.median[name] = median(rounds.map((round) => round[name]));
      if (i === 0 || !(name in base[0])) continue;
      // Each round against the base's round just before it: what slows the machine for a while slows both.
      const ratios = rounds.map((round, r) =>
        FIGURES[name].better === 'less' ? base[r][name] / round[name] : round[name] / base[r][name],
      );
      // A short round may cost less than the clock of a thread's CPU time can tell (10 ms on Node 20).
      if (!ratios.every(Number.isFinite)) continue;
      summary.ratio[name] = { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) };
    }
    return summary;
  });
}

/**
 * Holds the results against their scenarios' thresholds.
 * @param {Result[]} results
 * @returns {{ text: string, ok: boolean }[]} one verdict for each figure with a threshold
 */
function check(results) {
  const verdicts = [];
  for (const { scenario, threshold, error, sides } of results) {
    if (!threshold) continue;
    if (error) {
      verdicts.push({ text: `${scenario}: ${error}`, ok: false });
      continue;
    }
    const { label, ratio, median } = sides[1];
    if (threshold.cpu !== undefined) {
      const seen = ratio.cpu?.median ?? Number.NaN;
      verdicts.push({
        text: `${scenario}: ${label} takes 1/${seen.toFixed(2)} of the CPU, at most 1/${threshold.cpu} is asked`,
        ok: seen >= threshold.cpu,
      });
    }
    if (threshold.crossings !== undefined) {
      const seen = median.crossings;
      verdicts.push({
        text: `${scenario}: ${seen === undefined ? 'uncounted' : seen.toFixed(3)} crossings per request, below ${threshold.crossings} is asked`,
        ok: seen > 0 && seen < threshold.crossings, // 0: the counter stands still, for a server has to cross
      });
    }
  }
  return verdicts;
}

module.exports = { FIGURES, summarize, check, median };
