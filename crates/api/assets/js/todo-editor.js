// Editing a todo in its row. Enter or leaving it saves, Escape does not, and no title at all deletes.

import { fromFields, toFields, toWire, fromWire, zoneWords } from './deadline.js';
import { fromTemplate, isComposing, part, setProblem } from './elements.js';
import { descriptionProblem, quoted, titleProblem } from './texts.js';
import { todos } from './todos.js';

/** @typedef {import('./todos.js').Todo} Todo */

/**
 * Whether a mouse button, or a finger, is down. To close an editor then would move what is below it, and the click would
 * hit something else.
 */
let isPressed = false;
document.addEventListener('mousedown', () => (isPressed = true), true);
document.addEventListener('mouseup', () => (isPressed = false), true);

const NAMES = { title: 'title', description: 'note', deadline_at: 'deadline' };

export class TodoEditor {
  /** As the fields were filled. @type {Todo} */ #opened;
  /** As the one who edits has been told it is. @type {Todo} */ #seen;
  #isSaving = false;
  /** Whether someone else's change is in the way: only a deliberate save goes over it. */ #isDisputed = false;
  #isClosed = false;
  #onClose;
  #onEmptied;

  /**
   * @param {Todo} todo
   * @param {{ onClose: () => void, onEmptied: () => void }} handlers
   */
  constructor(todo, { onClose, onEmptied }) {
    this.#opened = this.#seen = todo;
    this.#onClose = onClose;
    this.#onEmptied = onEmptied;
    const form = (this.element = /** @type {HTMLFormElement} */ (fromTemplate('todo-editor')));
    this.title = /** @type {HTMLInputElement} */ (part(form, '.edit'));
    this.description = /** @type {HTMLTextAreaElement} */ (part(form, '.edit-description'));
    this.day = /** @type {HTMLInputElement} */ (part(form, '.edit-date'));
    this.time = /** @type {HTMLInputElement} */ (part(form, '.edit-time'));
    this.theirs = /** @type {HTMLButtonElement} */ (part(form, '.theirs'));
    // so that a click beside a field, or on a button in Safari, keeps the focus within
    form.tabIndex = -1;
    part(form, '.zone').textContent = zoneWords;
    this.#fill(todo);
    form.addEventListener('submit', (event) => (event.preventDefault(), this.#save(true)));
    form.addEventListener('keydown', (event) => this.#key(event));
    form.addEventListener('focusout', (event) => this.#left(event));
    part(form, '.cancel').addEventListener('click', () => this.#close());
    this.theirs.addEventListener('click', () => this.#close());
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

  /** What was changed in the fields. @returns {import('./todos.js').Changes} */
  #changes() {
    const changes = {};
    const title = this.title.value.trim();
    if (title !== this.#opened.title) changes.title = title;
    const description = this.description.value.trim() || null;
    if (description !== (this.#opened.description?.trim() || null)) changes.description = description;
    // the fields have no seconds, so a deadline is compared as the fields show it
    const opened = toFields(fromWire(this.#opened.deadline_at));
    if (this.day.value !== opened.day || (this.day.value && this.time.value !== opened.time)) {
      changes.deadline_at = toWire(fromFields(this.day.value, this.time.value));
    }
    return changes;
  }

  /** @param {boolean} byKey by Enter or its button, not by leaving */
  async #save(byKey) {
    if (this.#isSaving || this.#isClosed || (this.#isDisputed && !byKey)) return;
    if (!this.title.value.trim()) {
      this.#close();
      this.#onEmptied();
      return;
    }
    const changes = this.#changes();
    if (Object.keys(changes).length === 0 && !this.#isPartial()) return this.#close();
    if (this.#hasMistake()) return;
    this.#setSaving(true);
    try {
      if (await this.#isAgreed(changes)) {
        await todos.change(this.#seen.id, changes);
        this.#close();
      }
    } catch (problem) {
      this.#tell(problem.status === 404 ? this.#deletedWords() : `Not saved. ${problem.message}`);
    } finally {
      this.#setSaving(false);
    }
  }

  /** What is typed while it is saved would be lost. @param {boolean} isSaving */
  #setSaving(isSaving) {
    this.#isSaving = isSaving;
    for (const field of [this.title, this.description, this.day, this.time]) field.readOnly = isSaving;
  }

  /** Half a date, or a time that was put in without one. */
  #isPartial() {
    const { time } = toFields(fromWire(this.#opened.deadline_at));
    const isTimeAlone = !this.day.value && this.time.value !== '' && this.time.value !== time;
    return this.day.validity.badInput || this.time.validity.badInput || isTimeAlone;
  }

  #hasMistake() {
    const title = titleProblem(this.title.value.trim());
    const description = descriptionProblem(this.description.value.trim());
    const year = this.day.validity.rangeOverflow ? 'The deadline is too far away.' : '';
    const date = this.#isPartial() ? 'The deadline is not whole.' : year;
    this.title.ariaInvalid = title ? 'true' : null;
    this.description.ariaInvalid = description ? 'true' : null;
    this.day.ariaInvalid = date ? 'true' : null;
    this.#tell(title || description || date);
    return Boolean(title || description || date);
  }

  /**
   * Whether nobody else has changed the same: another tab or another person. If so, it is said once, and the next save
   * goes over it.
   * @param {import('./todos.js').Changes} changes
   */
  async #isAgreed(changes) {
    const current = await todos.ask(this.#seen.id);
    const disputed = Object.keys(changes).filter(
      (name) => current[name] !== this.#seen[name] && current[name] !== changes[name],
    );
    this.#seen = current;
    if (disputed.length === 0) return true;
    const words = disputed.map((name) => `the ${NAMES[name]} was changed to ${shown(name, current)}`);
    this.#tell(`Meanwhile ${words.join(' and ')} elsewhere. Save again to keep yours.`);
    this.theirs.hidden = false;
    this.#isDisputed = true;
    await todos.load();
    return false;
  }

  #deletedWords() {
    return 'This todo was deleted elsewhere. Copy what you need, or cancel.';
  }

  /** @param {string} words */
  #tell(words) {
    setProblem(part(this.element, '.problem'), words);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (isComposing(event)) return;
    if (event.key === 'Escape') this.#close();
    else if (event.key === 'Enter' && event.target === this.description && !event.shiftKey) this.#save(true);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {FocusEvent} event */
  #left({ relatedTarget }) {
    if (relatedTarget instanceof Node && this.element.contains(relatedTarget)) return;
    // the focus also leaves with the window, and then it comes back
    if (!document.hasFocus() && !relatedTarget) return;
    const save = () => this.element.contains(document.activeElement) || this.#save(false);
    // the click comes right after
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
function shown(name, todo) {
  if (name !== 'deadline_at') return todo[name] === null ? 'nothing' : quoted(todo[name]);
  return fromWire(todo.deadline_at)?.toLocaleString() ?? 'none';
}
