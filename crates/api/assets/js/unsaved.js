// New todos that the server has not taken, kept in this browser with the reason until they are sent again or given up.
// They are not sent again by themselves: an answer may have been lost on its way, and the todo would be there twice.

import { arrange, byId, fromTemplate, part, setText } from './elements.js';
import { recall, remember } from './remembered.js';
import { todos } from './todos.js';

/** @typedef {{ key: number, todo: import('./todos.js').Changes, reason: string }} Unsaved */

/** Shared with the other tabs. @type {Unsaved[]} */
let unsaved = recall('unsaved', []);
/** What this tab is sending, for when it is reloaded before the answer. @type {Unsaved[]} */
let sending = recall('sending', [], () => sessionStorage);
/** @type {Map<number, Element>} */
const rows = new Map();
/** Puts a todo where it can be mended, if there is room. @type {(todo: import('./todos.js').Changes) => boolean} */
let takeBack;

/** @param {typeof takeBack} mend */
export function start(mend) {
  takeBack = mend;
  const left = sending;
  keepSending([]);
  keep((others) => [...left, ...others]);
  window.addEventListener('storage', () => ((unsaved = recall('unsaved', unsaved)), show()));
}

/** Adds a todo, or keeps it. @param {import('./todos.js').Changes} todo */
export async function addOrKeep(todo) {
  const one = { key: Date.now() + Math.random(), todo, reason: 'The answer never came; it may be saved.' };
  keepSending([one, ...sending]);
  try {
    return await todos.add(todo);
  } catch (problem) {
    keep((others) => [{ ...one, reason: reasonOf(problem) }, ...others]);
    return null;
  } finally {
    keepSending(sending.filter((other) => other !== one));
  }
}

/** What was not answered may have been done all the same. @param {import('./problem.js').Problem} problem */
export const reasonOf = ({ status, message }) => `${status ? 'Not saved.' : 'It may not be saved.'} ${message}`;

/** @param {Unsaved[]} now */
function keepSending(now) {
  sending = now;
  remember('sending', sending, () => sessionStorage);
}

/** Reads what is kept anew for each change: another tab may have changed it. @param {(kept: Unsaved[]) => Unsaved[]} change */
function keep(change) {
  unsaved = change(recall('unsaved', unsaved));
  remember('unsaved', unsaved);
  show();
}

function show() {
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
  setText(part(row, '.todo-description'), one.todo.description ?? '');
  setText(part(row, '.reason'), one.reason);
  const buttons = /** @type {HTMLButtonElement[]} */ ([...row.querySelectorAll('button')]);
  const [retry, mend, discard] = buttons;
  retry.onclick = () => sendAgain(one, buttons);
  mend.onclick = () => takeBack(one.todo) && leave(one);
  discard.onclick = () => leave(one);
  mend.ariaLabel = `Edit ${one.todo.title}`;
  discard.ariaLabel = `Discard ${one.todo.title}`;
  retry.ariaLabel = `Try again: ${one.todo.title}`;
  return row;
}

/** @param {Unsaved} one @param {HTMLButtonElement[]} buttons */
async function sendAgain(one, buttons) {
  for (const button of buttons) button.disabled = true;
  try {
    await todos.add(one.todo);
    leave(one);
  } catch (problem) {
    keep((all) => all.map((other) => (other.key === one.key ? { ...one, reason: reasonOf(problem) } : other)));
  }
  for (const button of buttons) button.disabled = false;
  // a button that is disabled loses the focus
  if (document.activeElement === document.body) buttons[0].focus();
}

/** @param {Unsaved} one */
function leave(one) {
  keep((all) => all.filter(({ key }) => key !== one.key));
  if (document.activeElement === document.body) byId('new-title').focus();
}
