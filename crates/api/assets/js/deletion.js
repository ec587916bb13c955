// Deleting with undo. The API can't restore a todo, so the page delays the request until the notice with the Undo
// button closes, or until the visitor leaves the page.

import { notify, notifyProblem } from './notices.js';
import { plural, quoted } from './texts.js';
import { todos } from './todos.js';

/** @typedef {import('./todos.js').Todo} Todo */

/**
 * Deletions that can still be undone, oldest first, with their notices.
 * @type {Map<Todo[], { act: () => void, close: () => void }>}
 */
const undoable = new Map();
/** Deletions that are being sent to the server. @type {Map<Promise<boolean>, Todo[]>} */
const inFlight = new Map();
let isLeaving = false;

/** How long to wait for deletions in flight: longer than the timeout of one request. */
const TIMEOUT_MS = 25_000;

/** Hides todos, and deletes them unless the visitor chooses Undo. @param {Todo[]} deleted */
export function deleteWithUndo(deleted) {
  if (!deleted.length) return;
  todos.setHidden(deleted, true);
  const name = deleted.length === 1 ? quoted(deleted[0].title) : plural(deleted.length, 'todo');
  const notice = notify(`Deleted ${name}.`, {
    action: 'Undo',
    onAction: () => {
      undoable.delete(deleted);
      todos.setHidden(deleted, false);
      notify(`Restored ${name}.`);
    },
    onClose: () => {
      const deleting = sendDelete(deleted, name).finally(() => inFlight.delete(deleting));
      inFlight.set(deleting, deleted);
    },
  });
  undoable.set(deleted, notice);
}

/** Sends every delayed deletion now. @throws {Error} if a todo could not be deleted */
export async function finishDeletions() {
  for (const notice of undoable.values()) notice.close();
  const timeout = new Promise((resolve) => setTimeout(resolve, TIMEOUT_MS, [false]));
  const succeeded = await Promise.race([Promise.all(inFlight.keys()), timeout]);
  if (succeeded.includes(false)) throw new Error('Some todos that you deleted are still on the server. Try again.');
}

/** Undoes the last deletion that can still be undone. */
export function undoLast() {
  [...undoable.values()].at(-1)?.act();
}

/** @param {Todo[]} deleted @param {string} name @returns {Promise<boolean>} whether it succeeded */
async function sendDelete(deleted, name) {
  undoable.delete(deleted);
  try {
    await todos.delete(deleted, { keepalive: isLeaving });
    return true;
  } catch (problem) {
    todos.setHidden(deleted, false);
    notifyProblem(`Couldn’t delete ${name}. ${problem.message}`);
    return false;
  }
}

addEventListener('pagehide', () => {
  isLeaving = true;
  // requests in flight end with the page, so they are sent again
  todos.delete([...inFlight.values()].flat(), { keepalive: true }).catch(() => {});
  for (const notice of undoable.values()) notice.close();
  // the browser may restore the page from its back/forward cache
  isLeaving = false;
});
