// The list of failed jobs: filters, and retrying one of them or all that the filters choose.

import { call, serverNow } from '../api.js';
import { arrange, byId, fromTemplate, part, setText } from '../elements.js';
import { notify, notifyProblem } from '../notices.js';
import { sentence } from '../texts.js';
import { confirm } from './confirm.js';
import { open as openHistory, retryJob } from './history.js';
import { count, counted, seconds, time } from './numbers.js';
import { fetchPage, keepFresh } from './pages.js';
import { nameOf } from './processes.js';

const PAGE_SIZE = '20';

const form = /** @type {HTMLFormElement} */ (byId('failed-filter'));
const list = byId('failed-jobs');
const older = /** @type {HTMLButtonElement} */ (byId('more-failed'));
const retryAllButton = /** @type {HTMLButtonElement} */ (byId('retry-failed'));

/** By id, in the order of the list. @type {Map<string, HTMLElement>} */
let rows = new Map();
let cursor = '';
let showsOlder = false;
/** The number of the latest request: a late response to another one is not shown. */
let request = 0;
/** Whether a batch of retries is under way. */
let isRetrying = false;

export function start() {
  form.addEventListener('submit', (event) => (event.preventDefault(), load()));
  form.addEventListener('change', load);
  older.addEventListener('click', loadOlder);
  retryAllButton.addEventListener('click', retryAll);
}

/** The chosen filters, as the API names them. @returns {Record<string, string>} */
function filter() {
  const chosen = new FormData(form);
  const text = (/** @type {string} */ name) => String(chosen.get(name) ?? '').trim();
  const within = Number(text('within'));
  const after = within ? new Date(serverNow() - within * 1000).toISOString() : '';
  return { error_code: text('error_code'), worker: text('worker'), finished_after: after };
}

/**
 * Offers the workers to choose from. A worker that is chosen stays among them when it is no longer listed: otherwise "Retry
 * all" would suddenly mean the jobs of every worker.
 * @param {import('./live.js').Process[]} processes
 */
export function setWorkers(processes) {
  const select = /** @type {HTMLSelectElement} */ (form.elements.namedItem('worker'));
  const [any, ...present] = select.options;
  const workers = processes.filter(({ role }) => role === 'worker').sort((a, b) => b.id - a.id);
  const wanted = workers.map(({ id }) => String(id));
  const kept = present.filter(({ selected, value }) => selected && !wanted.includes(value));
  const values = (/** @type {HTMLOptionElement[]} */ options) => options.map(({ value }) => value);
  // a change closes the list of choices
  if (String([...wanted, ...values(kept)]) === String(values(present))) return;
  const chosen = select.value;
  select.replaceChildren(any, ...workers.map((worker) => new Option(`${nameOf(worker)}, ${worker.host}`, String(worker.id))), ...kept);
  select.value = chosen;
}

/** Loads the newest jobs. */
export const load = () => loadPage('');

const update = keepFresh({ list, load, showsOlder: () => showsOlder });

/** Keeps the list up to date. @param {number} failed how many jobs have failed */
export const setCount = (failed) => update(String(failed));

async function loadOlder() {
  const known = rows.size;
  await loadPage(cursor);
  // the button may be hidden by now
  [...rows.values()][known]?.focus();
}

/** @param {string} after */
async function loadPage(after) {
  const number = (request += 1);
  showsOlder = after !== '';
  try {
    const { items, cursor: next } = await fetchPage('operations/jobs', { status: 'FAILURE', ...filter(), cursor: after, limit: PAGE_SIZE });
    if (number !== request) return;
    cursor = next;
    const page = items.map((/** @type {any} */ job) => /** @type {const} */ ([job.task_id, rowOf(job)]));
    show(new Map([...(after ? rows : []), ...page]));
  } catch (problem) {
    if (number === request) showsOlder = rows.size > Number(PAGE_SIZE);
    if (number !== request || problem.isTransient || problem.status === 401 || problem.status === 403) return;
    show(new Map());
    setText(byId('failed-none'), `Couldn’t load the failed jobs. ${problem.message}`);
  }
}

