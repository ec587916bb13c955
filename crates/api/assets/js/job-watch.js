// Follows a job until it has ended: over its event stream where the server has one, else by asking. A tab that is not
// seen does neither, so that many open tabs cost nothing.

import { call, urlOf } from './api.js';
import { hasEnded } from './job-words.js';

/** @typedef {import('./job-words.js').Job} Job */

const FIRST_WAIT_S = 1;
const LONGEST_WAIT_S = 15;
const GROWTH = 1.5;

/** Once a server has refused an event stream and yet answers, it is not asked for one again. */
let hasStreams = 'EventSource' in window;

/**
 * @param {Job} job
 * @param {boolean} mayStream
 * @param {{ onState: (job: Job | null) => void, onGone: () => void, onProblem: (problem: Error) => void }} handlers a state of
 *   null: as it was
 * @returns {() => void} ends it
 */
export function watch(job, mayStream, handlers) {
  let last = job;
  let isOver = false;
  let stop = () => {};

  const end = () => {
    isOver = true;
    stop();
    document.removeEventListener('visibilitychange', follow);
  };
  const onState = (/** @type {Job | null} */ state) => {
    if (isOver) return;
    last = state ?? last;
    if (hasEnded(last)) end();
    handlers.onState(state);
  };
  const onProblem = (/** @type {any} */ problem) => {
    if (isOver) return;
    if (problem.status === 404 || problem.status === 410) {
      end();
      handlers.onGone();
    } else handlers.onProblem(problem);
  };
  const ask = () => (stop = poll(last.task_id, onState, onProblem));
  const onBroken = () => status(last.task_id).then(({ json }) => onState(json), onProblem);
  const onRefused = (/** @type {boolean} */ hasSpoken) => {
    let mayHaveNone = !hasSpoken;
    const onAnswer = (/** @type {Job | null} */ state) => {
      if (mayHaveNone) hasStreams = false;
      onState(state);
    };
    // it was away altogether
    const onNoAnswer = (/** @type {any} */ problem) => ((mayHaveNone = false), onProblem(problem));
    stop = poll(last.task_id, onAnswer, onNoAnswer);
  };
  function follow() {
    stop();
    if (document.hidden || isOver) return;
    if (hasStreams && mayStream) stop = stream(last.task_id, { onState, onBroken, onRefused });
    else ask();
  }
  document.addEventListener('visibilitychange', follow);
  follow();
  return end;
}

/** @param {string} id @param {Record<string, string>} [headers] */
const status = (id, headers) => call('GET', `todos/ical/${id}/status`, { headers });

/**
 * The browser connects again by itself when a stream breaks, each time with `onBroken`; `onRefused` runs when it may not.
 * @param {string} id
 * @param {{ onState: (job: Job | null) => void, onBroken: () => void, onRefused: (hasSpoken: boolean) => void }} handlers
 */
function stream(id, { onState, onBroken, onRefused }) {
  const source = new EventSource(urlOf(`todos/ical/${id}/events`));
  let hasSpoken = false;
  source.addEventListener('open', () => onState(null));
  source.addEventListener('message', ({ data }) => {
    hasSpoken = true;
    onState(JSON.parse(data));
  });
  source.addEventListener('error', () => {
    if (source.readyState === EventSource.CLOSED) onRefused(hasSpoken);
    else onBroken();
  });
  return () => source.close();
}

/** @param {string} id @param {(job: Job | null) => void} onState @param {(problem: any) => void} onProblem */
function poll(id, onState, onProblem) {
  let wait = FIRST_WAIT_S;
  let timer = 0;
  let etag = '';
  let isStopped = false;
  const ask = async () => {
    let asked = 0;
    try {
      const answer = await status(id, etag ? { 'If-None-Match': etag } : {});
      if (isStopped) return;
      // what moves is looked at more often than what waits
      wait = answer.status === 304 ? Math.min(wait * GROWTH, LONGEST_WAIT_S) : FIRST_WAIT_S;
      asked = answer.retryAfter ?? 0;
      etag = answer.headers.get('ETag') ?? '';
      onState(answer.json);
    } catch (problem) {
      if (isStopped) return;
      wait = Math.min(wait * 2, LONGEST_WAIT_S);
      asked = problem.retryAfter ?? 0;
      onProblem(problem);
    }
    if (!isStopped) timer = setTimeout(ask, Math.max(wait, asked) * 1000);
  };
  ask();
  return () => {
    isStopped = true;
    clearTimeout(timer);
  };
}
