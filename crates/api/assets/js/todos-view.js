// The list of todos with TodoMVC's behaviour, plus search and sorting.

import { LOCALE, dayOf, dueState, fromWire } from './deadline.js';
import { deleteWithUndo } from './deletion.js';
import { byId, setText } from './elements.js';
import { notifyProblem } from './notices.js';
import { loadItem, saveItem } from './storage.js';
import { plural } from './texts.js';
import { TodoRows } from './todo-rows.js';
import { todos } from './todos.js';

/** @typedef {import('./todos.js').Todo} Todo */

/** How many todos "Show more" adds. A list of thousands would be slow to lay out. */
const PAGE_SIZE = 200;

const search = /** @type {HTMLInputElement} */ (byId('search'));
const sort = /** @type {HTMLSelectElement} */ (byId('sort'));
const toggleAll = /** @type {HTMLInputElement} */ (byId('toggle-all'));
const today = new Intl.DateTimeFormat(LOCALE, { weekday: 'long', day: 'numeric', month: 'long' });

/** @type {TodoRows} */
let rows;
/** @type {'all' | 'active' | 'completed'} */
let filter = 'all';
let maxShown = PAGE_SIZE;

const FILTERS = {
  all: () => true,
  active: (/** @type {Todo} */ todo) => !todo.completed,
  completed: (/** @type {Todo} */ todo) => todo.completed,
};

export function start() {
  rows = new TodoRows(byId('todo-list'));
  sort.value = loadItem('sort', 'newest');
  sort.addEventListener('change', () => (saveItem('sort', sort.value), show()));
  search.addEventListener('input', () => ((maxShown = PAGE_SIZE), show()));
  search.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && search.value) ((search.value = ''), event.preventDefault(), show());
  });
  byId('more-todos').addEventListener('click', showMore);
  byId('clear-completed').addEventListener('click', () => {
    byId('new-title').focus();
    deleteWithUndo(todos.all.filter(FILTERS.completed));
  });
  toggleAll.addEventListener('change', completeAll);
}

/** @param {'all' | 'active' | 'completed'} [chosen] */
export function show(chosen = filter) {
  filter = chosen;
  const all = todos.all;
  const active = all.filter(FILTERS.active).length;
  const wanted = ordered(all.filter(FILTERS[filter]).filter(matches));
  rows.show(wanted.slice(0, maxShown));
  toggleAll.checked = active === 0;
  byId('todos-main').hidden = all.length === 0;
  byId('todos-footer').hidden = all.length === 0;
  byId('todos-empty').hidden = all.length > 0 || todos.asOf === null;
  byId('more-todos').hidden = wanted.length <= maxShown;
  byId('clear-completed').hidden = active === all.length;
  showCount(active);
  showEmptyText(wanted.length === 0);
  for (const link of document.querySelectorAll('.filters a')) {
    const isChosen = /** @type {HTMLElement} */ (link).dataset.filter === filter;
    link.classList.toggle('selected', isChosen);
    link.ariaCurrent = isChosen ? 'page' : null;
  }
  showToday(all);
}

function showMore() {
  const list = byId('todo-list');
  const next = list.children.length;
  maxShown += PAGE_SIZE;
  show();
  // the button may be hidden now
  /** @type {HTMLElement | null} */ (list.children[next]?.querySelector('.toggle'))?.focus();
}

/** @param {number} active */
function showCount(active) {
  const strong = document.createElement('strong');
  strong.textContent = String(active);
  byId('todo-count').replaceChildren(strong, active === 1 ? ' item left' : ' items left');
}

/** @param {boolean} isEmpty */
function showEmptyText(isEmpty) {
  const text = {
    all: 'No todos.',
    active: 'All done!',
    completed: 'No completed todos yet.',
  }[filter];
  const words = search.value.trim();
  setText(byId('todos-none'), !isEmpty ? '' : words ? `No todos match “${words}”.` : text);
}

/** Shows today's date, and how many todos are due. @param {Todo[]} all */
function showToday(all) {
  const now = new Date();
  setText(byId('todos-heading'), today.format(now));
  const open = all.filter(FILTERS.active);
  const overdue = open.filter((todo) => dueState(todo, now) === 'overdue').length;
  const dueToday = open.filter((todo) => isToday(todo, now) && dueState(todo, now) !== 'overdue').length;
  const parts = [overdue && `${overdue} overdue`, dueToday && `${dueToday} due today`].filter(Boolean);
  const calm = open.length ? `Nothing due today. ${plural(open.length, 'open todo')}.` : 'No open todos.';
  setText(byId('todos-summary'), todos.asOf === null ? '' : parts.length ? `${parts.join(', ')}.` : calm);
}

/** @param {Todo} todo @param {Date} now */
function isToday(todo, now) {
  const deadline = fromWire(todo.deadline_at);
  return deadline !== null && dayOf(deadline) === dayOf(now);
}

/** @param {Todo} todo */
function matches({ title, description }) {
  const words = search.value.trim().toLocaleLowerCase();
  return `${title}\n${description ?? ''}`.toLocaleLowerCase().includes(words);
}

/**
 * By deadline: open todos before completed ones; in each group, those without a deadline come last.
 * @param {Todo[]} list
 */
function ordered(list) {
  if (sort.value !== 'deadline') return list;
  const rank = (/** @type {Todo} */ todo) => `${todo.completed ? 1 : 0}${todo.deadline_at ?? '~'}`;
  return list.sort((a, b) => (rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : 0));
}

async function completeAll() {
  const completed = toggleAll.checked;
  const others = todos.all.filter((todo) => todo.completed !== completed);
  try {
    await todos.changeAll(others, { completed });
  } catch (problem) {
    notifyProblem(`Couldn’t update all todos. ${problem.message}`);
  }
}
