// New todos that could not be saved. The browser keeps them, with the reason, until the visitor sends them again or
// discards them. They are never resent automatically: if only the response was lost, the todo would be added twice.

import { server } from './api.js';
import { arrange, byId, fromTemplate, part, setText } from './elements.js';
import { loadItem, saveItem } from './storage.js';
import { todos } from './todos.js';

/** @typedef {{ key: number, todo: import('./todos.js').Changes, reason: string }} Unsaved */

/** Shared with the other tabs of this browser. @type {Unsaved[]} */
let unsaved = loadItem('unsaved', []);
/** Todos that this tab is sending. They are unsaved if it is reloaded before the response. @type {Unsaved[]} */
let sending = loadItem('sending', [], () => sessionStorage);
/** @type {Map<number, Element>} */
const rows = new Map();
/** Fills the form for a new todo, unless it is in use. @type {(todo: import('./todos.js').Changes) => boolean} */
let editInForm;

/** @param {typeof editInForm} edit */
export function start(edit) {
  editInForm = edit;
  update((others) => [...sending, ...others]);
  setSending([]);
  addEventListener('storage', () => ((unsaved = loadItem('unsaved', unsaved)), show()));
  // the end of a session deletes them from the storage
  server.addEventListener('signed-in', () => update((all) => all));
}

/** Sends a new todo to the server, and keeps it here if that fails. @param {import('./todos.js').Changes} todo */
export async function addOrKeep(todo) {
  const one = { key: Date.now() + Math.random(), todo, reason: 'The server didn’t respond. This todo may already be saved.' };
  setSending([one, ...sending]);
  try {
    return await todos.add(todo);
  } catch (problem) {
    update((others) => [{ ...one, reason: failureText(problem) }, ...others]);
    return null;
  } finally {
    setSending(sending.filter((other) => other !== one));
  }
}

/**
 * Without a response, it is unknown whether the server saved the todo.
 * @param {import('./problem.js').Problem} problem
 */
export const failureText = ({ status, message }) => `${status ? 'Not saved.' : 'This todo may not have been saved.'} ${message}`;

/** @param {Unsaved[]} todos */
function setSending(todos) {
  sending = todos;
  saveItem('sending', sending, () => sessionStorage);
}

/**
 * Reads the stored todos before each change, because another tab may have changed them.
 * @param {(stored: Unsaved[]) => Unsaved[]} change
 */
function update(change) {
  unsaved = change(loadItem('unsaved', unsaved));
  saveItem('unsaved', unsaved);
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
  const [retry, edit, discard] = buttons;
  retry.onclick = () => sendAgain(one, buttons);
  edit.onclick = () => editInForm(one.todo) && remove(one);
  discard.onclick = () => remove(one);
  edit.ariaLabel = `Edit ${one.todo.title}`;
  discard.ariaLabel = `Discard ${one.todo.title}`;
  retry.ariaLabel = `Try again: ${one.todo.title}`;
  return row;
}

/** @param {Unsaved} one @param {HTMLButtonElement[]} buttons */
async function sendAgain(one, buttons) {
  for (const button of buttons) button.disabled = true;
  try {
    await todos.add(one.todo);
    remove(one);
  } catch (problem) {
    update((all) => all.map((other) => (other.key === one.key ? { ...one, reason: failureText(problem) } : other)));
  }
  for (const button of buttons) button.disabled = false;
  // a disabled button loses the focus
  if (document.activeElement === document.body) buttons[0].focus();
}

/** @param {Unsaved} one */
function remove(one) {
  update((all) => all.filter(({ key }) => key !== one.key));
  if (document.activeElement === document.body) byId('new-title').focus();
}
