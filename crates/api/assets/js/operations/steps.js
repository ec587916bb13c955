// The steps of a job's history, in words.

import { sentence } from '../texts.js';
import { seconds } from './numbers.js';

/**
 * @typedef {{ code: string, detail: string, cause?: string | null } | null | undefined} JobError
 * @typedef {{ kind: string, at: string, attempt?: number, worker?: { id: number, host: string | null } | null,
 *   ended_at?: string | null, end?: string | null, status?: string, error?: JobError,
 *   by?: { with: string, token_name: string | null } | null }} Step
 * @typedef {{ title: string, detail: string, tone: '' | 'good' | 'soon' | 'bad' }} Text
 */

/** @type {Record<string, (step: Step) => Text>} */
const KINDS = {
  accepted: () => plain('Accepted'),
  published: () => plain('Published to the queue'),
  republished: () => ({ title: 'Published again', detail: 'No worker had taken its message in time.', tone: 'soon' }),
  attempt: attemptText,
  redriven: ({ by }) => ({ title: 'Retried by an operator', detail: `${redriverText(by)}It gets all its attempts again.`, tone: 'soon' }),
  ended: endText,
  truncated: () => plain('Earlier steps are not kept'),
};

/** @type {Record<string, [string, Text['tone']]>} */
const ENDS = {
  SUCCESS: ['Completed', 'good'],
  FAILURE: ['Failed', 'bad'],
  REVOKED: ['Cancelled', ''],
};

/** @param {string} title @returns {Text} */
const plain = (title) => ({ title, detail: '', tone: '' });

/**
 * The steps of a job. If some are not kept, one without a time says so.
 * @param {{ history?: Step[], history_truncated?: boolean }} job @returns {Step[]}
 */
export function stepsOf({ history = [], history_truncated: isTruncated }) {
  return isTruncated ? [...history.slice(0, 1), { kind: 'truncated', at: '' }, ...history.slice(1)] : history;
}

/** Describes a step; one of a kind that this page does not know is shown by its name. @param {Step} step @returns {Text} */
export const describe = (step) => (Object.hasOwn(KINDS, step.kind) ? KINDS[step.kind](step) : plain(step.kind));

/** @param {Step} step @returns {Text} */
function attemptText({ attempt, worker, at: from, ended_at: to, end, error }) {
  const place = worker ? ` on worker ${worker.id}${worker.host ? ` (${worker.host})` : ''}` : '';
  const parts = [];
  if (to) parts.push(`Took ${seconds((Date.parse(to) - Date.parse(from)) / 1000)}.`);
  if (end === 'lost') parts.push('The worker stopped responding.');
  if (end === 'retry') parts.push('It failed, and another attempt was planned.');
  if (!to) parts.push('It is running.');
  if (error) parts.push(errorText(error));
  const tone = end === 'retry' || end === 'lost' ? 'soon' : '';
  return { title: `Attempt ${attempt ?? ''}${place}`, detail: parts.join(' '), tone };
}

/** @param {Step['by']} by */
function redriverText(by) {
  if (by?.with === 'command') return 'With taskoverflow-worker redrive. ';
  return by?.token_name ? `With the token “${by.token_name}”. ` : '';
}

/** @param {Step} step @returns {Text} */
function endText({ status: name = '', error }) {
  const [title, tone] = (Object.hasOwn(ENDS, name) ? ENDS[name] : null) ?? [name, /** @type {Text['tone']} */ ('')];
  return { title, detail: errorText(error), tone };
}

/** What went wrong and why. @param {JobError} error */
export function errorText(error) {
  if (!error) return '';
  return sentence(error.detail || error.code) + (error.cause ? ` Cause: ${error.cause}.` : '');
}
