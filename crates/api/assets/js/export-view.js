// Asking for a calendar.

import { call, server } from './api.js';
import { deleteHeld } from './deletion.js';
import { byId, setProblem } from './elements.js';
import * as feeds from './feeds.js';
import * as jobList from './job-list.js';
import { todos } from './todos.js';

const form = /** @type {HTMLFormElement} */ (byId('export-form'));
const name = /** @type {HTMLInputElement} */ (byId('export-name'));

/** Names this request, so that one whose answer was lost and that is sent again makes no second job. */
let key = newKey();

export function start() {
  form.addEventListener('submit', (event) => (event.preventDefault(), create()));
  form.addEventListener('change', () => (key = newKey()));
  todos.addEventListener('written', () => (key = newKey()));
  byId('subscribe').addEventListener('click', subscribe);
  server.addEventListener('back', () => byId('export-view').hidden || setShown(true));
  jobList.start();
}

/** @param {boolean} shown */
export function setShown(shown) {
  jobList.setShown(shown);
  if (shown) feeds.load();
}

/** The options that differ from the API's own. */
function chosen() {
  const fields = Object.fromEntries(new FormData(form));
  const options = {};
  if (fields.completed) options.completed = fields.completed === 'true';
  if (fields.component !== 'event') options.component = fields.component;
  if (fields.window) options.window = Number(fields.window);
  if (fields.alarm) options.alarm = fields.alarm;
  if (name.value.trim()) options.name = name.value.trim();
  return options;
}

async function create() {
  await whileBusy('submit', async () => {
    const accepted = await call('POST', 'todos/ical', { body: chosen(), headers: { 'Idempotency-Key': key } });
    const { json } = await call('GET', `todos/ical/${accepted.json.task_id}/status`);
    key = newKey();
    jobList.add(json);
  });
}

async function subscribe() {
  await whileBusy('subscribe', () => feeds.add(chosen()));
}

/** @param {string} which @param {() => Promise<void>} work */
async function whileBusy(which, work) {
  const button = /** @type {HTMLButtonElement} */ (which === 'submit' ? form.querySelector('[type=submit]') : byId(which));
  button.disabled = true;
  setProblem(byId('export-problem'), '', name);
  try {
    await deleteHeld();
    await work();
  } catch (problem) {
    const isName = /^name\b/i.test(problem.message);
    setProblem(byId('export-problem'), problem.message, isName ? name : undefined);
  } finally {
    button.disabled = false;
    // a button that is disabled loses the focus
    if (document.activeElement === document.body) button.focus();
  }
}

/** Not `randomUUID`, which browsers have over https and on localhost only. */
function newKey() {
  const numbers = crypto.getRandomValues(new Uint32Array(4));
  return [...numbers].map((number) => number.toString(16).padStart(8, '0')).join('');
}
