// The form for a new todo. Enter adds it; a todo that the server does not save is kept (see unsaved.js).

import { dayOf, fromFields, fromWire, timeZoneHint, toFields, toWire } from './deadline.js';
import { byId, isComposing, part, setProblem } from './elements.js';
import { clearDraft, keepDraft } from './storage.js';
import { descriptionProblem, titleProblem } from './texts.js';
import { addOrKeep } from './unsaved.js';

const form = /** @type {HTMLFormElement} */ (byId('composer'));
const title = /** @type {HTMLInputElement} */ (byId('new-title'));
const more = /** @type {HTMLButtonElement} */ (byId('new-more'));
const details = byId('new-details');
const day = /** @type {HTMLInputElement} */ (byId('new-date'));
const time = /** @type {HTMLInputElement} */ (byId('new-time'));
const description = /** @type {HTMLTextAreaElement} */ (byId('new-description'));
const fields = [title, day, time, description];

export function start() {
  part(form, '.zone').textContent = timeZoneHint;
  fields.forEach(keepDraft);
  fillTime();
  showDetails(false);
  form.addEventListener('submit', (event) => (event.preventDefault(), add()));
  more.addEventListener('click', () => showDetails(details.hidden) && day.focus());
  day.addEventListener('change', fillTime);
  // the problem is cleared once the title is valid, not updated at each key: a screen reader would read it each time
  title.addEventListener('input', () => title.ariaInvalid && !titleProblem(title.value.trim()) && check());
  description.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || isComposing(event)) return;
    event.preventDefault();
    add();
  });
  for (const button of document.querySelectorAll('.suggestion')) {
    button.addEventListener('click', () => fillFrom(/** @type {HTMLElement} */ (button)));
  }
}

/** @param {HTMLInputElement | HTMLTextAreaElement} field */
const isFilled = (field) => field.value.trim() !== '' || field.validity.badInput;

/** Details that are filled in are never hidden, because they are sent with the todo. @param {boolean} open */
function showDetails(open) {
  open ||= fields.slice(1).some(isFilled);
  details.hidden = !open;
  more.ariaExpanded = String(open);
  return open;
}

async function add() {
  const text = title.value.trim();
  if (!check()) return focusInvalid();
  if (!text) return title.focus();
  const todo = { title: text };
  if (description.value.trim()) todo.description = description.value.trim();
  if (day.value) todo.deadline_at = toWire(fromFields(day.value, time.value));
  clear();
  title.focus();
  await addOrKeep(todo);
}

/**
 * Fills the form with a todo that was not saved, so that it can be corrected.
 * @param {import('./todos.js').Changes} todo
 * @returns {boolean} false if another todo is being written
 */
export function edit(todo) {
  const isFree = !fields.some(isFilled);
  title.focus();
  if (!isFree) setProblem(byId('new-problem'), 'Add or clear this todo first.', title);
  else {
    const deadline = toFields(fromWire(todo.deadline_at ?? null));
    const values = [todo.title, deadline.day, deadline.time, todo.description];
    fields.forEach((field, index) => {
      field.value = values[index] ?? '';
      field.dispatchEvent(new Event('input'));
    });
    showDetails(false);
  }
  return isFree;
}

function focusInvalid() {
  /** @type {HTMLElement} */ (part(form, '[aria-invalid]')).focus();
}

/** A new date comes with a default time, the end of the working day; without a date there is no time. */
function fillTime() {
  if (day.value) time.value ||= '17:00';
  else if (!day.validity.badInput) time.value = '';
}

/** Whether the fields are valid. If not, shows the problem and marks its field. */
function check() {
  const place = byId('new-problem');
  const isPartial = day.validity.badInput || time.validity.badInput || (time.value && !day.value);
  const ofDate = day.validity.rangeOverflow ? 'Choose an earlier date.' : isPartial ? 'Enter a complete date and time.' : '';
  const ofTitle = titleProblem(title.value.trim());
  const ofDescription = descriptionProblem(description.value.trim());
  setProblem(place, '', title);
  setProblem(place, '', description);
  setProblem(place, ofDate, day);
  if (ofDescription) setProblem(place, ofDescription, description);
  if (ofTitle) setProblem(place, ofTitle, title);
  return !place.textContent;
}

function clear() {
  fields.forEach(clearDraft);
  showDetails(false);
}

/** @param {HTMLElement} suggestion */
function fillFrom({ dataset }) {
  title.value = dataset.title ?? '';
  if (dataset.days) {
    const due = new Date();
    due.setDate(due.getDate() + Number(dataset.days));
    day.value = dayOf(due);
    time.value = dataset.time ?? '';
    showDetails(true);
  }
  title.focus();
}
