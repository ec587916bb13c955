// Says when the server is away or this device is offline, looks for it again, and says how old the list is meanwhile.

import { server } from './api.js';
import { LOCALE } from './deadline.js';
import { byId, setText } from './elements.js';
import { notify } from './notices.js';
import { todos } from './todos.js';

const FIRST_WAIT_S = 2;
const LONGEST_WAIT_S = 30;

const clock = new Intl.DateTimeFormat(LOCALE, { timeStyle: 'short' });
const day = new Intl.DateTimeFormat(LOCALE, { dateStyle: 'medium', timeStyle: 'short' });
const banner = byId('connection');

let isAway = false;
/** Whether something may have been missed since the server was there. */
let hasMissed = false;
/** Why it is there but gives no list. */
let refusal = '';
let wait = FIRST_WAIT_S;
let timer = 0;
let refusalTimer = 0;

export function start() {
  server.addEventListener('unserved', (event) => away(/** @type {CustomEvent} */ (event).detail));
  server.addEventListener('served', () => back());
  window.addEventListener('online', look);
  // a server on this device is there all the same
  window.addEventListener('offline', look);
  window.addEventListener('pageshow', (event) => event.persisted && look());
  document.addEventListener('visibilitychange', () => document.hidden || look());
}

/** @param {import('./problem.js').Problem} problem */
function away(problem) {
  isAway = hasMissed = true;
  say(problem.message);
  clearTimeout(timer);
  if (document.hidden) return;
  timer = setTimeout(lookAgain, Math.max(wait, problem.retryAfter ?? 0) * 1000);
}

/** Less and less often, but not for what a visitor tries meanwhile. */
function lookAgain() {
  wait = Math.min(wait * 2, LONGEST_WAIT_S);
  look();
}

function back() {
  clearTimeout(timer);
  wait = FIRST_WAIT_S;
  setText(banner, refusal);
  if (!isAway) return;
  isAway = false;
  notify('Connected again.');
  look();
}

/** Asks for the list. Once it is there again, `back` tells those that show something else. */
export async function look() {
  clearTimeout(timer);
  clearTimeout(refusalTimer);
  try {
    await todos.load();
    if (refusal) setText(banner, (refusal = ''));
    if (hasMissed) server.dispatchEvent(new Event('back'));
    hasMissed = false;
  } catch (problem) {
    if (problem.isPassing) return;
    setText(banner, (refusal = `Could not load your todos. ${problem.message}`));
    clearTimeout(refusalTimer);
    refusalTimer = setTimeout(look, LONGEST_WAIT_S * 1000);
  }
}

/** @param {string} words */
function say(words) {
  setText(banner, `${words} ${ageWords()}`);
}

function ageWords() {
  if (todos.asOf === null) return 'Your todos will show as soon as it is back.';
  const isToday = new Date(todos.asOf).toDateString() === new Date().toDateString();
  return `You see your todos as of ${(isToday ? clock : day).format(todos.asOf)}; changes can’t be saved now.`;
}
