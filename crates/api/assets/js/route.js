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

/** Browsers take 31 February for 3 March. @param {string | undefined} text */
function isDay(text) {
  const day = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(day.getTime()) && day.toISOString().slice(0, 10) === text && day.getUTCFullYear() > 0;
}

/** Shows a day in the month without a step in the browser's history. @param {string} day */
export function replaceWithDay(day) {
  try {
    history.replaceState(null, '', `#/month/${day}`);
  } catch {
    // browsers allow so many in a while, and a key that is held makes more
  }
}
