// Follows a job until it has ended: over its event stream if the server has one, otherwise by polling. A hidden tab
// does neither, so that many open tabs do not burden the server.

import { apiUrl, call } from './api.js';
import { hasEnded } from './job-status.js';

/** @typedef {import('./job-status.js').Job} Job */

const MIN_DELAY_S = 1;
const MAX_DELAY_S = 15;
const DELAY_GROWTH = 1.5;

/** False once the server has refused an event stream but responded to a poll. */
let hasStreams = 'EventSource' in window;

/**
 * @param {Job} job
 * @param {boolean} mayStream
 * @param {{ onJob: (job: Job | null) => void, onGone: () => void, onProblem: (problem: Error) => void }} handlers
 *   `onJob(null)`: the server can be reached, and the job is unchanged
 * @returns {() => void} a function that stops following the job
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
  const onJob = (/** @type {Job | null} */ changed) => {
    if (isOver) return;
    last = changed ?? last;
    if (hasEnded(last)) end();
    handlers.onJob(changed);
  };
  const onProblem = (/** @type {any} */ problem) => {
    if (isOver) return;
    if (problem.status === 404 || problem.status === 410) {
      end();
      handlers.onGone();
    } else handlers.onProblem(problem);
  };
  const onInterrupted = () => fetchStatus(last.task_id).then(({ json }) => onJob(json), onProblem);
  const onClosed = (/** @type {boolean} */ hadMessage) => {
    let mayLackStreams = !hadMessage;
    const onResponse = (/** @type {Job | null} */ changed) => {
      if (mayLackStreams) hasStreams = false;
      onJob(changed);
    };
    // the server was down, so the closed stream says nothing about its support for streams
    const onNoResponse = (/** @type {any} */ problem) => ((mayLackStreams = false), onProblem(problem));
    stop = poll(last.task_id, onResponse, onNoResponse);
  };
  function follow() {
    stop();
    if (document.hidden || isOver) return;
    if (hasStreams && mayStream) stop = stream(last.task_id, { onJob, onInterrupted, onClosed });
    else stop = poll(last.task_id, onJob, onProblem);
  }
  document.addEventListener('visibilitychange', follow);
  follow();
  return end;
}

/** @param {string} id @param {Record<string, string>} [headers] */
const fetchStatus = (id, headers) => call('GET', `todos/ical/${id}/status`, { headers });

/**
 * When the stream breaks, `onInterrupted` runs and the browser reconnects automatically. When the browser gives up,
 * `onClosed` runs.
 * @param {string} id
 * @param {{ onJob: (job: Job | null) => void, onInterrupted: () => void, onClosed: (hadMessage: boolean) => void }} handlers
 */
function stream(id, { onJob, onInterrupted, onClosed }) {
  const source = new EventSource(apiUrl(`todos/ical/${id}/events`));
  let hadMessage = false;
  source.addEventListener('open', () => onJob(null));
  source.addEventListener('message', ({ data }) => {
    hadMessage = true;
    onJob(JSON.parse(data));
  });
  source.addEventListener('error', () => {
    if (source.readyState === EventSource.CLOSED) onClosed(hadMessage);
    else onInterrupted();
  });
  return () => source.close();
}

/** @param {string} id @param {(job: Job | null) => void} onJob @param {(problem: any) => void} onProblem */
function poll(id, onJob, onProblem) {
  let delay = MIN_DELAY_S;
  let timer = 0;
  let etag = '';
  let isStopped = false;
  const ask = async () => {
    let retryAfter = 0;
    try {
      const response = await fetchStatus(id, etag ? { 'If-None-Match': etag } : {});
      if (isStopped) return;
      // a job that changes is polled more often than one that waits
      delay = response.status === 304 ? Math.min(delay * DELAY_GROWTH, MAX_DELAY_S) : MIN_DELAY_S;
      retryAfter = response.retryAfter ?? 0;
      etag = response.headers.get('ETag') ?? '';
      onJob(response.json);
    } catch (problem) {
      if (isStopped) return;
      delay = Math.min(delay * 2, MAX_DELAY_S);
      retryAfter = problem.retryAfter ?? 0;
      onProblem(problem);
    }
    if (!isStopped) timer = setTimeout(ask, Math.max(delay, retryAfter) * 1000);
  };
  ask();
  return () => {
    isStopped = true;
    clearTimeout(timer);
  };
}
