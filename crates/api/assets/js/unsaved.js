// New todos that the server has not taken, kept in this browser with the reason until they are sent again or given up.
// They are not sent again by themselves: an answer may have been lost on its way, and the todo would be there twice.

import { arrange, byId, fromTemplate, part, setText } from './elements.js';
import { recall, remember } from './remembered.js';
import { todos } from './todos.js';

/** @typedef {{ key: number, todo: import('./todos.js').Changes, reason: string }} Unsaved */

/** @type {Unsaved[]} */
let unsaved = recall('unsaved', []);
/** @type {Map<number, Element>} */
const rows = new Map();

/** Adds a todo, or keeps it. @param {import('./todos.js').Changes} todo */
export async function addOrKeep(todo) {
  try {
    return await todos.add(todo);
  } catch (problem) {
    keep([{ key: Date.now() + Math.random(), todo, reason: problem.message }, ...unsaved]);
    return null;
  }
}

/** @param {Unsaved[]} now */
function keep(now) {
  unsaved = now;
  remember('unsaved', unsaved);
  show();
}

export function show() {
  const list = byId('unsaved');
  list.hidden = unsaved.length === 0;
  for (const key of rows.keys()) if (!unsaved.some((one) => one.key === key)) rows.delete(key);
  arrange(list, unsaved.map(rowOf));
}

/** @param {Unsaved} one */
function rowOf(one) {
  const row = rows.get(one.key) ?? fromTemplate('unsaved-row');
  rows.set(one.key, row);
  setText(part(row, '.todo-title'), one.todo.title ?? '');
  setText(part(row, '.reason'), `Not saved. ${one.reason}`);
  const retry = /** @type {HTMLButtonElement} */ (part(row, '.retry'));
  const discard = /** @type {HTMLButtonElement} */ (part(row, '.discard'));
  retry.onclick = () => sendAgain(one, retry);
  discard.onclick = () => leave(one);
  discard.ariaLabel = `Discard ${one.todo.title}`;
  retry.ariaLabel = `Try again: ${one.todo.title}`;
  return row;
}

/** @param {Unsaved} one @param {HTMLButtonElement} button */
async function sendAgain(one, button) {
  button.disabled = true;
  try {
    await todos.add(one.todo);
    leave(one);
  } catch (problem) {
    keep(unsaved.map((other) => (other === one ? { ...one, reason: problem.message } : other)));
  }
  button.disabled = false;
}

/** @param {Unsaved} one */
function leave(one) {
  keep(unsaved.filter(({ key }) => key !== one.key));
  byId('new-title').focus();
}
