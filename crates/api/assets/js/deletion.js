// Deleting, with time to think again. The API has no undelete, so the request itself is held back: until the notice is
// gone, or the page is.

import { notify, notifyProblem } from './notices.js';
import { plural, quoted } from './texts.js';
import { todos } from './todos.js';

/** @typedef {import('./todos.js').Todo} Todo */

/** @type {Map<Todo[], { act: () => void, close: () => void }>} what is held back, oldest first */
const held = new Map();
let isLeaving = false;
/** Ends when what was asked for is deleted. @type {Promise<unknown>} */
let deleting = Promise.resolve();

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
    onClose: () => (deleting = Promise.all([deleting, deleteNow(gone, what)])),
  });
  held.set(gone, notice);
}

/** Deletes what is held back, for what must not have it any more. */
export function deleteHeld() {
  for (const notice of held.values()) notice.close();
  return deleting;
}

/** Takes back the last deletion that can be. */
export function undoLast() {
  [...held.values()].at(-1)?.act();
}

/** @param {Todo[]} gone @param {string} what */
async function deleteNow(gone, what) {
  held.delete(gone);
  try {
    await todos.delete(gone, { keepalive: isLeaving });
  } catch (problem) {
    todos.hide(gone, false);
    notifyProblem(`Could not delete ${what}. ${problem.message}`);
  }
}

window.addEventListener('pagehide', () => {
  isLeaving = true;
  for (const notice of held.values()) notice.close();
  // the page may come back as it was
  isLeaving = false;
});
