// Where the page is, by what follows the # in its address.

/**
 * @typedef {{ view: 'todos', filter: 'all' | 'active' | 'completed' }
 *   | { view: 'month', day: string | null }
 *   | { view: 'export' }} Route
 */

const MONTH = /^\/month(?:\/(\d{4}-\d{2}-\d{2}))?$/;

/** @param {string} hash @returns {Route | null} null: it names no view, only a place in the page */
export function read(hash) {
  const path = hash.slice(1);
  if (path === '' || path === '/') return { view: 'todos', filter: 'all' };
  if (path === '/active') return { view: 'todos', filter: 'active' };
  if (path === '/completed') return { view: 'todos', filter: 'completed' };
  if (path === '/export') return { view: 'export' };
  const month = MONTH.exec(path);
  if (month) return { view: 'month', day: isDay(month[1]) ? month[1] : null };
  return path.startsWith('/') ? { view: 'todos', filter: 'all' } : null;
}

/** @param {string | undefined} text */
const isDay = (text) => text !== undefined && !Number.isNaN(Date.parse(text)) && !text.startsWith('0000');

/** Shows a day in the month without a step in the browser's history. @param {string} day */
export function replaceWithDay(day) {
  history.replaceState(null, '', `#/month/${day}`);
}
