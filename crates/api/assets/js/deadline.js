// Deadlines: UTC in the API, the visitor's time zone on the page.

const SOON_MS = 24 * 60 * 60 * 1000;

/** The page is in English. Dates follow the visitor's first English locale, or British English if there is none. */
export const LOCALE = navigator.languages.find((language) => /^en(-[A-Z]{2})?$/.test(language)) ?? 'en-GB';

const clock = new Intl.DateTimeFormat(LOCALE, { timeStyle: 'short' });
const dayThisYear = new Intl.DateTimeFormat(LOCALE, { weekday: 'short', day: 'numeric', month: 'short' });
const dayOtherYear = new Intl.DateTimeFormat(LOCALE, { day: 'numeric', month: 'short', year: 'numeric' });
const relativeDay = new Intl.RelativeTimeFormat(LOCALE, { numeric: 'auto' });

/** The API's times are UTC without a suffix. @param {string | null} text */
export const fromWire = (text) => (text === null ? null : new Date(`${text}Z`));

/** @param {Date | null} moment */
export const toWire = (moment) => moment && moment.toISOString().slice(0, 19);

/**
 * Combines the values of a date field and a time field, in the visitor's time zone. The default time is 17:00, the end
 * of the working day.
 * @param {string} day @param {string} time
 */
export const fromFields = (day, time) => (day ? new Date(`${day}T${time || '17:00'}`) : null);

/** @param {Date | null} moment */
export const toFields = (moment) => (moment ? { day: dayOf(moment), time: timeOf(moment) } : { day: '', time: '' });

/** The day in the visitor's time zone, as `2026-03-05`. @param {Date} moment */
export function dayOf(moment) {
  const two = (/** @type {number} */ number) => String(number).padStart(2, '0');
  const year = String(moment.getFullYear()).padStart(4, '0');
  return `${year}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
}

/** @param {Date} moment */
const timeOf = (moment) => moment.toTimeString().slice(0, 5);

/**
 * @param {import('./todos.js').Todo} todo @param {Date} now
 * @returns {'' | 'overdue' | 'soon' | 'later'} '' without a deadline; a completed todo is never overdue or due soon
 */
export function dueState(todo, now) {
  const deadline = fromWire(todo.deadline_at);
  if (!deadline) return '';
  if (todo.completed) return 'later';
  const left = deadline.getTime() - now.getTime();
  if (left < 0) return 'overdue';
  return left <= SOON_MS ? 'soon' : 'later';
}

/** For example `today, 18:00`. @param {Date} moment @param {Date} now */
export function formatDateTime(moment, now) {
  const days = daysBetween(now, moment);
  const time = clock.format(moment);
  if (Math.abs(days) <= 1) return `${relativeDay.format(days, 'day')}, ${time}`;
  const day = moment.getFullYear() === now.getFullYear() ? dayThisYear : dayOtherYear;
  return `${day.format(moment)}, ${time}`;
}

/** The number of midnights between two moments. @param {Date} from @param {Date} to */
function daysBetween(from, to) {
  const midnight = (/** @type {Date} */ day) => Date.UTC(day.getFullYear(), day.getMonth(), day.getDate());
  return Math.round((midnight(to) - midnight(from)) / 86_400_000);
}

/** Says which time zone the times on the page are in. */
export const timeZoneHint = `Times are in your time zone (${Intl.DateTimeFormat().resolvedOptions().timeZone}).`;
