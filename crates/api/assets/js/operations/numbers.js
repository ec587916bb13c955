// Numbers, durations and times, as people read them.

import { LOCALE } from '../deadline.js';

const plain = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });
const precise = new Intl.NumberFormat(LOCALE, { maximumSignificantDigits: 2 });
/** With a capital M in every region: a small one would be read as minutes. */
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 });
const clock = new Intl.DateTimeFormat(LOCALE, { timeStyle: 'medium' });
const shortClock = new Intl.DateTimeFormat(LOCALE, { timeStyle: 'short' });
const dayAndTime = new Intl.DateTimeFormat(LOCALE, { day: 'numeric', month: 'short', hour: 'numeric', minute: '2-digit', second: '2-digit' });

/** From here on a number is rounded, because it would not fit. */
const COMPACT_FROM = 1_000_000;
const DAY_MS = 86_400_000;

/** The units of durations: the first that fits is used. The last number of each row is its length in seconds. */
const UNITS = /** @type {const} */ ([[90, 's', 1], [5400, 'min', 60], [129_600, 'h', 3600], [Infinity, 'days', 86_400]]);

/**
 * A count. The server stops counting at `limit`; `null` means that there is no such number.
 * @param {number | null | undefined} value @param {number} [limit]
 */
export function count(value, limit = Infinity) {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  const text = value >= COMPACT_FROM ? compact.format(value) : plain.format(value);
  return value >= limit ? `${text}+` : text;
}

/** `1 job`, `2 jobs`. @param {number} value @param {string} noun */
export const counted = (value, noun) => `${count(value)} ${noun}${value === 1 ? '' : 's'}`;

/** A duration such as `120 ms`, `3.2 s` or `12 min`. @param {number | null | undefined} value */
export function seconds(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  if (value <= 0) return '0 s';
  if (value < 0.001) return '< 1 ms';
  if (value < 1) return `${precise.format(value * 1000)} ms`;
  if (value < 10) return `${precise.format(value)} s`;
  const [, unit, length] = UNITS.find(([limit]) => value < limit) ?? UNITS[3];
  return `${plain.format(value / length)} ${unit}`;
}

/** A rate per second. @param {number} value */
export const perSecond = (value) => `${value >= 100 ? count(value) : precise.format(value)}/s`;

/** A time of day with seconds, and with the date unless it is about now. @param {string | number | null} moment @param {number} now */
export function time(moment, now) {
  if (moment === null) return '–';
  const date = new Date(moment);
  if (Number.isNaN(date.getTime())) return '–';
  return (Math.abs(now - date.getTime()) < DAY_MS / 2 ? clock : dayAndTime).format(date);
}

/** A time of day without seconds. @param {number} moment */
export const minute = (moment) => shortClock.format(moment);

/** How long ago it was, such as `3 s ago`. @param {string | null} moment @param {number} now */
export function ago(moment, now) {
  const past = (now - Date.parse(moment ?? '')) / 1000;
  if (!Number.isFinite(past)) return '–';
  return past < 1.5 ? 'just now' : `${seconds(Math.max(2, Math.round(past)))} ago`;
}
