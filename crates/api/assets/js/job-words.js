// What a job's state means, in words.

import { plural } from './texts.js';

/**
 * @typedef {{ task_id: string, task_status: string, created_at: string, started_at: string | null,
 *   finished_at: string | null, attempt: number, progress: { done: number, total: number | null },
 *   error: { code: string, detail: string } | null, expires_at: string }} Job
 */

const STATES = {
  PENDING: ['Queued', 'Waiting for a free worker.'],
  STARTED: ['Running', 'Being made.'],
  RETRY: ['Trying again', 'The last attempt did not succeed; another one follows.'],
  SUCCESS: ['Done', ''],
  FAILURE: ['Failed', ''],
  REVOKED: ['Cancelled', ''],
  EXPIRED: ['Expired', 'It was kept for as long as the server keeps calendars. Create it anew if you need it.'],
};

const ENDED = new Set(['SUCCESS', 'FAILURE', 'REVOKED', 'EXPIRED']);

/** @param {Job} job */
export const hasEnded = (job) => ENDED.has(job.task_status);

/** @param {Job} job */
export const badgeWords = (job) => STATES[job.task_status]?.[0] ?? job.task_status;

/** @param {Job} job @param {number} now in milliseconds */
export function detailWords(job, now) {
  const { done, total } = job.progress;
  const words = [STATES[job.task_status]?.[1] ?? ''];
  if (job.task_status === 'STARTED' && total !== null) words[0] = `${done} of ${plural(total, 'todo')}.`;
  if (job.task_status === 'SUCCESS' && total !== null) words[0] = `${plural(total, 'todo')} read.`;
  if (job.task_status === 'FAILURE') words[0] = job.error?.detail ? sentence(job.error.detail) : 'The server gave no reason.';
  if (job.attempt > 1) words.push(`Attempt ${job.attempt}.`);
  if (job.task_status !== 'EXPIRED') words.push(elapsedWords(job, now));
  return words.filter(Boolean).join(' ');
}

/** @param {Job} job @param {number} now */
function elapsedWords(job, now) {
  const end = job.finished_at ? Date.parse(job.finished_at) : now;
  const seconds = Math.max(0, (end - Date.parse(job.created_at)) / 1000);
  const took = seconds < 1 ? 'under a second' : seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
  return hasEnded(job) ? `Took ${took}.` : `For ${took}.`;
}

/** @param {string} detail */
const sentence = (detail) => `${detail[0].toUpperCase()}${detail.slice(1)}${/[.!?]$/.test(detail) ? '' : '.'}`;