/** @param {Map<string, HTMLElement>} shown */
function show(shown) {
  const hadFocus = list.contains(document.activeElement);
  rows = shown;
  arrange(list, [...rows.values()]);
  list.hidden = rows.size === 0;
  older.hidden = !cursor;
  retryAllButton.disabled = isRetrying || rows.size === 0;
  const { error_code: code, worker, finished_after: after } = filter();
  const isFiltered = Boolean(code || worker || after);
  setText(byId('failed-none'), rows.size ? '' : noneText(isFiltered));
  setText(part(retryAllButton, 'span'), isFiltered ? 'Retry all that match' : 'Retry all');
  if (hadFocus && document.activeElement === document.body) (list.querySelector('button') ?? byId('main')).focus({ preventScroll: true });
}

/** @param {boolean} isFiltered */
function noneText(isFiltered) {
  // the server looks at a limited number of jobs for those that match
  if (cursor) return 'None of the newest failed jobs matches these filters.';
  return isFiltered ? 'No failed job matches these filters.' : 'No job has failed.';
}

/** @param {any} job */
function rowOf(job) {
  const row = rows.get(job.task_id) ?? newRow(job.task_id);
  const error = job.error ?? { code: '', detail: '', cause: '' };
  setText(part(row, '.row-error'), error.detail ? sentence(error.detail) : 'The server gave no reason.');
  setText(part(row, '.row-code'), error.cause ? `${error.code}: ${error.cause}` : error.code);
  setText(part(row, '.row-facts'), factsText(job));
  for (const button of row.querySelectorAll('button')) button.ariaLabel = `${button.textContent}: job ${job.task_id}`;
  return row;
}

/** @param {any} job */
function factsText(job) {
  const took = (Date.parse(job.finished_at) - Date.parse(job.created_at)) / 1000;
  const where = job.worker ? `, last on worker ${job.worker.id}${job.worker.host ? ` (${job.worker.host})` : ''}` : '';
  return `Failed ${time(job.finished_at, serverNow())} after ${counted(job.attempt, 'attempt')} in ${seconds(took)}${where} · ${job.task_id}`;
}

/** @param {string} id */
function newRow(id) {
  const row = fromTemplate('failed-row');
  row.tabIndex = -1;
  part(row, '.history').addEventListener('click', () => openHistory(id));
  part(row, '.retry').addEventListener('click', () => retry(id));
  return row;
}

/**
 * Asks, and retries one job.
 * @param {string} id @param {(text: string) => void} [onProblem]
 * @returns {Promise<boolean>} whether it is retried
 */
export async function retry(id, onProblem = notifyProblem) {
  const isConfirmed = await confirm({
    heading: 'Retry this job?',
    text: `Job ${id} gets all its attempts again.`,
    yes: 'Retry',
  });
  if (!isConfirmed || !(await retryJob(id, onProblem))) return false;
  await load();
  return true;
}

async function retryAll() {
  const { error_code: code, worker, finished_after: after } = filter();
  const isFiltered = Boolean(code || worker || after);
  const isConfirmed = await confirm({
    heading: isFiltered ? 'Retry all jobs that match?' : 'Retry all failed jobs?',
    text: `Every failed job${isFiltered ? ' that the filters choose' : ''} gets all its attempts again, also those that the list does not show yet. Those whose cause persists fail again. Until they end, they count against the limits of jobs; during a pause they wait.`,
    yes: 'Retry all',
  });
  if (!isConfirmed) return;
  isRetrying = retryAllButton.disabled = true;
  // a request takes seconds, in which snapshots already count some of its jobs, so its own number is not added to theirs
  let retried = 0;
  let last = { retried: 0, remaining: false, cursor: null };
  try {
    do {
      const body = { ...bodyOf({ error_code: code, worker, finished_after: after }), all: !isFiltered, cursor: last.cursor };
      ({ json: last } = await call('POST', 'operations/jobs/retry', { body }));
      retried += last.retried;
    } while (last.remaining);
    notify(`${counted(retried, 'job')} ${retried === 1 ? 'is' : 'are'} tried again.`);
  } catch (problem) {
    notifyProblem(`Stopped after ${count(retried)} retried. ${problem.message}`);
  } finally {
    isRetrying = false;
  }
  await load();
}

/** The filter as JSON. @param {Record<string, string>} filters */
function bodyOf({ error_code: code, worker, finished_after: after }) {
  return { ...(code && { error_code: code }), ...(worker && { worker: Number(worker) }), ...(after && { finished_after: after }) };
}
