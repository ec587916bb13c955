// The scales and lines of a plot, without the page.

/** @typedef {{ at: number, value: number | null }} Value */
/** @typedef {{ of: (value: number) => number, ticks: number[] }} Scale `of` is 0 at the bottom and 1 at the top */

/** The lowest value that a logarithmic scale shows, in seconds. */
const FLOOR = 0.001;

/** A scale from 0 to a round number that is not below the highest value. @param {number} highest @returns {Scale} */
export function linearScale(highest) {
  const step = niceStep(Math.max(highest, 0.1) / 3);
  const top = step * Math.ceil(Math.max(highest, 0.1) / step - 1e-9);
  const ticks = Array.from({ length: Math.round(top / step) + 1 }, (_, index) => Number((index * step).toPrecision(6)));
  return { of: (value) => value / top, ticks };
}

/** A scale of whole powers of ten that contains all values. @param {number[]} values @returns {Scale} */
export function logScale(values) {
  const logs = values.map((value) => Math.log10(Math.max(value, FLOOR)));
  const low = Math.floor(Math.min(-2, ...logs));
  const high = Math.max(low + 2, Math.ceil(Math.max(0, ...logs)));
  const ticks = Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index));
  return { of: (value) => (Math.log10(Math.max(value, FLOOR)) - low) / (high - low), ticks };
}

/** 1, 2 or 5 times a power of ten, near the value. @param {number} value */
function niceStep(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 5].find((step) => step * power >= value) ?? 10);
}

/**
 * The `d` of a path through values. It has a gap where a value is null, and a value between two gaps is a short dash.
 * @param {Value[]} values @param {(at: number) => number} x @param {(value: number) => number} y
 */
export function line(values, x, y) {
  let path = '';
  let isDrawing = false;
  for (const { at, value } of values) {
    if (value !== null) path += `${isDrawing ? 'L' : 'M'}${tenth(x(at))} ${tenth(y(value))}${isDrawing ? '' : 'h1'}`;
    isDrawing = value !== null;
  }
  return path;
}

/** The area below a line without gaps. @param {Value[]} values @param {(at: number) => number} x @param {(value: number) => number} y */
export function area(values, x, y) {
  if (!values.length) return '';
  const top = values.map(({ at, value }) => `L${tenth(x(at))} ${tenth(y(value ?? 0))}`).join('');
  return `M${tenth(x(values[0].at))} ${tenth(y(0))}${top}L${tenth(x(values[values.length - 1].at))} ${tenth(y(0))}Z`;
}

/** @param {number} value */
const tenth = (value) => Math.round(value * 10) / 10;

/** The index of the value whose time is nearest. @param {{ at: number }[]} values in order of time @param {number} at */
export function nearest(values, at) {
  let best = -1;
  values.forEach((value, index) => {
    if (best < 0 || Math.abs(value.at - at) < Math.abs(values[best].at - at)) best = index;
  });
  return best;
}
