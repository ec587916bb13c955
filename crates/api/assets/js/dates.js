// The days of a month, as a calendar shows them. A day is a string such as `2026-03-05`; calculations are in UTC, where
// every day has 24 hours.

import { LOCALE } from './deadline.js';

/** The first day of the week in the visitor's region; 1 is Monday. */
const FIRST_WEEKDAY = firstWeekday();

const DAY_MS = 86_400_000;
const FIRST = '0001-01-01';
const LAST = '9999-12-31';

/** @param {string} day */
const date = (day) => new Date(`${day}T00:00:00Z`);

/** @param {Date} moment */
const text = (moment) => moment.toISOString().slice(0, 10);

/** @param {string} day @param {number} days */
const shifted = (day, days) => text(new Date(date(day).getTime() + days * DAY_MS));

/** @param {string} day @param {number} days */
export const plusDays = (day, days) => clamp(shifted(day, days));

/**
 * The same day of another month, or the last day of that month if it is shorter.
 * @param {string} day
 * @param {number} months
 */
export function plusMonths(day, months) {
  const from = date(day);
  const first = new Date(from);
  first.setUTCMonth(from.getUTCMonth() + months, 1);
  const last = new Date(first);
  last.setUTCMonth(first.getUTCMonth() + 1, 0);
  first.setUTCDate(Math.min(from.getUTCDate(), last.getUTCDate()));
  return clamp(text(first));
}

/** The nearest day that can be chosen. ECMAScript writes the years from 10000 with a sign. @param {string} day */
export const clamp = (day) => (day.startsWith('+') ? LAST : day < FIRST ? FIRST : day);

/** @param {string} day */
export const startOfWeek = (day) => shifted(day, -((date(day).getUTCDay() - FIRST_WEEKDAY + 7) % 7));

/** @param {string} a @param {string} b */
export const isSameMonth = (a, b) => a.slice(0, 7) === b.slice(0, 7);

/** The complete weeks that contain the month of a day. @param {string} day @returns {string[][]} */
export function weeksOf(day) {
  const first = `${day.slice(0, 7)}-01`;
  const weeks = [];
  for (let start = startOfWeek(first); ; start = shifted(start, 7)) {
    if (weeks.length > 0 && !isSameMonth(start, day)) return weeks;
    weeks.push(Array.from({ length: 7 }, (_, index) => shifted(start, index)));
    if (weeks.length > 6) return weeks;
  }
}

const inUtc = (/** @type {Intl.DateTimeFormatOptions} */ options) =>
  new Intl.DateTimeFormat(LOCALE, { timeZone: 'UTC', ...options });
const monthFormat = inUtc({ month: 'long', year: 'numeric' });
const dayFormat = inUtc({ weekday: 'long', day: 'numeric', month: 'long' });
const weekdayLong = inUtc({ weekday: 'long' });
const weekdayShort = inUtc({ weekday: 'short' });

/** @param {string} day */
export const formatMonth = (day) => monthFormat.format(date(day));

/** @param {string} day */
export const formatDay = (day) => dayFormat.format(date(day));

/** @param {string} day */
export const weekdayNames = (day) => ({ long: weekdayLong.format(date(day)), short: weekdayShort.format(date(day)) });

function firstWeekday() {
  try {
    const locale = /** @type {any} */ (new Intl.Locale(navigator.language));
    return (locale.getWeekInfo?.() ?? locale.weekInfo).firstDay;
  } catch {
    // `Intl.Locale` rejects languages such as C, and not every browser has week data
    return 1;
  }
}
