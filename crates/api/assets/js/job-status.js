// The status of a job, described for the visitor.

import { plural, sentence } from './texts.js';

/**
 * @typedef {{ task_id: string, task_status: string, created_at: string, started_at: string | null,
 *   finished_at: string | null, attempt: number, progress: { done: number, total: number | null },
 *   skipped_count: number | null, error: { code: string, detail: string } | null, expires_at: string }} Job
 */

/** The label and the details of each status. Only the page knows EXPIRED: a job that the server no longer keeps. */
const STATUSES = {
  PENDING: ['Queued', 'Waiting for a free worker.'],
  STARTED: ['Running', 'Creating the calendar.'],
  RETRY: ['Retrying', 'The last attempt failed. Another one will follow.'],
  SUCCESS: ['Done', ''],
  FAILURE: ['Failed', ''],
  REVOKED: ['Cancelled', ''],
  EXPIRED: ['Expired', 'The server no longer has this calendar. Create a new one if you need it.'],
};

const ENDED = new Set(['SUCCESS', 'FAILURE', 'REVOKED', 'EXPIRED']);

/** @param {Job} job */
export const hasEnded = (job) => ENDED.has(job.task_status);

/** @param {Job} job */
export const statusLabel = (job) => STATUSES[job.task_status]?.[0] ?? job.task_status;

/** How many todos a calendar that can be downloaded leaves out. @param {Job} job */
export const skippedCount = (job) => job.task_status === 'SUCCESS' && job.skipped_count;

/** @param {Job} job @param {number} now in milliseconds */
export function detailText(job, now) {
  const { done, total } = job.progress;
  const sentences = [STATUSES[job.task_status]?.[1] ?? ''];
  if (job.task_status === 'STARTED' && total !== null) sentences[0] = `${done} of ${plural(total, 'todo')} processed.`;
  if (job.task_status === 'SUCCESS' && total !== null) sentences[0] = `${plural(total, 'todo')} processed.`;
  if (job.task_status === 'FAILURE') sentences[0] = sentence(job.error?.detail || 'The server gave no reason.');
  const skipped = skippedCount(job);
  if (skipped) sentences.push(`${plural(skipped, 'todo')} ${skipped > 1 ? 'have no deadline and are' : 'has no deadline and is'} not in this calendar.`);
  if (job.attempt > 1) sentences.push(`Attempt ${job.attempt}.`);
  if (job.task_status !== 'EXPIRED') sentences.push(elapsedText(job, now));
  return sentences.filter(Boolean).join(' ');
}

/** @param {Job} job @param {number} now */
function elapsedText(job, now) {
  const end = job.finished_at ? Date.parse(job.finished_at) : now;
  const seconds = Math.max(0, (end - Date.parse(job.created_at)) / 1000);
  const time = seconds < 1 ? 'less than a second' : seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
  return hasEnded(job) ? `Took ${time}.` : `Elapsed: ${time}.`;
}
