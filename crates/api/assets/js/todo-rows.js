// A list of todos. Rows are reused when the todos change, so that they keep their state and the focus.

import { arrange, byId } from './elements.js';
import { TodoRow } from './todo-row.js';

/** @typedef {import('./todos.js').Todo} Todo */

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
