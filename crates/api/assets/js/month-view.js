// The month view: a calendar grid of deadlines, with keyboard navigation by day, week, month and year.

import { clamp, formatDay, formatMonth, isSameMonth, plusDays, plusMonths, startOfWeek, weekdayNames, weeksOf } from './dates.js';
import * as dayPanel from './day-panel.js';
import { dayOf, dueState, fromWire } from './deadline.js';
import { arrange, byId, part, setText } from './elements.js';
import { replaceWithDay } from './route.js';
import { plural } from './texts.js';
import { todos } from './todos.js';

/** @typedef {import('./todos.js').Todo} Todo */

/** Titles that fit into the cell of a day. If there are more, the last line says how many. */
const MAX_TITLES = 3;

const today = () => dayOf(new Date());
let chosen = today();
const weeks = byId('month-weeks');

export function start() {
  dayPanel.start();
  byId('month-today').addEventListener('click', () => choose(today()));
  byId('month-previous').addEventListener('click', () => choose(plusMonths(chosen, -1)));
  byId('month-next').addEventListener('click', () => choose(plusMonths(chosen, 1)));
  weeks.addEventListener('click', ({ target }) => {
    const cell = /** @type {Element} */ (target).closest('td');
    if (cell) choose(cell.dataset.day ?? chosen, true);
  });
  weeks.addEventListener('keydown', onKeydown);
}

/** @param {string | null} day */
export function select(day) {
  if (day) chosen = day;
}

export function show() {
  const days = byDay(todos.all);
  setText(byId('month-heading'), formatMonth(chosen));
  const shownWeeks = weeksOf(chosen);
  byId('month-weekdays').replaceChildren(...shownWeeks[0].map(weekdayCell));
  const hadFocus = weeks.contains(document.activeElement);
  const rows = shownWeeks.map((week) => row(week.map((day) => dayCell(day, days.get(day) ?? []))));
  // unchanged rows stay, so that a screen reader keeps its place in them
  arrange(weeks, rows.map((row, index) => (row.isEqualNode(weeks.children[index]) ? weeks.children[index] : row)));
  if (hadFocus) focusChosen();
  dayPanel.show(chosen, days.get(chosen) ?? []);
}

/** @param {string} day */
function choose(day, withFocus = false) {
  chosen = clamp(day);
  replaceWithDay(chosen);
  show();
  if (withFocus) focusChosen().scrollIntoView({ block: 'nearest' });
}

function focusChosen() {
  const cell = /** @type {HTMLElement} */ (part(weeks, '[tabindex="0"]'));
  cell.focus({ preventScroll: true });
  return cell;
}

/** @param {Todo[]} all @returns {Map<string, Todo[]>} the todos due on each day, earliest first */
function byDay(all) {
  const due = all.filter((todo) => todo.deadline_at !== null);
  due.sort((a, b) => (/** @type {string} */ (a.deadline_at) < /** @type {string} */ (b.deadline_at) ? -1 : 1));
  return Map.groupBy(due, (todo) => dayOf(/** @type {Date} */ (fromWire(todo.deadline_at))));
}

/** @param {Element[]} cells */
function row(cells) {
  const row = document.createElement('tr');
  row.append(...cells);
  return row;
}

/** @param {string} day */
function weekdayCell(day) {
  const cell = document.createElement('th');
  const { long, short } = weekdayNames(day);
  cell.scope = 'col';
  cell.abbr = long;
  cell.textContent = short;
  return cell;
}

/** @param {string} day @param {Todo[]} due */
function dayCell(day, due) {
  const cell = document.createElement('td');
  const now = new Date();
  const overdue = due.filter((todo) => dueState(todo, now) === 'overdue').length;
  const counts = [due.length && plural(due.length, 'todo'), overdue && `${overdue} overdue`].filter(Boolean);
  cell.dataset.day = day;
  cell.tabIndex = day === chosen ? 0 : -1;
  cell.role = 'gridcell';
  cell.ariaSelected = String(day === chosen);
  if (day === today()) cell.ariaCurrent = 'date';
  cell.classList.toggle('other-month', !isSameMonth(day, chosen));
  cell.append(...cellContent(day, [formatDay(day), ...counts].join(', '), due, now));
  return cell;
}

/**
 * @param {string} day
 * @param {string} label read by screen readers before the titles
 * @param {Todo[]} due
 * @param {Date} now
 */
function cellContent(day, label, due, now) {
  const spoken = document.createElement('span');
  spoken.className = 'visually-hidden';
  spoken.textContent = label;
  const number = document.createElement('span');
  number.className = 'day-number';
  number.ariaHidden = 'true';
  number.textContent = String(Number(day.slice(-2)));
  const shown = due.length > MAX_TITLES ? MAX_TITLES - 1 : MAX_TITLES;
  const chips = due.slice(0, shown).map((todo) => {
    const chip = document.createElement('span');
    chip.className = `chip${todo.completed ? ' completed' : ''}`;
    chip.dataset.due = dueState(todo, now);
    chip.textContent = todo.title;
    return chip;
  });
  if (due.length <= shown) return [spoken, number, ...chips];
  const rest = document.createElement('span');
  rest.className = 'chip-rest';
  rest.textContent = `+${due.length - shown}`;
  return [spoken, number, ...chips, rest];
}

/** @param {KeyboardEvent} event */
function onKeydown(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const week = startOfWeek(chosen);
  const to = {
    ArrowLeft: () => plusDays(chosen, -1),
    ArrowRight: () => plusDays(chosen, 1),
    ArrowUp: () => plusDays(chosen, -7),
    ArrowDown: () => plusDays(chosen, 7),
    Home: () => week,
    End: () => plusDays(week, 6),
    PageUp: () => plusMonths(chosen, event.shiftKey ? -12 : -1),
    PageDown: () => plusMonths(chosen, event.shiftKey ? 12 : 1),
  }[event.key];
  if (to) choose(to(), true);
  else if (event.key === 'Enter' || event.key === ' ') byId('day-title').focus();
  else return;
  event.preventDefault();
}
