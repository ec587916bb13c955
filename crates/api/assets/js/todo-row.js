// One todo in a list: what it shows and what can be done to it.

import { deleteLater } from './deletion.js';
import { fromWire, inWords, markOf } from './deadline.js';
import { fromTemplate, part, setText } from './elements.js';
import { notifyProblem } from './notices.js';
import { TodoEditor } from './todo-editor.js';
import { quoted } from './texts.js';
import { todos } from './todos.js';

/** @typedef {import('./todos.js').Todo} Todo */

const MARK_WORDS = { overdue: 'Overdue:', soon: 'Due soon:', later: 'Due', '': '' };

export class TodoRow {
  /** @type {Todo} */ #todo;
  /** @type {TodoEditor | null} */ #editor = null;

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
    this.element.addEventListener('keydown', (event) => this.#key(event));
    this.show(todo);
  }

  get isEditing() {
    return this.#editor !== null;
  }

  /** @param {Todo} todo */
  show(todo, now = new Date()) {
    this.#todo = todo;
    const { element } = this;
    const mark = markOf(todo, now);
    const deadline = fromWire(todo.deadline_at);
    element.classList.toggle('completed', todo.completed);
    element.dataset.mark = mark;
    this.toggle.checked = todo.completed;
    setText(part(element, '.todo-title'), todo.title);
    setText(part(element, '.todo-description'), todo.description ?? '');
    setText(part(element, '.mark'), MARK_WORDS[mark]);
    const time = /** @type {HTMLTimeElement} */ (part(element, 'time'));
    setText(time, deadline ? inWords(deadline, now) : '');
    time.dateTime = deadline?.toISOString() ?? '';
    part(element, '.edit-button').ariaLabel = `Edit ${quoted(todo.title)}`;
    part(element, '.destroy').ariaLabel = `Delete ${quoted(todo.title)}`;
  }

  edit() {
    if (this.#editor) return;
    this.#editor = new TodoEditor(this.#todo, {
      onClose: () => this.#closeEditor(),
      onEmptied: () => deleteLater([this.#todo]),
    });
    this.element.classList.add('editing');
    this.element.append(this.#editor.element);
    this.#editor.focus();
  }

  #closeEditor() {
    // it may take a while until a change is saved: the focus is taken from nobody who went on
    const hadFocus = this.#editor?.element.contains(document.activeElement);
    this.#editor?.element.remove();
    this.#editor = null;
    this.element.classList.remove('editing');
    // as it may have changed in the meantime, or gone from this list
    todos.dispatchEvent(new Event('change'));
    if (hadFocus && this.element.isConnected) /** @type {HTMLElement} */ (part(this.element, '.edit-button')).focus();
  }

  /** @param {boolean} completed */
  async #complete(completed) {
    try {
      await todos.change(this.#todo.id, { completed });
    } catch (problem) {
      const why = problem.status === 404 ? 'It was deleted elsewhere.' : problem.message;
      notifyProblem(`Could not change ${quoted(this.#todo.title)}. ${why}`);
    }
  }

  #delete() {
    this.#passFocus();
    deleteLater([this.#todo]);
  }

  /** Gives the focus to a neighbour: it would be lost with this row. */
  #passFocus() {
    const neighbour = this.element.nextElementSibling ?? this.element.previousElementSibling;
    const next = neighbour ? part(neighbour, '.destroy') : document.querySelector('.view:not([hidden]) form input');
    /** @type {HTMLElement | null} */ (next)?.focus();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (this.#editor || event.ctrlKey || event.metaKey || event.altKey) return;
    // a key that is held deletes one todo, not those that follow it
    if (event.repeat && (event.key === 'Delete' || event.key === 'Enter')) return event.preventDefault();
    const step = { ArrowDown: 'nextElementSibling', ArrowUp: 'previousElementSibling' }[event.key];
    if (step) /** @type {HTMLElement | null} */ (this.element[step]?.querySelector('.toggle'))?.focus();
    else if (event.key === 'F2') this.edit();
    else if (event.key === 'Delete') this.#delete();
    else return;
    event.preventDefault();
  }
}
