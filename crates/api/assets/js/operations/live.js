// The stream of snapshots: opens it, opens it again after an interruption, and says when the numbers are old. What an
// operator has changed is shown immediately, and no earlier snapshot undoes it.

import { apiUrl, serverNow, server } from '../api.js';
import { byId, setText } from '../elements.js';
import { notify } from '../notices.js';
import { networkProblem, Problem, readProblem } from '../problem.js';
import { sentence } from '../texts.js';
import { readEvents } from './events.js';
import { time } from './numbers.js';

/**
 * @typedef {{ accepted: number, published: number, started: number, succeeded: number, failed: number, retried: number,
 *   revoked: number }} Counts
 * @typedef {{ id: number, role: string, host: string, pid: number, version: string, started_at: string,
 *   heartbeat_at: string, state: string, slots: number | null, in_flight: number | null }} Process
 * @typedef {{ at: string | null, error: string | null, version: string, queue: string,
 *   processing: { paused: boolean, paused_at: string | null, paused_by: string | null },
 *   jobs: { pending: number, started: number, retry: number, failed: number, count_limit: number, oldest_waiting_seconds: number | null },
 *   outbox: { jobs: number, oldest_age_seconds: number | null, count_limit: number },
 *   queue_depth: { visible: number | null, in_flight: number | null, delayed: number | null, dead_letters: number | null, error: string | null },
 *   last_minute: Counts, since_last: Counts & { dead_letters: number },
 *   processes: Process[], deliveries: { waiting: number, given_up: number } }} Snapshot
 */

const MIN_DELAY_MS = 1000;
const MAX_DELAY_MS = 15_000;
/** The server sends a comment every 15 seconds. */
const SILENCE_MS = 40_000;

const banner = byId('connection');
const badge = byId('live');

/** @type {Snapshot | null} */
let last = null;
/** By the name of the part, what an action has changed, until a later snapshot arrives. @type {Map<string, { at: number, value: any }>} */
const changes = new Map();
let isLost = false;
let delay = MIN_DELAY_MS;
let timer = 0;
/** Of the stream that is open. @type {AbortController | null} */
let current = null;

/** Dispatches `snapshot` (as `detail`) for each snapshot, `open` when a stream opens, and `refused` with the problem. */
export const live = new EventTarget();

/** The workers that can run jobs. @param {Process[]} processes */
export const liveWorkers = (processes) =>
  processes.filter(({ role, state }) => role === 'worker' && (state === 'running' || state === 'draining'));

export function start() {
  // a hidden tab follows nothing
  document.addEventListener('visibilitychange', () => (document.hidden ? stop() : connect()));
  addEventListener('online', connect);
  addEventListener('pagehide', stop);
  addEventListener('pageshow', (event) => event.persisted && connect());
  server.addEventListener('signed-in', connect);
  connect();
}

function stop() {
  clearTimeout(timer);
  current?.abort();
  current = null;
}

export async function connect() {
  stop();
  const controller = (current = new AbortController());
  try {
    await follow(controller);
    throw new Problem('The connection was closed.');
  } catch (error) {
    // another stream has replaced this one, or the tab is hidden
    if (current !== controller) return;
    const problem = error instanceof Problem ? error : networkProblem(error);
    if (problem.status === 401 || problem.status === 403) refuse(problem);
    else lose(problem);
  }
}

/** @param {AbortController} controller */
async function follow({ signal }) {
  const headers = { Accept: 'text/event-stream' };
  const response = await fetch(apiUrl('operations/live'), { cache: 'no-store', headers, signal });
  if (!response.ok) throw await readProblem(response);
  live.dispatchEvent(new Event('open'));
  await readEvents(response, SILENCE_MS, (data) => signal.aborted || receive(JSON.parse(data)));
}

/** @param {Snapshot} received */
function receive(received) {
  const at = Date.parse(received.at ?? '');
  for (const [name, change] of changes) {
    // within the same millisecond, either may be the later one
    if (at > change.at) changes.delete(name);
    else received[name] = change.value;
  }
  last = received;
  delay = MIN_DELAY_MS;
  const isOld = received.error !== null;
  setState(isOld ? 'lost' : 'live', isOld ? 'Old numbers' : 'Live');
  setText(banner, isOld ? `${sentence(received.error ?? '')} ${ageText()}` : '');
  document.body.classList.toggle('is-old', isOld);
  if (isLost) notify('Connected again.');
  isLost = false;
  live.dispatchEvent(new CustomEvent('snapshot', { detail: received }));
}

/**
 * Shows the effect of an action on a part of the latest snapshot.
 * @template {keyof Snapshot} Name @param {Name} name @param {string} at when it had its effect, as the server says
 * @param {(before: Snapshot[Name]) => Snapshot[Name]} after
 */
export function change(name, at, after) {
  const time = Date.parse(at);
  // a later snapshot has arrived before the response
  if (!last || Date.parse(last.at ?? '') > time) return;
  const value = after(last[name]);
  changes.set(name, { at: time, value });
  last = { ...last, [name]: value, since_last: /** @type {any} */ ({}) };
  live.dispatchEvent(new CustomEvent('snapshot', { detail: last }));
}

/**
 * Returns counts after some of what was counted as `from` has become `to`. The server counts up to `limit`, so a number
 * there may stand for more.
 * @template {Record<string, any>} Counts
 * @param {Counts} counts @param {keyof Counts} from @param {keyof Counts} to @param {number} moved @param {number} limit
 */
export const moveCount = (counts, from, to, moved, limit) => ({
  ...counts,
  [from]: counts[from] < limit ? Math.max(counts[from] - moved, 0) : limit,
  [to]: Math.min(counts[to] + moved, limit),
});

/** @param {Problem} problem */
function refuse(problem) {
  setState('lost', 'Not signed in');
  setText(banner, '');
  live.dispatchEvent(new CustomEvent('refused', { detail: problem }));
}

/** Says since when the numbers are old, and tries again. @param {Problem} problem */
function lose(problem) {
  isLost = true;
  setState('lost', 'Not connected');
  document.body.classList.add('is-old');
  setText(banner, `${problem.message} ${ageText()} Trying again.`);
  timer = setTimeout(connect, Math.max(delay, (problem.retryAfter ?? 0) * 1000));
  delay = Math.min(delay * 2, MAX_DELAY_MS);
}

function ageText() {
  return last?.at ? `The numbers are from ${time(last.at, serverNow())}.` : 'There are no numbers yet.';
}

/** @param {string} state @param {string} text */
function setState(state, text) {
  badge.dataset.state = state;
  setText(badge, text);
}
