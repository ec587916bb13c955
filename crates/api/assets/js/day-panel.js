// The panel of the chosen day in the month view: the todos due on it, and a form to add one.

import { formatDay } from './dates.js';
import { fromFields, toWire } from './deadline.js';
import { byId, setProblem, setText } from './elements.js';
import { clearDraft, keepDraft } from './storage.js';
import { plural, titleProblem } from './texts.js';
import { TodoRows } from './todo-rows.js';
import { todos } from './todos.js';
import { failureText } from './unsaved.js';

/** @typedef {import('./todos.js').Todo} Todo */

const title = /** @type {HTMLInputElement} */ (byId('day-title'));
const time = /** @type {HTMLInputElement} */ (byId('day-time'));

/** @type {TodoRows} */
let rows;
let shownDay = '';

export function start() {
  rows = new TodoRows(byId('day-list'));
  keepDraft(title);
  byId('day-form').addEventListener('submit', (event) => (event.preventDefault(), add()));
}

/** @param {string} day @param {Todo[]} due */
export function show(day, due) {
  shownDay = day;
  const open = due.filter(({ completed }) => !completed).length;
  setText(byId('day-heading'), formatDay(day));
  setText(byId('day-summary'), due.length ? `${plural(due.length, 'todo')}, ${open} open` : '');
  byId('day-none').hidden = due.length > 0;
  rows.show(due);
}

async function add() {
  if (title.readOnly) return;
  const text = title.value.trim();
  const problem = titleProblem(text);
  const isPartial = time.validity.badInput;
  setProblem(byId('day-problem'), problem, title);
  if (!text || problem) return title.focus();
  setProblem(byId('day-problem'), isPartial ? 'Enter a complete time.' : '', time);
  if (isPartial) return time.focus();
  title.readOnly = true;
  try {
    await todos.add({ title: text, deadline_at: toWire(fromFields(shownDay, time.value)) });
    clearDraft(title);
  } catch (problem) {
    setProblem(byId('day-problem'), failureText(problem), title);
  } finally {
    title.readOnly = false;
    if (byId('day-form').contains(document.activeElement)) title.focus();
  }
}
