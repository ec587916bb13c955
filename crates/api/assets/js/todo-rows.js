// Todos in a list, with their controls.

import { dueState, formatDateTime, fromWire } from './deadline.js';
import { deleteWithUndo } from './deletion.js';
import { arrange, byId, fromTemplate, part, setText } from './elements.js';
import { notifyProblem } from './notices.js';
import { quoted } from './texts.js';
import { TodoEditor } from './todo-editor.js';
import { todos } from './todos.js';

/** @typedef {import('./todos.js').Todo} Todo */

const DUE_LABELS = { overdue: 'Overdue:', soon: 'Due soon:', later: 'Due', '': '' };

/** A todo in a list. */
class TodoRow {
  /** @type {Todo} */
  #todo;
  /** @type {TodoEditor | null} */
  #editor = null;

  /** @param {Todo} todo */
  constructor(todo) {
    this.#todo = todo;
    this.element = fromTemplate('todo-row');
    this.toggle = /** @type {HTMLInputElement} */ (part(this.element, '.toggle'));
    const title = part(this.element, '.todo-title');
    title.id = `title-${crypto.getRandomValues(new Uint32Array(1))[0]}`;
    this.toggle.setAttribute('aria-labelledby', title.id);
    this.toggle.addEventListener('change', () => this.#complete(this.toggle.checked));
    part(this.element, '.todo-text').addEventListener('dblclick', () => this.edit());
    part(this.element, '.edit-button').addEventListener('click', () => this.edit());
    part(this.element, '.destroy').addEventListener('click', () => this.#delete());
    this.element.addEventListener('keydown', (event) => this.#onKeydown(event));
    this.show(todo);
  }

  get isEditing() {
    return this.#editor !== null;
  }

  /** @param {Todo} todo */
  show(todo, now = new Date()) {
    this.#todo = todo;
    const { element } = this;
    const due = dueState(todo, now);
    const deadline = fromWire(todo.deadline_at);
    element.classList.toggle('completed', todo.completed);
    element.dataset.due = due;
    this.toggle.checked = todo.completed;
    setText(part(element, '.todo-title'), todo.title);
    setText(part(element, '.todo-description'), todo.description ?? '');
    setText(part(element, '.due-label'), DUE_LABELS[due]);
    const time = /** @type {HTMLTimeElement} */ (part(element, 'time'));
    setText(time, deadline ? formatDateTime(deadline, now) : '');
    time.dateTime = deadline?.toISOString() ?? '';
    part(element, '.edit-button').ariaLabel = `Edit ${quoted(todo.title)}`;
    part(element, '.destroy').ariaLabel = `Delete ${quoted(todo.title)}`;
  }

  edit() {
    if (this.#editor) return;
    this.#editor = new TodoEditor(this.#todo, {
      onClose: () => this.#closeEditor(),
      onEmptied: () => deleteWithUndo([this.#todo]),
    });
    this.element.classList.add('editing');
    this.element.append(this.#editor.element);
    this.#editor.focus();
  }

  #closeEditor() {
    // saving may take a while; do not take the focus from where the visitor has moved it
    const hadFocus = this.#editor?.element.contains(document.activeElement);
    this.#editor?.element.remove();
    this.#editor = null;
    this.element.classList.remove('editing');
    // the todo may have changed or left this list while it was edited
    todos.dispatchEvent(new Event('change'));
    if (hadFocus && this.element.isConnected) /** @type {HTMLElement} */ (part(this.element, '.edit-button')).focus();
  }

  /** @param {boolean} completed */
  async #complete(completed) {
    try {
      await todos.change(this.#todo.id, { completed });
    } catch (problem) {
      const reason = problem.status === 404 ? 'It was deleted elsewhere.' : problem.message;
      notifyProblem(`Couldn’t change ${quoted(this.#todo.title)}. ${reason}`);
    }
  }

  #delete() {
    this.#moveFocus();
    deleteWithUndo([this.#todo]);
  }

  /** Moves the focus to a neighbour: it would be lost with this row. */
  #moveFocus() {
    const neighbour = this.element.nextElementSibling ?? this.element.previousElementSibling;
    const next = neighbour ? part(neighbour, '.destroy') : document.querySelector('.view:not([hidden]) form input');
    /** @type {HTMLElement | null} */ (next)?.focus();
  }

  /** @param {KeyboardEvent} event */
  #onKeydown(event) {
    if (this.#editor || event.ctrlKey || event.metaKey || event.altKey) return;
    // a key that is held down deletes one todo, not the following ones too
    if (event.repeat && (event.key === 'Delete' || event.key === 'Enter')) return event.preventDefault();
    const step = { ArrowDown: 'nextElementSibling', ArrowUp: 'previousElementSibling' }[event.key];
    if (step) /** @type {HTMLElement | null} */ (this.element[step]?.querySelector('.toggle'))?.focus();
    else if (event.key === 'F2') this.edit();
    else if (event.key === 'Delete') this.#delete();
    else return;
    event.preventDefault();
  }
}

/** A list of todos. Rows are reused when the todos change, so that they keep their state and the focus. */
export class TodoRows {
  /** @type {Map<number, TodoRow>} */
  #rows = new Map();
  #list;

  /** @param {HTMLElement} list */
  constructor(list) {
    this.#list = list;
  }

  /** @param {Todo[]} todos in the order to show */
  show(todos) {
    const now = new Date();
    const focusedAt = this.#focusedIndex();
    const shown = new Map();
    for (const todo of todos) {
      const row = this.#rows.get(todo.id) ?? new TodoRow(todo);
      row.show(todo, now);
      shown.set(todo.id, row);
    }
    const elements = [...shown.values()].map(({ element }) => element);
    for (const [id, row] of this.#rows) {
      if (shown.has(id) || !row.isEditing) continue;
      // a todo that no longer belongs to the list stays while it is being edited
      elements.splice([...this.#list.children].indexOf(row.element), 0, row.element);
      shown.set(id, row);
    }
    this.#rows = shown;
    this.#list.hidden = elements.length === 0;
    arrange(this.#list, elements);
    if (focusedAt >= 0 && !this.#list.contains(document.activeElement)) this.#focusNear(focusedAt);
  }

  #focusedIndex() {
    return [...this.#list.children].findIndex((element) => element.contains(document.activeElement));
  }

  /** Moves the focus from a removed row to the row that took its place. @param {number} index */
  #focusNear(index) {
    const row = this.#list.children[Math.min(index, this.#list.children.length - 1)];
    const field = row?.classList.contains('editing') ? '.edit' : '.toggle';
    (/** @type {HTMLElement | null} */ (row?.querySelector(field) ?? null) ?? byId('main')).focus({ preventScroll: !row });
  }
}
