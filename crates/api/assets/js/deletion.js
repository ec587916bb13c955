// Deleting, with time to think again. The API has no undelete, so the request itself is held back: until the notice is
// gone, or the page is.

import { notify, notifyProblem } from './notices.js';
import { plural, quoted } from './texts.js';
import { todos } from './todos.js';

/** @typedef {import('./todos.js').Todo} Todo */

/** @type {Map<Todo[], { act: () => void, close: () => void }>} what is held back, oldest first */
const held = new Map();
/** What is on its way to the server. @type {Map<Promise<boolean>, Todo[]>} */
const underWay = new Map();
let isLeaving = false;

/** More than a request may take; of many, the rest is not waited for. */
const PATIENCE_MS = 25_000;

/** @param {Todo[]} gone */
export function deleteLater(gone) {
  if (!gone.length) return;
  todos.hide(gone, true);
  const what = gone.length === 1 ? quoted(gone[0].title) : plural(gone.length, 'todo');
  const notice = notify(`Deleted ${what}.`, {
    action: 'Undo',
    onAction: () => {
      held.delete(gone);
      todos.hide(gone, false);
      notify(`${what} is back.`);
    },
    onClose: () => {
      const deleting = deleteNow(gone, what).finally(() => underWay.delete(deleting));
      underWay.set(deleting, gone);
    },
  });
  held.set(gone, notice);
}

/** Deletes what is held back, for what must not have it any more. @throws {Error} when it can't be */
export async function deleteHeld() {
  for (const notice of held.values()) notice.close();
  const late = new Promise((go) => setTimeout(go, PATIENCE_MS, [false]));
  const deleted = await Promise.race([Promise.all(underWay.keys()), late]);
  if (deleted.includes(false)) throw new Error('Not done: what you deleted is still there. Try again.');
}

/** Takes back the last deletion that can be. */
export function undoLast() {
  [...held.values()].at(-1)?.act();
}

/** @param {Todo[]} gone @param {string} what @returns {Promise<boolean>} whether it is gone */
async function deleteNow(gone, what) {
  held.delete(gone);
  try {
    await todos.delete(gone, { keepalive: isLeaving });
    return true;
  } catch (problem) {
    todos.hide(gone, false);
    notifyProblem(`Could not delete ${what}. ${problem.message}`);
    return false;
  }
}

window.addEventListener('pagehide', () => {
  isLeaving = true;
  // their requests end with the page
  todos.delete([...underWay.values()].flat(), { keepalive: true }).catch(() => {});
  for (const notice of held.values()) notice.close();
  // the page may come back as it was
  isLeaving = false;
});
