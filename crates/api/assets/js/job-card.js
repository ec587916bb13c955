// A job in the list: its current status, and buttons to download or cancel it.

import { apiUrl, call, serverNow } from './api.js';
import { formatDateTime } from './deadline.js';
import { byId, fromTemplate, part, setText } from './elements.js';
import { detailText, hasEnded, skippedCount, statusLabel } from './job-status.js';
import { watch } from './job-watch.js';
import { notifyProblem } from './notices.js';

/** @typedef {import('./job-status.js').Job} Job */

export class JobCard {
  #job;
  /** @type {(() => void) | undefined} */
  #stopWatching;
  #watchMode = '';
  /** Whether the server accepted a cancellation that the worker has not noticed yet. */
  #isCancelling = false;
  /** Why the current status is unknown, or ''. */
  #watchProblem = '';
  #onStatus;

  /** @param {Job} job @param {() => void} onStatus called when the status changes */
  constructor(job, onStatus) {
    this.#job = job;
    this.#onStatus = onStatus;
    this.element = fromTemplate('job-card');
    this.download = /** @type {HTMLAnchorElement} */ (part(this.element, '.download'));
    this.cancel = /** @type {HTMLButtonElement} */ (part(this.element, '.cancel'));
    this.include = /** @type {HTMLButtonElement} */ (part(this.element, '.include'));
    this.download.href = apiUrl(`todos/ical/${job.task_id}/result`);
    this.download.addEventListener('click', (event) => (event.preventDefault(), this.#download()));
    this.cancel.addEventListener('click', () => this.#cancel());
    const both = byId('export-both');
    this.include.addEventListener('click', () => (both.click(), both.focus()));
    this.element.tabIndex = -1;
    this.show(job);
  }

  /** The status, for screen readers. */
  get announcement() {
    return `Calendar ${statusLabel(this.#job).toLowerCase()}. ${this.#job.error?.detail ?? ''}`;
  }

  /** @param {Job} job */
  show(job) {
    // a late response must not bring back a job that has ended
    if (hasEnded(this.#job) && !hasEnded(job)) return;
    this.#watchProblem = '';
    const isNew = job.task_status !== this.#job.task_status;
    this.#job = job;
    this.tick();
    const created = new Date(job.created_at);
    const when = /** @type {HTMLTimeElement} */ (part(this.element, '.job-when'));
    when.dateTime = job.created_at;
    setText(when, formatDateTime(created, new Date()));
    if (isNew) this.#onStatus();
  }

  /** Updates what depends on the current time. */
  tick() {
    const { element } = this;
    const now = serverNow();
    if (this.#job.task_status === 'SUCCESS' && Date.parse(this.#job.expires_at) <= now) this.#expire();
    const job = this.#job;
    element.dataset.status = job.task_status;
    setText(part(element, '.badge'), statusLabel(job));
    const sentences = [detailText(job, now)];
    if (this.isLive && this.#isCancelling) sentences.push('The worker will stop shortly.');
    if (this.isLive) sentences.push(this.#watchProblem);
    setText(part(element, '.job-details'), sentences.join(' ').trim());
    this.#showProgress(job);
    this.download.hidden = job.task_status !== 'SUCCESS';
    this.include.hidden = !skippedCount(job);
    const hadFocus = document.activeElement === this.cancel;
    this.cancel.hidden = hasEnded(job);
    // a hidden button loses the focus
    if (hadFocus && this.cancel.hidden) (this.download.hidden ? element : this.download).focus();
    const name = `calendar from ${formatDateTime(new Date(job.created_at), new Date())}`;
    this.download.ariaLabel = `Download ${name}`;
    this.cancel.ariaLabel = `Cancel ${name}`;
  }

  /** @param {Job} job */
  #showProgress({ task_status: status, progress: { done, total } }) {
    const bar = /** @type {HTMLProgressElement} */ (part(this.element, '.job-progress'));
    bar.hidden = !['PENDING', 'STARTED', 'RETRY'].includes(status);
    bar.ariaLabel = 'Progress';
    bar.max = total || 1;
    // without a value the bar is indeterminate
    if (status === 'STARTED' && total) bar.value = done;
    else bar.removeAttribute('value');
  }

  get isLive() {
    return !hasEnded(this.#job);
  }

  /** Follows the job over an event stream or by polling, or stops following it. @param {'stream' | 'poll' | ''} mode */
  setWatchMode(mode) {
    if (mode === this.#watchMode) return;
    this.#watchMode = mode;
    this.#stopWatching?.();
    this.#stopWatching = undefined;
    if (!mode) return;
    this.#stopWatching = watch(this.#job, mode === 'stream', {
      onJob: (job) => this.show(job ?? this.#job),
      onGone: () => (this.#expire(), this.tick()),
      onProblem: (problem) => ((this.#watchProblem = `${problem.message} Checking again soon.`), this.tick()),
    });
  }

  #expire() {
    this.#job = { ...this.#job, task_status: 'EXPIRED' };
  }

  /** Checks that the calendar still exists. Otherwise the browser would download the error response as a file. */
  async #download() {
    try {
      await call('HEAD', `todos/ical/${this.#job.task_id}/result`);
      location.assign(this.download.href);
    } catch (problem) {
      if (problem.status === 410 || problem.status === 404) (this.#expire(), this.tick());
      else notifyProblem(`Couldn’t download the calendar. ${problem.message}`);
    }
  }

  async #cancel() {
    try {
      const { json, status } = await call('DELETE', `todos/ical/${this.#job.task_id}`);
      this.#isCancelling = status === 202;
      this.show(json);
    } catch (problem) {
      notifyProblem(`Couldn’t cancel the calendar. ${problem.message}`);
    }
  }
}
