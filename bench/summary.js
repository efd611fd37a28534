'use strict';

/** CPU seconds of other programs in each second of measuring that can be seen in the figures. */
const DISTURBED = 0.1;

/**
 * What is measured. `better` says which way is: 'less' or 'more'.
 * @type {Record<string, { unit: string, better: 'less' | 'more' }>}
 */
const FIGURES = {
  cpu: { unit: 'µs CPU per request, whole process', better: 'less' },
  mainCpu: { unit: 'µs CPU per request, main thread', better: 'less' },
  rps: { unit: 'requests per second', better: 'more' },
  p50: { unit: 'µs from a request to its answer, median', better: 'less' },
  p99: { unit: 'µs from a request to its answer, 99th percentile', better: 'less' },
  rss: { unit: 'bytes resident at the end of a round', better: 'less' },
  crossings: { unit: 'Node-API calls per request', better: 'less' },
  idleRss: { unit: 'bytes resident per idle connection', better: 'less' },
  idleHeap: { unit: 'bytes of V8 heap per idle connection', better: 'less' },
  require: { unit: 'ms', better: 'less' },
};

/**
 * @typedef {object} SideSummary
 * @property {string} label
 * @property {Record<string, number>} median by figure; `others`: CPU seconds that other programs took in each second
 * @property {Record<string, Ratio>} ratio by figure, to the first side; above 1 is better than it
 * @property {Record<string, number>[]} rounds as measured
 *
 * @typedef {{ median: number, min: number, max: number }} Ratio
 *
 * @typedef {object} Result
 * @property {string} scenario
 * @property {string} kind
 * @property {boolean} [latency] the scenario is about the time an answer takes
 * @property {import('./scenarios').Target[]} [targets]
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
 * Each round against the base's round just before it: what slows the machine for a while slows both.
 * @param {string} name of the figure
 * @param {Record<string, number>[]} base
 * @param {Record<string, number>[]} rounds
 * @returns {Ratio | undefined} how many times better; undefined when it cannot be told
 */
function ratioOf(name, base, rounds) {
  const ratios = rounds.map((round, r) =>
    FIGURES[name].better === 'less' ? base[r][name] / round[name] : round[name] / base[r][name],
  );
  // A short round may cost less than the clock of a thread's CPU time can tell (10 ms on Node 20).
  if (!ratios.every(Number.isFinite)) return undefined;
  return { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) };
}

/**
 * @param {import('./peers').Side[]} sides
 * @param {Record<string, number>[][]} figures by side, then by round
 * @returns {SideSummary[]}
 */
function summarize(sides, figures) {
  return sides.map(({ label }, i) => {
    const rounds = figures[i];
    /** @type {SideSummary} */
    const summary = { label, median: {}, ratio: {}, rounds };
    for (const name of Object.keys(rounds[0])) {
      summary.median[name] = median(rounds.map((round) => round[name]));
      if (!(name in FIGURES)) continue;
      const ratio = i === 0 ? undefined : ratioOf(name, figures[0], rounds);
      if (ratio) summary.ratio[name] = ratio;
    }
    return summary;
  });
}

/**
 * @typedef {object} Verdict
 * @property {string} scenario
 * @property {string} figure what is asked about
 * @property {string} target
 * @property {string} measured
 * @property {boolean} ok
 */

/**
 * @param {string} driver
 * @param {import('./scenarios').Target[]} [targets]
 * @returns {import('./scenarios').Target[]} those that are asked of it
 */
function targetsOn(driver, targets = []) {
  return targets.filter((target) => target.driver === undefined || target.driver === driver);
}

/**
 * Holds the results against their scenarios' targets.
 * @param {string} driver that was measured
 * @param {Result[]} results
 * @returns {Verdict[]} one for each target that is asked of it
 */
function check(driver, results) {
  return results.flatMap(({ scenario, targets, error, sides }) =>
    targetsOn(driver, targets).map((target) => ({
      scenario,
      ...(error ? { figure: target.figure, target: '', measured: error, ok: false } : verdict(target, sides)),
    })),
  );
}

/**
 * @param {import('./scenarios').Target} target
 * @param {SideSummary[]} sides
 */
function verdict(target, sides) {
  const { figure } = target;
  const [base, contender] = sides;
  if ('below' in target) {
    const seen = contender.median[figure] ?? Number.NaN;
    return {
      figure,
      target: `< ${target.below}`,
      measured: seen.toFixed(3),
      ok: seen > 0 && seen < target.below, // 0: the counter stands still
    };
  }
  if ('over' in target) {
    const seen = contender.median[figure] - base.median[figure];
    return { figure, target: `≤ +${target.over}`, measured: `+${seen.toFixed(1)}`, ok: seen <= target.over };
  }
  const other = target.to === undefined ? base : sides.find(({ label }) => label === target.to);
  const ratio = other && ratioOf(figure, other.rounds, contender.rounds);
  return {
    figure: target.to === undefined ? figure : `${figure} (${target.to})`,
    target: `≥ ${target.least.toFixed(2)}×`,
    measured: ratio ? `${ratio.median.toFixed(2)}× (${ratio.min.toFixed(2)}–${ratio.max.toFixed(2)})` : 'nothing',
    ok: ratio !== undefined && ratio.median >= target.least,
  };
}

module.exports = { DISTURBED, FIGURES, summarize, targetsOn, check, median };
