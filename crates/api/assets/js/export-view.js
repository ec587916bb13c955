// The export view: the form for a calendar or a subscription, and the lists of both.

import { call, server } from './api.js';
import { finishDeletions } from './deletion.js';
import { byId, part, setProblem } from './elements.js';
import * as feeds from './feeds.js';
import * as jobList from './job-list.js';
import { todos } from './todos.js';

const form = /** @type {HTMLFormElement} */ (byId('export-form'));
const name = /** @type {HTMLInputElement} */ (byId('export-name'));

/** Identifies a request for a calendar: a request repeated after a lost response does not create another job. */
let idempotencyKey = newKey();
const renewKey = () => (idempotencyKey = newKey());

export function start() {
  form.addEventListener('submit', (event) => (event.preventDefault(), create()));
  form.addEventListener('change', renewKey);
  todos.addEventListener('saved', renewKey);
  byId('subscribe').addEventListener('click', subscribe);
  server.addEventListener('recovered', () => byId('export-view').hidden || setShown(true));
  jobList.start();
}

/** @param {boolean} shown */
export function setShown(shown) {
  jobList.setShown(shown);
  if (shown) feeds.load();
}

/** The options that differ from the API's defaults. */
function chosenOptions() {
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
  await whileDisabled(part(form, '[type=submit]'), async () => {
    const headers = { 'Idempotency-Key': idempotencyKey };
    const accepted = await call('POST', 'todos/ical', { body: chosenOptions(), headers });
    const { json } = await call('GET', `todos/ical/${accepted.json.task_id}/status`);
    renewKey();
    jobList.add(json);
  });
}

async function subscribe() {
  await whileDisabled(byId('subscribe'), () => feeds.add(chosenOptions()));
}

/**
 * Runs `work` while a button is disabled, and shows its problem.
 * @param {Element} element @param {() => Promise<void>} work
 */
async function whileDisabled(element, work) {
  const button = /** @type {HTMLButtonElement} */ (element);
  button.disabled = true;
  setProblem(byId('export-problem'), '', name);
  try {
    await finishDeletions();
    await work();
  } catch (problem) {
    // the name is the only field that can be invalid: the others offer fixed choices
    const isName = problem.status === 400;
    setProblem(byId('export-problem'), problem.message, isName ? name : undefined);
  } finally {
    button.disabled = false;
    // a disabled button loses the focus
    if (document.activeElement === document.body) button.focus();
  }
}

/** Returns a random key. `crypto.randomUUID` is missing over plain HTTP, except on localhost. */
function newKey() {
  const numbers = crypto.getRandomValues(new Uint32Array(4));
  return [...numbers].map((number) => number.toString(16).padStart(8, '0')).join('');
}
