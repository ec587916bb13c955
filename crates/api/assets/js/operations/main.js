// Starts each part of the operations page, and gives it every snapshot.

import { byId, setText } from '../elements.js';
import * as deliveries from './deliveries.js';
import * as failedJobs from './failed-jobs.js';
import * as history from './history.js';
import * as live from './live.js';
import * as pipeline from './pipeline.js';
import * as plots from './plots.js';
import * as processes from './processes.js';
import * as processing from './processing.js';
import * as session from './session.js';
import * as tiles from './tiles.js';

/** @typedef {import('./live.js').Snapshot} Snapshot */

/** The list of failed jobs is not loaded again more often than this. */
const RELOAD_MS = 3000;

/** The number of failed jobs for which the list was loaded. */
let knownFailed = -1;
let loadedAt = 0;

/** @param {Snapshot} snapshot */
function show(snapshot) {
  setText(byId('about'), `${snapshot.queue} · version ${snapshot.version}`);
  tiles.show(snapshot);
  pipeline.show(snapshot);
  processing.setPaused(snapshot.processing);
  processes.show(snapshot.processes);
  failedJobs.setWorkers(snapshot.processes);
  deliveries.show(snapshot.deliveries);
  reloadFailed(snapshot.jobs.failed);
}

/** Keeps the list up to date, but not below the pointer or the focus of somebody who is choosing. @param {number} failed */
function reloadFailed(failed) {
  const list = byId('failed-jobs');
  const isUsed = list.matches(':hover') || list.contains(document.activeElement);
  if (failed === knownFailed || Date.now() - loadedAt < RELOAD_MS || (isUsed && knownFailed >= 0)) return;
  knownFailed = failed;
  loadedAt = Date.now();
  failedJobs.load();
}

live.live.addEventListener('snapshot', (event) => show(/** @type {CustomEvent<Snapshot>} */ (event).detail));
live.live.addEventListener('open', () => {
  knownFailed = -1;
  deliveries.forget();
});

session.start();
processing.start();
pipeline.start();
plots.start();
processes.start();
failedJobs.start();
deliveries.start();
history.start(failedJobs.retry);
byId('not-started').remove();
live.start();
