// A todo in a list, with its controls.

import { dueState, formatDateTime, fromWire } from './deadline.js';
import { deleteWithUndo } from './deletion.js';
import { fromTemplate, part, setText } from './elements.js';
import { notifyProblem } from './notices.js';
import { quoted } from './texts.js';
import { TodoEditor } from './todo-editor.js';
import { todos } from './todos.js';

/** @typedef {import('./todos.js').Todo} Todo */

const DUE_LABELS = { overdue: 'Overdue:', soon: 'Due soon:', later: 'Due', '': '' };

export class TodoRow {
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
