// Writing a new todo: Enter adds it, and what the server does not take is kept.

import { dayOf, fromFields, fromWire, toFields, toWire, zoneWords } from './deadline.js';
import { byId, isComposing, part, setProblem } from './elements.js';
import { forgetTyped, keepTyped } from './remembered.js';
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
  part(form, '.zone').textContent = zoneWords;
  fields.forEach(keepTyped);
  fillTime();
  showDetails(false);
  form.addEventListener('submit', (event) => (event.preventDefault(), add()));
  more.addEventListener('click', () => showDetails(details.hidden) && day.focus());
  day.addEventListener('change', fillTime);
  // once it is right, and not at each key: it would be read aloud each time
  title.addEventListener('input', () => title.ariaInvalid && !titleProblem(title.value.trim()) && check());
  description.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || isComposing(event)) return;
    event.preventDefault();
    add();
  });
  for (const button of document.querySelectorAll('.suggestion')) {
    button.addEventListener('click', () => suggest(/** @type {HTMLElement} */ (button)));
  }
}

/** @param {HTMLInputElement | HTMLTextAreaElement} field */
const isFilled = (field) => field.value.trim() !== '' || field.validity.badInput;

/** What is filled in stays in sight: it goes along with the todo. @param {boolean} open */
function showDetails(open) {
  open ||= fields.slice(1).some(isFilled);
  details.hidden = !open;
  more.ariaExpanded = String(open);
  return open;
}

async function add() {
  const text = title.value.trim();
  if (!check()) return showMistake();
  if (!text) return title.focus();
  const todo = { title: text };
  if (description.value.trim()) todo.description = description.value.trim();
  if (day.value) todo.deadline_at = toWire(fromFields(day.value, time.value));
  clear();
  title.focus();
  await addOrKeep(todo);
}

/** Lets a todo be written anew, unless another one is being written. @param {import('./todos.js').Changes} todo */
export function takeBack(todo) {
  const isFree = !fields.some(isFilled);
  title.focus();
  if (!isFree) setProblem(byId('new-problem'), 'Add this one first.', title);
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

function showMistake() {
  /** @type {HTMLElement} */ (part(form, '[aria-invalid]')).focus();
}

/** A day has the end of its working day as its time, until another is chosen; without a day there is none. */
function fillTime() {
  if (day.value) time.value ||= '17:00';
  else if (!day.validity.badInput) time.value = '';
}

/** Whether it can be sent; else what is wrong is said at its field. */
function check() {
  const place = byId('new-problem');
  const isPartial = day.validity.badInput || time.validity.badInput || (time.value && !day.value);
  const date = day.validity.rangeOverflow ? 'The deadline is too far away.' : isPartial ? 'The deadline is not whole.' : '';
  const ofTitle = titleProblem(title.value.trim());
  const ofDescription = descriptionProblem(description.value.trim());
  setProblem(place, '', title);
  setProblem(place, '', description);
  setProblem(place, date, day);
  if (ofDescription) setProblem(place, ofDescription, description);
  if (ofTitle) setProblem(place, ofTitle, title);
  return !place.textContent;
}

function clear() {
  fields.forEach(forgetTyped);
  showDetails(false);
}

/** @param {HTMLElement} suggestion */
function suggest({ dataset }) {
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
