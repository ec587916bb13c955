// The activity of the last hour, as the server counts it: in periods of ten seconds, of which it sends those in which
// something happened.

/**
 * @typedef {{ p50: number | null, p95: number | null, p99: number | null }} Quantiles
 * @typedef {{ at: number, seconds: number, accepted: number, published: number, started: number, succeeded: number,
 *   failed: number, retried: number, revoked: number, wait: Quantiles, run: Quantiles }} Period
 */

const HOUR_MS = 3_600_000;
const ROW_MS = 300_000;
const NONE = { p50: null, p95: null, p99: null };
const KINDS = /** @type {const} */ (['accepted', 'published', 'started', 'succeeded', 'failed', 'retried', 'revoked']);

/**
 * Every period of the last hour that is over, oldest first; those that the server left out are empty.
 * @param {any[]} points @param {number} now in milliseconds
 * @returns {Period[]}
 */
export function periodsOf(points, now) {
  const length = (points[0]?.seconds ?? 10) * 1000;
  const known = new Map(points.map((point) => [Math.floor(Date.parse(point.at) / length), point]));
  const end = Math.floor(now / length);
  return Array.from({ length: HOUR_MS / length }, (_, index) => {
    const number = end - HOUR_MS / length + index;
    return periodOf(number * length, length / 1000, known.get(number));
  });
}

/** @param {number} at @param {number} seconds @param {any} point @returns {Period} */
function periodOf(at, seconds, point) {
  const counts = Object.fromEntries(KINDS.map((kind) => [kind, point?.[kind] ?? 0]));
  return /** @type {Period} */ ({ at, seconds, ...counts, wait: point?.wait_seconds ?? NONE, run: point?.run_seconds ?? NONE });
}

/**
 * Sums of five minutes, newest first, with the highest latencies.
 * @param {Period[]} periods
 * @returns {{ at: number, counts: Record<string, number>, wait: number | null, run: number | null }[]}
 */
export function rowsOf(periods) {
  /** @type {Map<number, Period[]>} */
  const groups = Map.groupBy(periods, ({ at }) => Math.floor(at / ROW_MS) * ROW_MS);
  return [...groups].reverse().map(([at, group]) => ({
    at,
    counts: sums(group),
    wait: highest(group.map(({ wait }) => wait.p95)),
    run: highest(group.map(({ run }) => run.p95)),
  }));
}

/** @param {Period[]} periods @returns {Record<string, number>} */
function sums(periods) {
  const total = (/** @type {typeof KINDS[number]} */ kind) => periods.reduce((sum, period) => sum + period[kind], 0);
  return Object.fromEntries(KINDS.map((kind) => [kind, total(kind)]));
}

/** @param {(number | null)[]} values @returns {number | null} */
export function highest(values) {
  return values.reduce((most, value) => (value !== null && (most === null || value > most) ? value : most), null);
}
