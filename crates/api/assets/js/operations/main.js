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

/** @param {Snapshot} snapshot */
function show(snapshot) {
  setText(byId('about'), `${snapshot.queue} · version ${snapshot.version}`);
  tiles.show(snapshot);
  pipeline.show(snapshot);
  processing.setPaused(snapshot.processing);
  processes.show(snapshot.processes);
  failedJobs.setWorkers(snapshot.processes);
  deliveries.show(snapshot.deliveries);
  failedJobs.setCount(snapshot.jobs.failed);
}

live.live.addEventListener('snapshot', (event) => show(/** @type {CustomEvent<Snapshot>} */ (event).detail));

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
