// The todos as the server has them, plus the changes that are being sent to it.

import { call } from './api.js';
import { loadItem, saveItem } from './storage.js';

/**
 * @typedef {{ id: number, title: string, description: string | null, completed: boolean, deadline_at: string | null,
 *   created_at: string, updated_at: string }} Todo
 * @typedef {{ title?: string, description?: string | null, completed?: boolean, deadline_at?: string | null }} Changes
 */

/** How many todos are stored, to be shown offline. */
const MAX_STORED = 1000;
/** How many requests run in parallel when many todos change. */
const MAX_PARALLEL = 4;

/** Notifies the other tabs of this browser of each saved change. */
const tabs = new BroadcastChannel('taskoverflow');

/**
 * Dispatches `change` when the todos to show have changed, and `saved` when the server has saved a change made on this
 * page.
 */
class Todos extends EventTarget {
  /** As the server has them, newest first. @type {Map<number, Todo>} */
  #byId = new Map();
  /** Changes that are not saved yet, in order, by todo. @type {Map<number, Changes[]>} */
  #pending = new Map();
  /** Todos that are not shown because they are about to be deleted. @type {Set<number>} */
  #hidden = new Set();
  /** The last queued change of each todo: they are sent one after the other. @type {Map<number, Promise<unknown>>} */
  #lastChange = new Map();
  /** Counts changes, to detect a list that was requested before one and is therefore stale. */
  #writes = 0;
  /** @type {Promise<void> | null} */
  #loading = null;
  /** When the list was last loaded from the server, in milliseconds; null if never. @type {number | null} */
  asOf = null;

  constructor() {
    super();
    tabs.addEventListener('message', () => {
      this.#writes += 1;
      this.load().catch(() => {});
    });
  }

  /** @returns {Todo[]} newest first, as the server lists them */
  get all() {
    const shown = [...this.#byId.values()].filter(({ id }) => !this.#hidden.has(id));
    return shown.map((todo) => Object.assign({}, todo, ...(this.#pending.get(todo.id) ?? [])));
  }

  /** Shows the todos that were stored at the last visit. */
  loadStored() {
    /** @type {{ at: number | null, todos: Todo[] }} */
    const none = { at: null, todos: [] };
    const { at, todos } = loadItem('todos', none);
    if (at === null) return;
    this.asOf = at;
    this.#byId = new Map(todos.map((todo) => [todo.id, todo]));
    this.#changed();
  }

  /** Loads the list from the server. */
  load() {
    this.#loading ??= this.#load().finally(() => (this.#loading = null));
    return this.#loading;
  }

  async #load() {
    let writes;
    let response;
    do {
      await Promise.allSettled(this.#lastChange.values());
      writes = this.#writes;
      response = await call('GET', 'todos');
    } while (writes !== this.#writes);
    this.#byId = new Map(response.json.map((/** @type {Todo} */ todo) => [todo.id, todo]));
    this.asOf = Date.now();
    this.#changed();
  }

  /** @param {Changes} todo */
  async add(todo) {
    const { json } = await call('POST', 'todos', { body: todo });
    this.#byId = new Map([[json.id, json], ...this.#byId]);
    this.#onSaved();
    return json;
  }

  /** The current version on the server. @param {number} id @returns {Promise<Todo>} */
  async fetchOne(id) {
    return (await call('GET', `todos/${id}`)).json;
  }

  /**
   * Changes a todo on the page immediately, and reverts the change if saving fails.
   * @param {number} id
   * @param {Changes} changes
   */
  change(id, changes) {
    if (!this.#byId.has(id)) return Promise.resolve();
    const change = this.#queue(id, changes);
    this.#changed();
    return change;
  }

  /**
   * Queues a change behind the earlier changes of the same todo.
   * @param {number} id @param {Changes} changes
   * @param {Promise<void>} [turn] resolves when the change may be sent. A caller that passes it also shows the result.
   */
  #queue(id, changes, turn) {
    this.#pending.set(id, [...(this.#pending.get(id) ?? []), changes]);
    const previous = this.#lastChange.get(id) ?? Promise.resolve();
    const change = previous.then(() => turn).then(() => this.#send(id, changes, !turn));
    const settled = change.catch(() => {});
    this.#lastChange.set(id, settled);
    settled.then(() => this.#lastChange.get(id) === settled && this.#lastChange.delete(id));
    return change;
  }

  /** @param {number} id @param {Changes} changes @param {boolean} isShown */
  async #send(id, changes, isShown) {
    const settle = () => this.#pending.set(id, (this.#pending.get(id) ?? []).filter((other) => other !== changes));
    try {
      const { json } = await call('PATCH', `todos/${id}`, { body: changes });
      settle();
      this.#byId.set(id, json);
      this.#onSaved(isShown);
    } catch (problem) {
      settle();
      if (problem.status === 404) this.#byId.delete(id);
      if (isShown) this.#changed();
      throw problem;
    }
  }

  /**
   * Changes many todos: on the page immediately, on the server a few at a time. Throws the first problem only.
   * @param {Todo[]} todos @param {Changes} changes
   */
  async changeAll(todos, changes) {
    const queued = todos.map(({ id }) => {
      const { promise: turn, resolve } = Promise.withResolvers();
      const start = () => resolve(undefined);
      return { start, change: this.#queue(id, changes, turn) };
    });
    this.#changed();
    await runLimited(queued, ({ start, change }) => (start(), change)).finally(() => this.#changed());
  }

  /** Hides todos, or shows them again. @param {Todo[]} todos @param {boolean} hidden */
  setHidden(todos, hidden) {
    for (const { id } of todos) {
      if (hidden) this.#hidden.add(id);
      else this.#hidden.delete(id);
    }
    this.#changed();
  }

  /**
   * Deletes those of the todos that are hidden.
   * @param {Todo[]} todos
   * @param {{ keepalive?: boolean }} [options] keepalive: the requests outlive the page
   */
  async delete(todos, options) {
    const left = todos.filter(({ id }) => this.#hidden.has(id));
    const limit = options?.keepalive ? left.length : MAX_PARALLEL;
    await runLimited(left, ({ id }) => this.#delete(id, options), limit);
  }

  /** @param {number} id @param {{ keepalive?: boolean }} [options] */
  async #delete(id, options) {
    await call('DELETE', `todos/${id}`, options).catch((problem) => {
      // it was deleted elsewhere
      if (problem.status !== 404) throw problem;
    });
    this.#byId.delete(id);
    this.#hidden.delete(id);
    this.#onSaved();
  }

  #onSaved(isShown = true) {
    this.#writes += 1;
    tabs.postMessage('changed');
    this.dispatchEvent(new Event('saved'));
    if (isShown) this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
    if (this.asOf === null) return;
    const todos = [...this.#byId.values()].slice(0, MAX_STORED);
    saveItem('todos', { at: this.asOf, todos });
  }
}

/**
 * Runs at most `limit` tasks at a time. Throws the first problem after all have ended.
 * @template T
 * @param {T[]} items
 * @param {(item: T) => Promise<unknown>} work
 */
async function runLimited(items, work, limit = MAX_PARALLEL) {
  const left = [...items];
  const problems = [];
  const worker = async () => {
    for (let item = left.shift(); item; item = left.shift()) await work(item).catch((problem) => problems.push(problem));
  };
  await Promise.all(Array.from({ length: Math.min(limit, left.length) }, worker));
  if (problems.length) throw problems[0];
}

export const todos = new Todos();
