// The jobs that the server knows, newest first. Those that have not ended are live.

import { call } from './api.js';
import { arrange, byId, setText } from './elements.js';
import { JobCard } from './job-card.js';
import { notifyProblem } from './notices.js';

/** @typedef {import('./job-words.js').Job} Job */

const PAGE = 10;
/** Browsers have six connections to a server; a stream that is open takes one. */
const STREAMS_MAX = 2;
const TICK_MS = 1000;

const list = byId('job-list');
const older = /** @type {HTMLButtonElement} */ (byId('more-jobs'));

/** @type {Map<string, JobCard>} newest first */
let cards = new Map();
let nextCursor = '';
let timer = 0;

export function start() {
  older.addEventListener('click', () => loadPage(nextCursor));
}

/** @param {boolean} shown */
export function setShown(shown) {
  clearInterval(timer);
  if (!shown) {
    for (const card of cards.values()) card.setWatched('');
    return;
  }
  timer = setInterval(() => document.hidden || tick(), TICK_MS);
  loadPage('');
}

/** The card of a job that was just accepted. @param {Job} job */
export function add(job) {
  const card = cardOf(job);
  show(new Map([[job.task_id, card], ...cards]));
  say(card.news);
}

/** @param {Job} job */
function newCard(job) {
  const card = new JobCard(job, () => {
    say(card.news);
    // another live one may take its turn
    setTimeout(watchLive);
  });
  return card;
}

/** Aloud: the same words are read again only if they were gone meanwhile. @param {string} words */
function say(words) {
  setText(byId('job-news'), '');
  setTimeout(() => setText(byId('job-news'), words), 100);
}

/** @param {string} cursor */
async function loadPage(cursor) {
  older.disabled = true;
  // what is disabled loses the focus, but not at once
  older.blur();
  const known = new Set(cards.keys());
  try {
    const { json, headers } = await call('GET', `todos/ical?limit=${PAGE}${cursor && `&cursor=${cursor}`}`);
    nextCursor = /[?&]cursor=([^&>]+)/.exec(headers.get('Link') ?? '')?.[1] ?? '';
    const page = new Map(json.map((/** @type {Job} */ job) => [job.task_id, cardOf(job)]));
    // one that was added since is newer than this answer
    const newer = [...cards].filter(([id]) => !known.has(id));
    show(new Map([...(cursor ? cards : newer), ...page]));
  } catch (problem) {
    if (!problem.isPassing) notifyProblem(`Could not list the calendars. ${problem.message}`);
  } finally {
    older.disabled = false;
    if (cursor && document.activeElement === document.body) ([...cards.values()][known.size]?.element ?? older).focus();
  }
}

/** @param {Job} job */
function cardOf(job) {
  const card = cards.get(job.task_id);
  card?.show(job);
  return card ?? newCard(job);
}

/** @param {Map<string, JobCard>} now */
function show(now) {
  for (const [id, card] of cards) if (!now.has(id)) card.setWatched('');
  cards = now;
  arrange(list, [...cards.values()].map(({ element }) => element));
  byId('jobs-none').hidden = cards.size > 0;
  older.hidden = !nextCursor;
  watchLive();
}

function tick() {
  for (const card of cards.values()) card.tick();
}

/** Live ones are followed, the newest most closely, each until it has ended. */
function watchLive() {
  // an answer may come after the view was left
  if (byId('export-view').hidden) return;
  const live = [...cards.values()].filter((card) => card.isLive);
  for (const card of live.slice(STREAMS_MAX)) card.setWatched('asking');
  for (const card of live.slice(0, STREAMS_MAX)) card.setWatched('stream');
}
