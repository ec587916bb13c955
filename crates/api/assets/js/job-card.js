// One job in the list: its state as it changes, and what can be done with it.

import { call, serverNow, urlOf } from './api.js';
import { inWords } from './deadline.js';
import { fromTemplate, part, setText } from './elements.js';
import { badgeWords, detailWords, hasEnded } from './job-words.js';
import { watch } from './job-watch.js';
import { notifyProblem } from './notices.js';

/** @typedef {import('./job-words.js').Job} Job */

export class JobCard {
  #job;
  /** @type {(() => void) | undefined} */ #unwatch;
  #watched = '';
  /** Whether it is cancelled but runs on, until its worker hears of it. */ #isStopping = false;
  /** Why nothing is heard of it. */ #trouble = '';
  #onNews;

  /** @param {Job} job @param {() => void} onNews told of each new state */
  constructor(job, onNews) {
    this.#job = job;
    this.#onNews = onNews;
    this.element = fromTemplate('job-card');
    this.download = /** @type {HTMLAnchorElement} */ (part(this.element, '.download'));
    this.cancel = /** @type {HTMLButtonElement} */ (part(this.element, '.cancel'));
    this.download.href = urlOf(`todos/ical/${job.task_id}/result`);
    this.download.addEventListener('click', (event) => (event.preventDefault(), this.#download()));
    this.cancel.addEventListener('click', () => this.#cancel());
    this.element.tabIndex = -1;
    this.show(job);
  }

  /** Its state, to be said aloud. */
  get news() {
    return `Calendar ${badgeWords(this.#job).toLowerCase()}. ${this.#job.error?.detail ?? ''}`;
  }

  /** @param {Job} job */
  show(job) {
    // an answer may come late: what has ended stays so
    if (hasEnded(this.#job) && !hasEnded(job)) return;
    this.#trouble = '';
    const isNew = job.task_status !== this.#job.task_status;
    this.#job = job;
    this.tick();
    const created = new Date(job.created_at);
    const when = /** @type {HTMLTimeElement} */ (part(this.element, '.job-when'));
    when.dateTime = job.created_at;
    setText(when, inWords(created, new Date()));
    if (isNew) this.#onNews();
  }

  /** Shows what changes with time alone. */
  tick() {
    const { element } = this;
    const now = serverNow();
    if (this.#job.task_status === 'SUCCESS' && Date.parse(this.#job.expires_at) <= now) this.#expire();
    const job = this.#job;
    element.dataset.status = job.task_status;
    setText(part(element, '.badge'), badgeWords(job));
    const words = [detailWords(job, now)];
    if (this.isLive && this.#isStopping) words.push('It will stop as soon as its worker hears of it.');
    if (this.isLive) words.push(this.#trouble);
    setText(part(element, '.job-details'), words.join(' ').trim());
    this.#showProgress(job);
    this.download.hidden = job.task_status !== 'SUCCESS';
    const hadFocus = document.activeElement === this.cancel;
    this.cancel.hidden = hasEnded(job);
    // a button that is hidden loses the focus
    if (hadFocus && this.cancel.hidden) (this.download.hidden ? element : this.download).focus();
    const what = `calendar of ${inWords(new Date(job.created_at), new Date()).toLowerCase()}`;
    this.download.ariaLabel = `Download the ${what}`;
    this.cancel.ariaLabel = `Cancel the ${what}`;
  }

  /** Without a value the bar only moves. @param {Job} job */
  #showProgress({ task_status: status, progress: { done, total } }) {
    const bar = /** @type {HTMLProgressElement} */ (part(this.element, '.job-progress'));
    bar.hidden = !['PENDING', 'STARTED', 'RETRY'].includes(status);
    bar.ariaLabel = 'Progress';
    bar.max = total || 1;
    if (status === 'STARTED' && total) bar.value = done;
    else bar.removeAttribute('value');
  }

  get isLive() {
    return !hasEnded(this.#job);
  }

  /** Follows the job from now on, over a stream if there is one, or by asking; or no longer. @param {'stream' | 'asking' | ''} how */
  setWatched(how) {
    if (how === this.#watched) return;
    this.#watched = how;
    this.#unwatch?.();
    this.#unwatch = undefined;
    if (!how) return;
    this.#unwatch = watch(this.#job, how === 'stream', {
      onState: (job) => this.show(job ?? this.#job),
      onGone: () => (this.#expire(), this.tick()),
      onProblem: (problem) => ((this.#trouble = `${problem.message} Asking again soon.`), this.tick()),
    });
  }

  #expire() {
    this.#job = { ...this.#job, task_status: 'EXPIRED' };
  }

  /** Asks first, so that a result that is gone is said in words and not as a file with an error in it. */
  async #download() {
    try {
      await call('HEAD', `todos/ical/${this.#job.task_id}/result`);
      location.assign(this.download.href);
    } catch (problem) {
      if (problem.status === 410 || problem.status === 404) (this.#expire(), this.tick());
      else notifyProblem(`Could not download the calendar. ${problem.message}`);
    }
  }

  async #cancel() {
    try {
      const { json, status } = await call('DELETE', `todos/ical/${this.#job.task_id}`);
      this.#isStopping = status === 202;
      this.show(json);
    } catch (problem) {
      notifyProblem(`Could not cancel. ${problem.message}`);
    }
  }
}
