// Completion events that wait for another attempt or were given up.

import { call, serverNow } from '../api.js';
import { arrange, byId, fromTemplate, part, setText } from '../elements.js';
import { notify, notifyProblem } from '../notices.js';
import { confirm } from './confirm.js';
import { open as openHistory } from './history.js';
import { change, moveCount } from './live.js';
import { count, counted, time } from './numbers.js';
import { fetchPage, keepFresh } from './pages.js';

const PAGE_SIZE = 20;
/** The server stops counting here. */
const COUNT_LIMIT = 10_000;

const list = byId('deliveries');
const more = /** @type {HTMLButtonElement} */ (byId('more-deliveries'));
const retryAllButton = /** @type {HTMLButtonElement} */ (byId('retry-deliveries'));

/** By id, in the order of the list. @type {Map<string, HTMLElement>} */
let rows = new Map();
let cursor = '';
let request = 0;
let showsOlder = false;

const update = keepFresh({ list, load: () => load(''), showsOlder: () => showsOlder });

export function start() {
  more.addEventListener('click', () => load(cursor));
  retryAllButton.addEventListener('click', retryAll);
}

/** Shows the numbers, and keeps the list up to date. @param {{ waiting: number, given_up: number }} numbers */
export function show({ waiting, given_up: givenUp }) {
  setText(byId('deliveries-summary'), `${count(waiting, COUNT_LIMIT)} ${waiting === 1 ? 'waits' : 'wait'} for another attempt, ${count(givenUp, COUNT_LIMIT)} given up.`);
  retryAllButton.disabled = givenUp === 0;
  // the attempts of those that wait are counted, and fail for other reasons
  update(`${waiting} ${givenUp}`, waiting > 0);
}

/** @param {string} after */
async function load(after) {
  const number = (request += 1);
  showsOlder = after !== '';
  try {
    const { items, cursor: next } = await fetchPage('operations/deliveries', { cursor: after, limit: String(PAGE_SIZE) });
    if (number !== request) return;
    cursor = next;
    const page = items.map((/** @type {any} */ delivery) => /** @type {const} */ ([String(delivery.id), rowOf(delivery)]));
    showRows(new Map([...(after ? rows : []), ...page]));
  } catch (problem) {
    if (number === request) showsOlder = rows.size > PAGE_SIZE;
    if (number !== request || problem.isTransient || problem.status === 401 || problem.status === 403) return;
    setText(byId('deliveries-none'), `Couldn’t load the events. ${problem.message}`);
  }
}

/** @param {Map<string, HTMLElement>} shown */
function showRows(shown) {
  const hadFocus = list.contains(document.activeElement);
  rows = shown;
  arrange(list, [...rows.values()]);
  list.hidden = rows.size === 0;
  more.hidden = !cursor;
  setText(byId('deliveries-none'), rows.size ? '' : 'Every event has been delivered.');
  if (hadFocus && document.activeElement === document.body) byId('main').focus({ preventScroll: true });
}

/** @param {any} delivery */
function rowOf(delivery) {
  const row = rows.get(String(delivery.id)) ?? newRow(delivery);
  const isGivenUp = delivery.due_at === null;
  row.dataset.state = isGivenUp ? 'given-up' : 'waiting';
  setText(part(row, '.badge'), isGivenUp ? 'Given up' : 'Waiting');
  setText(part(row, '.row-destination'), delivery.destination);
  setText(part(row, '.row-cause'), delivery.last_error ?? '');
  const next = isGivenUp ? '' : `, next ${time(delivery.due_at, serverNow())}`;
  setText(part(row, '.row-facts'), `${counted(delivery.attempts, 'attempt')} since ${time(delivery.created_at, serverNow())}${next} · job ${delivery.task_id}`);
  for (const button of row.querySelectorAll('button')) button.ariaLabel = `${button.textContent}: event ${delivery.id}`;
  // the others are sent again without being asked
  /** @type {HTMLButtonElement} */ (part(row, '.retry')).hidden = !isGivenUp;
  return row;
}

/** @param {any} delivery */
function newRow({ id, task_id: job }) {
  const row = fromTemplate('delivery-row');
  part(row, '.history').addEventListener('click', () => openHistory(job));
  part(row, '.retry').addEventListener('click', () => retry(id));
  return row;
}

/** @param {number | string} id */
async function retry(id) {
  try {
    const { json } = await call('POST', `operations/deliveries/${id}/retry`);
    change('deliveries', json.at, (counts) => moveCount(counts, 'given_up', 'waiting', json.retried, COUNT_LIMIT));
    notify('The event is sent again.');
  } catch (problem) {
    notifyProblem(`Couldn’t retry the event. ${problem.message}`);
  }
  load('');
}

async function retryAll() {
  const isConfirmed = await confirm({
    heading: 'Retry all events given up?',
    text: 'Each is sent again, and again for up to a day if it can’t be delivered.',
    yes: 'Retry all',
  });
  if (!isConfirmed) return;
  let retried = 0;
  // a request takes a while, in which snapshots already count some of its events, so its own number is not added to theirs
  try {
    for (let isMore = true; isMore; ) {
      const { json } = await call('POST', 'operations/deliveries/retry', { body: { all: true } });
      retried += json.retried;
      isMore = json.remaining && json.retried > 0;
    }
    notify(`${counted(retried, 'event')} ${retried === 1 ? 'is' : 'are'} sent again.`);
  } catch (problem) {
    notifyProblem(`Couldn’t retry the events. ${problem.message}`);
  }
  load('');
}
