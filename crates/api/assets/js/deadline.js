// Deadlines: UTC on the wire, the visitor's own time on the page.

const SOON_MS = 24 * 60 * 60 * 1000;

/** The page is in English; of the visitor's locale it takes the English that there is, or the British one. */
export const LOCALE = navigator.languages.find((language) => /^en(-[A-Z]{2})?$/.test(language)) ?? 'en-GB';

const clock = new Intl.DateTimeFormat(LOCALE, { timeStyle: 'short' });
const nearDay = new Intl.DateTimeFormat(LOCALE, { weekday: 'short', day: 'numeric', month: 'short' });
const farDay = new Intl.DateTimeFormat(LOCALE, { day: 'numeric', month: 'short', year: 'numeric' });
const dayName = new Intl.RelativeTimeFormat(LOCALE, { numeric: 'auto' });

/** The API writes UTC without saying so. @param {string | null} text */
export const fromWire = (text) => (text === null ? null : new Date(`${text}Z`));

/** @param {Date | null} moment */
export const toWire = (moment) => moment && moment.toISOString().slice(0, 19);

/**
 * Reads a date and a time, as their fields give them, in the visitor's zone. Without a time it is the end of the working day.
 * @param {string} day @param {string} time
 */
export const fromFields = (day, time) => (day ? new Date(`${day}T${time || '17:00'}`) : null);

/** @param {Date | null} moment */
export const toFields = (moment) => (moment ? { day: dayOf(moment), time: timeOf(moment) } : { day: '', time: '' });

/** The visitor's day, as `2026-03-05`. @param {Date} moment */
export function dayOf(moment) {
  const two = (/** @type {number} */ number) => String(number).padStart(2, '0');
  const year = String(moment.getFullYear()).padStart(4, '0');
  return `${year}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
}

/** @param {Date} moment */
const timeOf = (moment) => moment.toTimeString().slice(0, 5);

/**
 * @param {import('./todos.js').Todo} todo @param {Date} now
 * @returns {'' | 'overdue' | 'soon' | 'later'}
 */
export function markOf(todo, now) {
  const deadline = fromWire(todo.deadline_at);
  if (!deadline) return '';
  if (todo.completed) return 'later';
  const left = deadline.getTime() - now.getTime();
  if (left < 0) return 'overdue';
  return left <= SOON_MS ? 'soon' : 'later';
}

/** Such as `today, 18:00`. @param {Date} moment @param {Date} now */
export function inWords(moment, now) {
  const days = daysBetween(now, moment);
  const time = clock.format(moment);
  if (Math.abs(days) <= 1) return `${dayName.format(days, 'day')}, ${time}`;
  const day = moment.getFullYear() === now.getFullYear() ? nearDay : farDay;
  return `${day.format(moment)}, ${time}`;
}

/** Midnights that lie between. @param {Date} from @param {Date} to */
function daysBetween(from, to) {
  const noon = (/** @type {Date} */ day) => Date.UTC(day.getFullYear(), day.getMonth(), day.getDate());
  return Math.round((noon(to) - noon(from)) / 86_400_000);
}

/** Whose times they are. */
export const zoneWords = `Times are yours (${Intl.DateTimeFormat().resolvedOptions().timeZone}).`;
