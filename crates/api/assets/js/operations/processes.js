// The table of processes, with a button that drains a worker.

import { call, serverNow } from '../api.js';
import { arrange, byId, fromTemplate, part, setText } from '../elements.js';
import { notify, notifyProblem } from '../notices.js';
import { confirm } from './confirm.js';
import { change } from './live.js';
import { ago, count, counted, time } from './numbers.js';

/** @typedef {import('./live.js').Process} Process */

const STATES = { running: 'Running', draining: 'Draining', stopped: 'Stopped', gone: 'Not responding' };
/** Ages are shown in seconds. */
const TICK_MS = 1000;
/** The server lists no more processes. */
const MAX_LISTED = 200;

const table = byId('processes');
const body = part(table, 'tbody');
const more = byId('ended-processes');

/** @type {Map<number, HTMLElement>} */
let rows = new Map();
/** @type {Process[]} */
let latest = [];
let showsEnded = false;

export function start() {
  more.addEventListener('click', () => ((showsEnded = !showsEnded), show(latest)));
  setInterval(() => document.hidden || fillAll(), TICK_MS);
}

/** The workers first, then the newest first. @param {Process} a @param {Process} b */
const inOrder = (a, b) => b.role.localeCompare(a.role) || b.id - a.id;
const isLive = (/** @type {Process} */ { state }) => state === 'running' || state === 'draining';

/** @param {Process[]} processes */
export function show(processes) {
  latest = processes;
  const ended = processes.filter((process) => !isLive(process)).length;
  const shown = processes.filter((process) => showsEnded || isLive(process)).sort(inOrder);
  rows = new Map(shown.map((process) => [process.id, rows.get(process.id) ?? newRow(process.id)]));
  arrange(body, [...rows.values()]);
  table.hidden = shown.length === 0;
  byId('processes-none').hidden = shown.length > 0;
  setText(byId('processes-none'), ended ? 'No process is running.' : 'No process has reported yet.');
  byId('processes-limit').hidden = processes.length < MAX_LISTED;
  more.hidden = ended === 0;
  more.ariaExpanded = String(showsEnded);
  setText(more, showsEnded ? 'Hide ended processes' : `Show ${count(ended)} that ended`);
  fillAll();
}

/** @param {number} id */
function newRow(id) {
  const row = fromTemplate('process-row');
  part(row, '.drain').addEventListener('click', () => drain(id));
  return row;
}

function fillAll() {
  const now = serverNow();
  for (const process of latest) {
    const row = rows.get(process.id);
    if (row) fill(row, process, now);
  }
}

/** @param {HTMLElement} row @param {Process} process @param {number} now */
function fill(row, process, now) {
  row.dataset.state = process.state;
  setText(part(row, '.process-name'), nameOf(process));
  setText(part(row, '.badge'), STATES[process.state] ?? process.state);
  setText(part(row, '.process-host'), `${process.host}, PID ${process.pid}`);
  setText(part(row, '.process-version'), process.version);
  const started = /** @type {HTMLTimeElement} */ (part(row, '.process-started'));
  started.dateTime = process.started_at;
  setText(started, time(process.started_at, now));
  setText(part(row, '.process-heartbeat'), ago(process.heartbeat_at, now));
  fillLoad(row, process);
  const button = /** @type {HTMLButtonElement} */ (part(row, '.drain'));
  const isDrainable = process.role === 'worker' && process.state === 'running';
  // a hidden button loses the focus
  if (!isDrainable && document.activeElement === button) byId('main').focus({ preventScroll: true });
  button.hidden = !isDrainable;
  button.ariaLabel = `Drain ${nameOf(process)}`;
}

/** @param {HTMLElement} row @param {Process} process */
function fillLoad(row, { role, slots, in_flight: inFlight, state }) {
  const hasSlots = role === 'worker' && slots !== null && slots > 0;
  const load = /** @type {HTMLMeterElement} */ (part(row, '.process-load'));
  load.hidden = !hasSlots || state === 'stopped' || state === 'gone';
  load.max = slots || 1;
  load.value = inFlight ?? 0;
  load.ariaLabel = 'Slots in use';
  setText(part(row, '.process-jobs'), hasSlots ? `${count(inFlight)} of ${count(slots)}` : '–');
}

/** @param {Process} process */
export const nameOf = ({ role, id }) => `${role === 'api' ? 'API' : 'Worker'} ${id}`;

/** @param {number} id */
async function drain(id) {
  const process = latest.find((one) => one.id === id);
  if (!process) return;
  const others = latest.some(({ id: other, role, state }) => other !== id && role === 'worker' && state === 'running');
  const isConfirmed = await confirm({
    heading: `Drain ${nameOf(process).toLowerCase()}?`,
    text: `It takes no more jobs, finishes the ${counted(process.in_flight ?? 0, 'job')} that it is running, and ends. What supervises it, such as Compose or ECS, may start a new one.${others ? '' : ' No other worker is running: jobs wait until one starts.'}`,
    yes: 'Drain',
  });
  if (!isConfirmed) return;
  try {
    const { json } = await call('POST', `operations/processes/${id}/drain`);
    change('processes', json.at, (all) => all.map((one) => (one.id === id ? { ...one, state: json.state } : one)));
    notify(`${nameOf(process)} drains.`);
  } catch (problem) {
    notifyProblem(`Couldn’t drain ${nameOf(process).toLowerCase()}. ${problem.message}`);
  }
}
