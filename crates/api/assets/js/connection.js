// Shows a banner while the server can't be reached, with the age of the todos shown, and loads them again when it is
// back.

import { server } from './api.js';
import { LOCALE } from './deadline.js';
import { byId, setText } from './elements.js';
import { notify } from './notices.js';
import { todos } from './todos.js';

const MIN_DELAY_S = 2;
const MAX_DELAY_S = 30;

const clock = new Intl.DateTimeFormat(LOCALE, { timeStyle: 'short' });
const dayAndTime = new Intl.DateTimeFormat(LOCALE, { dateStyle: 'medium', timeStyle: 'short' });
const banner = byId('connection');

let isUnavailable = false;
/** Whether the todos may have changed while the server was unavailable. */
let isStale = false;
/** The message to show when the server is available but does not return the todos. */
let loadProblem = '';
let delay = MIN_DELAY_S;
let timer = 0;
let loadTimer = 0;

export function start() {
  server.addEventListener('unavailable', (event) => onUnavailable(/** @type {CustomEvent} */ (event).detail));
  server.addEventListener('available', onAvailable);
  server.addEventListener('signed-in', () => ((isStale = true), refresh()));
  addEventListener('online', refresh);
  // a server on this device can be reached even offline
  addEventListener('offline', refresh);
  addEventListener('pageshow', (event) => event.persisted && refresh());
  document.addEventListener('visibilitychange', () => document.hidden || refresh());
}

/** @param {import('./problem.js').Problem} problem */
function onUnavailable(problem) {
  isUnavailable = isStale = true;
  setText(banner, `${problem.message} ${ageText()}`);
  clearTimeout(timer);
  if (document.hidden) return;
  timer = setTimeout(refreshLessOften, Math.max(delay, problem.retryAfter ?? 0) * 1000);
}

/** Only these automatic attempts lengthen the delay, not the failed requests of the visitor. */
function refreshLessOften() {
  delay = Math.min(delay * 2, MAX_DELAY_S);
  refresh();
}

function onAvailable() {
  clearTimeout(timer);
  delay = MIN_DELAY_S;
  setText(banner, loadProblem);
  if (!isUnavailable) return;
  isUnavailable = false;
  notify('Connected again.');
  refresh();
}

/** Loads the todos. After an outage, dispatches `recovered` so that other views load their data again too. */
export async function refresh() {
  clearTimeout(timer);
  clearTimeout(loadTimer);
  try {
    await todos.load();
    if (loadProblem) setText(banner, (loadProblem = ''));
    if (isStale) server.dispatchEvent(new Event('recovered'));
    isStale = false;
  } catch (problem) {
    // the page asks for a token, and loads the todos once it has one
    if (problem.isTransient || problem.status === 401) return;
    setText(banner, (loadProblem = `Couldn’t load your todos. ${problem.message}`));
    clearTimeout(loadTimer);
    loadTimer = setTimeout(refresh, MAX_DELAY_S * 1000);
  }
}

function ageText() {
  if (todos.asOf === null) return 'Your todos will appear once the server can be reached.';
  const isToday = new Date(todos.asOf).toDateString() === new Date().toDateString();
  return `Showing your todos as of ${(isToday ? clock : dayAndTime).format(todos.asOf)}. Changes can’t be saved right now.`;
}
