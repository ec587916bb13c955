// The view that the page shows, read from the fragment of its address (what follows the #).

/**
 * @typedef {{ view: 'todos', filter: 'all' | 'active' | 'completed' }
 *   | { view: 'month', day: string | null }
 *   | { view: 'export' }} Route
 */

const MONTH = /^\/month(?:\/(\d{4}-\d{2}-\d{2}))?$/;

/** @param {string} hash @returns {Route | null} null if it names an element of the page and not a view */
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

/** Whether the day exists: browsers read 31 February as 3 March. @param {string | undefined} text */
function isDay(text) {
  const day = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(day.getTime()) && day.toISOString().slice(0, 10) === text && day.getUTCFullYear() > 0;
}

/** Puts a day of the month into the address, without a new entry in the browser's history. @param {string} day */
export function replaceWithDay(day) {
  try {
    history.replaceState(null, '', `#/month/${day}`);
  } catch {
    // browsers limit how often this may be called, and a key that is held down exceeds the limit
  }
}
