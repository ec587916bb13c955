// Pausing and resuming the processing of jobs, and the banner that says that it is paused.

import { call, serverNow } from '../api.js';
import { byId, setText } from '../elements.js';
import { notify, notifyProblem } from '../notices.js';
import { confirm } from './confirm.js';
import { change } from './live.js';
import { time } from './numbers.js';

const banner = byId('paused');
const pause = /** @type {HTMLButtonElement} */ (byId('pause'));
const resume = /** @type {HTMLButtonElement} */ (byId('resume'));

export function start() {
  pause.addEventListener('click', async () => {
    const isConfirmed = await confirm({
      heading: 'Pause processing?',
      text: 'All workers stop taking jobs within two seconds and finish those that they are running. New jobs are still accepted and wait. During the pause too, a job that is not completed within JOB_EXPIRY (24 hours by default) fails.',
      yes: 'Pause',
    });
    if (isConfirmed) await send('pause', 'Processing is paused.');
  });
  resume.addEventListener('click', () => send('resume', 'Processing was resumed.'));
}

/** @param {'pause' | 'resume'} action @param {string} done */
async function send(action, done) {
  try {
    const { json } = await call('POST', `operations/${action}`);
    change('processing', json.at, () => json);
    notify(done);
  } catch (problem) {
    notifyProblem(`Couldn’t ${action}. ${problem.message}`);
  }
}

/** @param {import('./live.js').Snapshot['processing']} state */
export function setPaused({ paused, paused_at: at, paused_by: by }) {
  const focused = document.activeElement;
  banner.hidden = !paused;
  pause.hidden = paused;
  pause.disabled = false;
  document.body.classList.toggle('is-paused', paused);
  // a hidden button loses the focus
  if (paused && focused === pause) resume.focus();
  if (!paused && focused === resume) pause.focus();
  const since = at === null ? '' : `since ${time(at, serverNow())}`;
  setText(byId('paused-since'), [since, by === null ? '' : `by ${by}`].filter(Boolean).join(' '));
}
