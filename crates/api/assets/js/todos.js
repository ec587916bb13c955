// The todos as the server has them, with what is on its way there.

import { call } from './api.js';
import { recall, remember } from './remembered.js';

/**
 * @typedef {{ id: number, title: string, description: string | null, completed: boolean, deadline_at: string | null,
 *   created_at: string, updated_at: string }} Todo
 * @typedef {{ title?: string, description?: string | null, completed?: boolean, deadline_at?: string | null }} Changes
 */

/** More are not kept for reading offline. */
const REMEMBERED_MAX = 1000;
/** Requests at a time where many todos change at once. */
const AT_ONCE = 4;

/** The other tabs of this browser, which hear of each change. */
const tabs = new BroadcastChannel('taskoverflow');

/** Tells of each change with `change`, and of each that the server has taken from this page with `written`. */
class Todos extends EventTarget {
  /** As the server has them. @type {Map<number, Todo>} */ #byId = new Map();
  /** What is on its way there, in its order. @type {Map<number, Changes[]>} */ #pending = new Map();
  /** @type {Set<number>} what is not shown, as it is about to be deleted */ #hidden = new Set();
  /** @type {Map<number, Promise<unknown>>} one change of a todo at a time, in their order */ #lastChange = new Map();
  /** Counts what makes a list that was asked for before it stale. */ #writes = 0;
  /** @type {Promise<void> | null} */ #loading = null;
  /** When the list was last the server's, in milliseconds; null: never. @type {number | null} */
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

  /** Shows what was there at the last visit. */
  recallLast() {
    /** @type {{ at: number | null, todos: Todo[] }} */
    const none = { at: null, todos: [] };
    const { at, todos } = recall('todos', none);
    if (at === null) return;
    this.asOf = at;
    this.#byId = new Map(todos.map((todo) => [todo.id, todo]));
    this.#changed();
  }

  /** Takes over the server's list. */
  load() {
    this.#loading ??= this.#load().finally(() => (this.#loading = null));
    return this.#loading;
  }

  async #load() {
    let writes;
    let answer;
    do {
      await Promise.allSettled(this.#lastChange.values());
      writes = this.#writes;
      answer = await call('GET', 'todos');
    } while (writes !== this.#writes);
    this.#byId = new Map(answer.json.map((/** @type {Todo} */ todo) => [todo.id, todo]));
    this.asOf = Date.now();
    this.#changed();
  }

  /** @param {Changes} todo */
  async add(todo) {
    const { json } = await call('POST', 'todos', { body: todo });
    this.#byId = new Map([[json.id, json], ...this.#byId]);
    this.#written();
    return json;
  }

  /** The todo as the server has it now. @param {number} id @returns {Promise<Todo>} */
  async ask(id) {
    return (await call('GET', `todos/${id}`)).json;
  }

  /** Changes a todo here at once, and back if the server refuses. @param {number} id @param {Changes} changes */
  change(id, changes) {
    if (!this.#byId.has(id)) return Promise.resolve();
    const change = this.#queue(id, changes);
    this.#changed();
    return change;
  }

  /**
   * @param {number} id @param {Changes} changes @param {Promise<void>} [turn] when it may be sent; who gives one shows its end
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
      this.#written(isShown);
    } catch (problem) {
      settle();
      if (problem.status === 404) this.#byId.delete(id);
      if (isShown) this.#changed();
      throw problem;
    }
  }

  /**
   * The same change to many: at once here, in turns there. One problem stands for all.
   * @param {Todo[]} todos @param {Changes} changes
   */
  async changeAll(todos, changes) {
    const queued = todos.map(({ id }) => {
      const { promise: turn, resolve } = Promise.withResolvers();
      const start = () => resolve(undefined);
      return { start, change: this.#queue(id, changes, turn) };
    });
    this.#changed();
    await inTurns(queued, ({ start, change }) => (start(), change)).finally(() => this.#changed());
  }

  /** Takes todos out of sight, or back into it. @param {Todo[]} todos @param {boolean} hidden */
  hide(todos, hidden) {
    for (const { id } of todos) {
      if (hidden) this.#hidden.add(id);
      else this.#hidden.delete(id);
    }
    this.#changed();
  }

  /** Of todos that are hidden. @param {Todo[]} todos @param {{ keepalive?: boolean }} [options] of the request: it outlives the page */
  async delete(todos, options) {
    const left = todos.filter(({ id }) => this.#hidden.has(id));
    const turns = options?.keepalive ? left.length : AT_ONCE;
    await inTurns(left, ({ id }) => this.#delete(id, options), turns);
  }

  /** @param {number} id @param {{ keepalive?: boolean }} [options] */
  async #delete(id, options) {
    await call('DELETE', `todos/${id}`, options).catch((problem) => {
      // gone is gone
      if (problem.status !== 404) throw problem;
    });
    this.#byId.delete(id);
    this.#hidden.delete(id);
    this.#written();
  }

  #written(isShown = true) {
    this.#writes += 1;
    tabs.postMessage('changed');
    this.dispatchEvent(new Event('written'));
    if (isShown) this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
    if (this.asOf === null) return;
    const todos = [...this.#byId.values()].slice(0, REMEMBERED_MAX);
    remember('todos', { at: this.asOf, todos });
  }
}

/** @template T @param {T[]} items @param {(item: T) => Promise<unknown>} work */
async function inTurns(items, work, atOnce = AT_ONCE) {
  const left = [...items];
  const problems = [];
  const worker = async () => {
    for (let item = left.shift(); item; item = left.shift()) await work(item).catch((problem) => problems.push(problem));
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, left.length) }, worker));
  if (problems.length) throw problems[0];
}

export const todos = new Todos();
