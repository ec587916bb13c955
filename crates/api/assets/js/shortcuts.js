// Single-key shortcuts, which can be switched off (WCAG 2.1.4), and the help dialog that lists them.

import { undoLast } from './deletion.js';
import { byId } from './elements.js';
import { loadItem, saveItem } from './storage.js';

const help = /** @type {HTMLDialogElement} */ (byId('help'));
const singleKeys = /** @type {HTMLInputElement} */ (byId('single-keys'));

const ACTIONS = {
  n: () => focusInTodos('new-title'),
  '/': () => focusInTodos('search'),
  u: undoLast,
  t: () => (location.hash = '#/'),
  m: () => (location.hash = '#/month'),
  x: () => (location.hash = '#/export'),
  '?': () => help.showModal(),
};

export function start() {
  singleKeys.checked = loadItem('single-keys', true);
  singleKeys.addEventListener('change', () => saveItem('single-keys', singleKeys.checked));
  byId('open-help').addEventListener('click', () => help.showModal());
  byId('close-help').addEventListener('click', () => help.close());
  document.addEventListener('keydown', (event) => {
    if (help.open || event.altKey || isTyping(event.target)) return;
    const single = () => singleKeys.checked && ACTIONS[event.key.toLowerCase()];
    const action = event.ctrlKey || event.metaKey ? event.key === 'z' && undoLast : single();
    if (!action) return;
    event.preventDefault();
    action();
  });
}

/** @param {string} id */
function focusInTodos(id) {
  if (byId('todos-view').hidden) location.hash = '#/';
  // the view is shown after the address has changed
  setTimeout(() => byId(id).focus());
}

/** @param {EventTarget | null} target */
function isTyping(target) {
  return target instanceof Element && target.matches('input:not([type=checkbox], [type=radio]), textarea, select');
}
