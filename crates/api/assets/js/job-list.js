// The list of jobs, newest first. A live job is one that has not ended.

import { call } from './api.js';
import { arrange, byId, setText } from './elements.js';
import { JobCard } from './job-card.js';
import { notifyProblem } from './notices.js';

/** @typedef {import('./job-status.js').Job} Job */

const PAGE_SIZE = 10;
/** A stream occupies one of the six connections that a browser opens to a server over HTTP/1.1. */
const MAX_STREAMS = 2;
const TICK_MS = 1000;

const list = byId('job-list');
const older = /** @type {HTMLButtonElement} */ (byId('more-jobs'));

/** By id, newest first. @type {Map<string, JobCard>} */
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
    for (const card of cards.values()) card.setWatchMode('');
    return;
  }
  timer = setInterval(() => document.hidden || tick(), TICK_MS);
  loadPage('');
}

/** Adds a job that was just accepted. @param {Job} job */
export function add(job) {
  const card = cardOf(job);
  show(new Map([[job.task_id, card], ...cards]));
  announce(card.announcement);
}

/** @param {Job} job */
function newCard(job) {
  const card = new JobCard(job, () => {
    announce(card.announcement);
    // if this job has ended, another one may use its stream
    setTimeout(watchLive);
  });
  return card;
}

/** Screen readers read an unchanged text again only if it was removed in between. @param {string} text */
function announce(text) {
  setText(byId('job-announcement'), '');
  setTimeout(() => setText(byId('job-announcement'), text), 100);
}

/** @param {string} cursor */
async function loadPage(cursor) {
  older.disabled = true;
  // a disabled button loses the focus, but not immediately
  older.blur();
  const known = new Set(cards.keys());
  try {
    const { json, headers } = await call('GET', `todos/ical?limit=${PAGE_SIZE}${cursor && `&cursor=${cursor}`}`);
    nextCursor = /[?&]cursor=([^&>]+)/.exec(headers.get('Link') ?? '')?.[1] ?? '';
    const page = new Map(json.map((/** @type {Job} */ job) => [job.task_id, cardOf(job)]));
    // a job added since the request is not in the response
    const newer = [...cards].filter(([id]) => !known.has(id));
    show(new Map([...(cursor ? cards : newer), ...page]));
  } catch (problem) {
    if (!problem.isTransient) notifyProblem(`Couldn’t load your calendars. ${problem.message}`);
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

/** @param {Map<string, JobCard>} shown */
function show(shown) {
  for (const [id, card] of cards) if (!shown.has(id)) card.setWatchMode('');
  cards = shown;
  arrange(list, [...cards.values()].map(({ element }) => element));
  byId('jobs-none').hidden = cards.size > 0;
  older.hidden = !nextCursor;
  watchLive();
}

function tick() {
  for (const card of cards.values()) card.tick();
}

/** Follows all live jobs: the newest over streams, the others by polling. */
function watchLive() {
  // a response may arrive after the visitor has left the view
  if (byId('export-view').hidden) return;
  const live = [...cards.values()].filter((card) => card.isLive);
  for (const card of live.slice(MAX_STREAMS)) card.setWatchMode('poll');
  for (const card of live.slice(0, MAX_STREAMS)) card.setWatchMode('stream');
}
