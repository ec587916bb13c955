// The form that edits a todo in its row. Enter saves, and so does leaving the form; Escape cancels; an empty title
// deletes the todo.

import { fromFields, fromWire, timeZoneHint, toFields, toWire } from './deadline.js';
import { fromTemplate, isComposing, part, setProblem } from './elements.js';
import { descriptionProblem, quoted, titleProblem } from './texts.js';
import { todos } from './todos.js';

/** @typedef {import('./todos.js').Todo} Todo */

/**
 * Whether a mouse button or a finger is down. Closing the form in this state would move the elements below it, and the
 * click would hit the wrong one.
 */
let isPressed = false;
document.addEventListener('mousedown', () => (isPressed = true), true);
document.addEventListener('mouseup', () => (isPressed = false), true);

const FIELD_NAMES = { title: 'title', description: 'note', deadline_at: 'deadline' };

export class TodoEditor {
  /** The todo that the fields were filled from. @type {Todo} */
  #opened;
  /** The latest version that the visitor knows of. @type {Todo} */
  #known;
  #isSaving = false;
  /** Whether a shown conflict with another change is unresolved: then leaving the form does not save it. */
  #hasConflict = false;
  #isClosed = false;
  #onClose;
  #onEmptied;

  /**
   * @param {Todo} todo
   * @param {{ onClose: () => void, onEmptied: () => void }} handlers
   */
  constructor(todo, { onClose, onEmptied }) {
    this.#opened = this.#known = todo;
    this.#onClose = onClose;
    this.#onEmptied = onEmptied;
    const form = (this.element = /** @type {HTMLFormElement} */ (fromTemplate('todo-editor')));
    this.title = /** @type {HTMLInputElement} */ (part(form, '.edit'));
    this.description = /** @type {HTMLTextAreaElement} */ (part(form, '.edit-description'));
    this.day = /** @type {HTMLInputElement} */ (part(form, '.edit-date'));
    this.time = /** @type {HTMLInputElement} */ (part(form, '.edit-time'));
    this.useOther = /** @type {HTMLButtonElement} */ (part(form, '.use-other'));
    // keeps the focus in the form after a click beside a field or, in Safari, on a button
    form.tabIndex = -1;
    part(form, '.zone').textContent = timeZoneHint;
    this.#fill(todo);
    form.addEventListener('submit', (event) => (event.preventDefault(), this.#save(true)));
    form.addEventListener('keydown', (event) => this.#onKeydown(event));
    form.addEventListener('focusout', (event) => this.#onFocusout(event));
    part(form, '.cancel').addEventListener('click', () => this.#close());
    this.useOther.addEventListener('click', () => this.#close());
  }

  focus() {
    this.title.focus();
    this.title.setSelectionRange(this.title.value.length, this.title.value.length);
  }

  /** @param {Todo} todo */
  #fill(todo) {
    const { day, time } = toFields(fromWire(todo.deadline_at));
    this.title.value = todo.title;
    this.description.value = todo.description ?? '';
    this.day.value = day;
    this.time.value = time;
  }

  /** The values that were changed in the fields. @returns {import('./todos.js').Changes} */
  #changes() {
    const changes = {};
    const title = this.title.value.trim();
    if (title !== this.#opened.title) changes.title = title;
    const description = this.description.value.trim() || null;
    if (description !== (this.#opened.description?.trim() || null)) changes.description = description;
    // compare as field values, because the fields do not show seconds
    const opened = toFields(fromWire(this.#opened.deadline_at));
    if (this.day.value !== opened.day || (this.day.value && this.time.value !== opened.time)) {
      changes.deadline_at = toWire(fromFields(this.day.value, this.time.value));
    }
    return changes;
  }

  /** @param {boolean} isDeliberate with Enter or the button, not by leaving the form */
  async #save(isDeliberate) {
    if (this.#isSaving || this.#isClosed || (this.#hasConflict && !isDeliberate)) return;
    if (!this.title.value.trim()) {
      this.#close();
      this.#onEmptied();
      return;
    }
    const changes = this.#changes();
    if (Object.keys(changes).length === 0 && !this.#isPartial()) return this.#close();
    if (!this.#check()) return;
    this.#setSaving(true);
    try {
      if (!(await this.#detectConflict(changes))) {
        await todos.change(this.#known.id, changes);
        this.#close();
      }
    } catch (problem) {
      const wasDeleted = 'This todo was deleted elsewhere. Copy your text if you need it, then cancel.';
      this.#showProblem(problem.status === 404 ? wasDeleted : `Not saved. ${problem.message}`);
    } finally {
      this.#setSaving(false);
    }
  }

  /** Makes the fields read-only while saving: text typed then would be lost. @param {boolean} isSaving */
  #setSaving(isSaving) {
    this.#isSaving = isSaving;
    for (const field of [this.title, this.description, this.day, this.time]) field.readOnly = isSaving;
  }

  /** Whether the date or the time is incomplete, or a time was entered without a date. */
  #isPartial() {
    const { time } = toFields(fromWire(this.#opened.deadline_at));
    const isTimeAlone = !this.day.value && this.time.value !== '' && this.time.value !== time;
    return this.day.validity.badInput || this.time.validity.badInput || isTimeAlone;
  }

  /** Whether the fields are valid. If not, shows the problem and marks its field. */
  #check() {
    const title = titleProblem(this.title.value.trim());
    const description = descriptionProblem(this.description.value.trim());
    const year = this.day.validity.rangeOverflow ? 'Choose an earlier date.' : '';
    const date = this.#isPartial() ? 'Enter a complete date and time.' : year;
    this.title.ariaInvalid = title ? 'true' : null;
    this.description.ariaInvalid = description ? 'true' : null;
    this.day.ariaInvalid = date ? 'true' : null;
    const problem = title || description || date;
    this.#showProblem(problem);
    return !problem;
  }

  /**
   * Whether another person or tab has changed the same fields. Shows the conflict once; the next save overwrites the
   * other change.
   * @param {import('./todos.js').Changes} changes
   */
  async #detectConflict(changes) {
    const current = await todos.fetchOne(this.#known.id);
    const conflicting = Object.keys(changes).filter(
      (name) => current[name] !== this.#known[name] && current[name] !== changes[name],
    );
    this.#known = current;
    if (conflicting.length === 0) return false;
    const changed = conflicting.map((name) => `the ${FIELD_NAMES[name]} was ${describeChange(name, current)}`);
    this.#showProblem(`While you were editing, ${changed.join(' and ')}. Save again to keep your version.`);
    this.useOther.hidden = false;
    this.#hasConflict = true;
    await todos.load();
    return true;
  }

  /** @param {string} text */
  #showProblem(text) {
    setProblem(part(this.element, '.problem'), text);
  }

  /** @param {KeyboardEvent} event */
  #onKeydown(event) {
    if (isComposing(event)) return;
    if (event.key === 'Escape') this.#close();
    else if (event.key === 'Enter' && event.target === this.description && !event.shiftKey) this.#save(true);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {FocusEvent} event */
  #onFocusout({ relatedTarget }) {
    if (relatedTarget instanceof Node && this.element.contains(relatedTarget)) return;
    // the whole window lost the focus, and the form gets it back with the window
    if (!document.hasFocus() && !relatedTarget) return;
    const save = () => this.element.contains(document.activeElement) || this.#save(false);
    // the click event follows right after mouseup
    if (isPressed) document.addEventListener('mouseup', () => setTimeout(save), { once: true });
    else this.#save(false);
  }

  #close() {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onClose();
  }
}

/** @param {string} name @param {Todo} todo */
function describeChange(name, todo) {
  if (todo[name] === null) return 'removed';
  return `changed to ${name === 'deadline_at' ? fromWire(todo[name])?.toLocaleString() : quoted(todo[name])}`;
}
