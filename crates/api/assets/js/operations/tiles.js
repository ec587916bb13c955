// The numbers at the top of the page.

import { byId, part, setText } from '../elements.js';
import { liveWorkers } from './live.js';
import { count, counted, seconds } from './numbers.js';

/** @typedef {import('./live.js').Snapshot} Snapshot */

/** From here on jobs have waited for so long that somebody should look. */
const SLOW_S = 60;

const tiles = byId('numbers');

/**
 * What a tile shows: its number, a note below it, and how it looks.
 * @typedef {{ value: string, note: string, look?: '' | 'is-bad' | 'is-slow' }} Tile
 * @param {Snapshot} snapshot @returns {Record<string, Tile>}
 */
export function tilesOf({ jobs, outbox, queue_depth: queue, last_minute: minute, processes }) {
  const limit = jobs.count_limit;
  const slow = (/** @type {number | null} */ age) => ((age ?? 0) >= SLOW_S ? 'is-slow' : '');
  return {
    waiting: { value: count(jobs.pending, limit), note: age('oldest', jobs.oldest_waiting_seconds, jobs.pending), look: slow(jobs.oldest_waiting_seconds) },
    running: { value: count(jobs.started, limit), note: slotsText(processes), look: liveWorkers(processes).length ? '' : 'is-slow' },
    retrying: { value: count(jobs.retry, limit), note: `${count(minute.retried)} in the last minute` },
    failed: { value: count(jobs.failed, limit), note: `${count(minute.failed)} in the last minute`, look: minute.failed > 0 ? 'is-bad' : '' },
    completed: { value: count(minute.succeeded), note: `${count(minute.accepted)} accepted` },
    outbox: { value: count(outbox.jobs, outbox.count_limit), note: age('oldest', outbox.oldest_age_seconds, outbox.jobs), look: slow(outbox.oldest_age_seconds) },
    queue: { value: count(queue.visible), note: queueText(queue), look: queue.error ? 'is-slow' : '' },
    dead: { value: count(queue.dead_letters), note: deadText(queue), look: queue.dead_letters ? 'is-bad' : queue.error ? 'is-slow' : '' },
  };
}

/** @param {string} word @param {number | null} value @param {number} jobs */
const age = (word, value, jobs) => (jobs > 0 && value !== null ? `${word} ${seconds(value)}` : '');

/** @param {import('./live.js').Process[]} processes */
function slotsText(processes) {
  const workers = liveWorkers(processes);
  if (!workers.length) return 'no worker';
  const slots = workers.reduce((sum, worker) => sum + (worker.slots ?? 0), 0);
  return `${counted(workers.length, 'worker')}, ${counted(slots, 'slot')}`;
}

/** @param {Snapshot['queue_depth']} queue */
function queueText({ in_flight: inFlight, delayed, error }) {
  if (error) return error;
  const parts = [];
  if (inFlight !== null) parts.push(`${count(inFlight)} in flight`);
  if (delayed) parts.push(`${count(delayed)} delayed`);
  return parts.join(', ');
}

/** @param {Snapshot['queue_depth']} queue */
const deadText = ({ dead_letters: dead, error }) => (dead === null ? (error ?? 'not counted by this queue') : '');

/** @param {Snapshot} snapshot */
export function show(snapshot) {
  for (const [name, { value, note, look = '' }] of Object.entries(tilesOf(snapshot))) {
    const number = part(tiles, `[data-value='${name}']`);
    setText(number, value);
    setText(part(tiles, `[data-note='${name}']`), note);
    const tile = /** @type {Element} */ (number.parentElement);
    for (const other of ['is-bad', 'is-slow']) tile.classList.toggle(other, other === look);
  }
}
