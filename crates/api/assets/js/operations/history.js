// One job: its facts and its history, in a dialog that has an address of its own (`#job/ID`).

import { call, serverNow } from '../api.js';
import { byId, fromTemplate, part, setText } from '../elements.js';
import { notify } from '../notices.js';
import { change, moveCount } from './live.js';
import { seconds, time } from './numbers.js';
import { describe, stepsOf } from './steps.js';

const ADDRESS = /^#job\/([^/]+)$/;
/** How often a job that has not ended is read again. */
const REFRESH_MS = 2000;
const ENDED = new Set(['SUCCESS', 'FAILURE', 'REVOKED']);
const STATUSES = { PENDING: 'Waiting', STARTED: 'Running', RETRY: 'Waiting for another attempt', SUCCESS: 'Completed', FAILURE: 'Failed', REVOKED: 'Cancelled' };

const dialog = /** @type {HTMLDialogElement} */ (byId('job'));
const field = /** @type {HTMLInputElement} */ (byId('job-id'));
const retryButton = /** @type {HTMLButtonElement} */ (byId('job-retry'));

let id = '';
let timer = 0;
/** What was shown last, so that nothing changes below a reader without a reason. */
let shown = '';

/** @param {(id: string, onProblem: (text: string) => void) => Promise<boolean>} retry retries a job, and returns whether it could be */
export function start(retry) {
  byId('look-up').addEventListener('submit', (event) => (event.preventDefault(), lookUp()));
  part(dialog, '.close').addEventListener('click', () => dialog.close());
  dialog.addEventListener('close', onClose);
  retryButton.addEventListener('click', async () => (await retry(id, (text) => setText(byId('job-problem'), text))) && load());
  addEventListener('hashchange', showAddress);
  showAddress();
}

/** @param {string} job */
export function open(job) {
  location.hash = `#job/${encodeURIComponent(job)}`;
}

function lookUp() {
  const text = field.value.trim();
  setText(byId('look-up-problem'), text ? '' : 'Enter the ID of a job.');
  if (!text) field.focus();
  else if (location.hash === `#job/${encodeURIComponent(text)}`) showAddress();
  else open(text);
}

function showAddress() {
  const job = ADDRESS.exec(location.hash)?.[1];
  if (!job) {
    if (dialog.open) dialog.close();
    return;
  }
  id = decodeURIComponent(job);
  shown = '';
  setText(byId('job-heading'), 'Job');
  setText(byId('job-id-shown'), id);
  setText(byId('job-problem'), '');
  byId('job-facts').replaceChildren();
  byId('job-steps').replaceChildren();
  retryButton.hidden = true;
  if (!dialog.open) dialog.showModal();
  byId('job-heading').focus();
  load();
}

function onClose() {
  clearTimeout(timer);
  if (ADDRESS.test(location.hash)) history.replaceState(null, '', location.pathname + location.search);
}

async function load() {
  clearTimeout(timer);
  const asked = id;
  let isLive = true;
  try {
    const { json } = await call('GET', `operations/jobs/${encodeURIComponent(asked)}`);
    if (asked !== id || !dialog.open) return;
    isLive = !ENDED.has(json.task_status);
    setText(byId('job-problem'), '');
    show(json);
  } catch (problem) {
    if (asked !== id) return;
    isLive = problem.isTransient;
    setText(byId('job-problem'), problem.status === 404 ? 'There is no job with this ID. Jobs are deleted some time after they have ended.' : problem.message);
  }
  if (isLive && dialog.open) timer = setTimeout(load, REFRESH_MS);
}

/** @param {any} job */
function show(job) {
  const text = JSON.stringify(job);
  if (text === shown) return;
  shown = text;
  setText(byId('job-heading'), `Job: ${(STATUSES[job.task_status] ?? job.task_status).toLowerCase()}`);
  byId('job-facts').replaceChildren(...factsOf(job).flatMap(([name, value]) => [element('dt', name), element('dd', value)]));
  byId('job-steps').replaceChildren(...stepsOf(job).map(stepElement));
  retryButton.hidden = job.task_status !== 'FAILURE';
}

/** @param {any} job @returns {[string, string][]} */
function factsOf(job) {
  const end = job.finished_at ? Date.parse(job.finished_at) : serverNow();
  /** @type {[string, string | number | null | undefined][]} */
  const facts = [
    ['Accepted', time(job.created_at, serverNow())],
    [job.finished_at ? 'Took' : 'Age', seconds((end - Date.parse(job.created_at)) / 1000)],
    ['Attempts', job.attempt],
    ['Token', job.token_name],
    ['Trace', job.trace_id],
  ];
  return facts.flatMap(([name, value]) => (value === null || value === undefined ? [] : [[name, String(value)]]));
}

/** @param {string} name @param {string} text */
const element = (name, text) => Object.assign(document.createElement(name), { textContent: text });

/** @param {import('./steps.js').Step} step */
function stepElement(step) {
  const item = fromTemplate('step');
  const { title, detail, tone } = describe(step);
  item.dataset.tone = tone;
  setText(part(item, '.step-title'), title);
  setText(part(item, '.step-detail'), [step.at && time(step.at, serverNow()), detail].filter(Boolean).join(' · '));
  return item;
}

/** Retries one job, and says so. @param {string} job @param {(text: string) => void} onProblem @returns {Promise<boolean>} */
export async function retryJob(job, onProblem) {
  try {
    const { json } = await call('POST', `operations/jobs/${encodeURIComponent(job)}/retry`);
    change('jobs', json.at, (jobs) => moveCount(jobs, 'failed', 'pending', 1, jobs.count_limit));
    notify('The job is tried again.');
    return true;
  } catch (problem) {
    onProblem(`Couldn’t retry the job. ${problem.message}`);
    return false;
  }
}
