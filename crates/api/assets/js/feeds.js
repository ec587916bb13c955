// Subscriptions: links that a calendar program reads again and again. A server that has none is left alone.

import { call } from './api.js';
import { inWords } from './deadline.js';
import { arrange, byId, fromTemplate, part, setText } from './elements.js';
import { notify, notifyProblem } from './notices.js';

/** @typedef {{ id: string, name: string, url?: string, webcal_url?: string, created_at: string }} Feed its addresses come once */

const PATH = 'calendar/feeds';

/** @type {Map<string, Element>} newest first */
let rows = new Map();

export async function load() {
  const known = new Set(rows.keys());
  try {
    const { json } = await call('GET', PATH);
    byId('subscribe').hidden = false;
    const feeds = /** @type {Feed[]} */ (json);
    // one that was made since is newer than this answer, and its link is shown this once
    const newer = [...rows].filter(([id]) => !known.has(id));
    rows = new Map([...newer, ...feeds.map((feed) => /** @type {const} */ ([feed.id, rows.get(feed.id) ?? newRow(feed)]))]);
  } catch (problem) {
    if (problem.status !== 404) return;
    byId('subscribe').hidden = true;
    rows = new Map();
  }
  show();
}

/** Makes one. @param {object} options of the calendar */
export async function add(options) {
  const { json } = await call('POST', PATH, { body: options });
  const row = newRow(json);
  rows = new Map([[json.id, row], ...rows]);
  show();
  /** @type {HTMLElement} */ (part(row, '.feed-url')).focus();
}

function show() {
  byId('feeds').hidden = rows.size === 0;
  arrange(byId('feed-list'), [...rows.values()]);
}

/** @param {Feed} feed */
function newRow(feed) {
  const row = fromTemplate('feed-row');
  const { name } = feed;
  const remove = /** @type {HTMLButtonElement} */ (part(row, '.destroy'));
  setText(part(row, '.feed-name'), name);
  setText(part(row, '.job-when'), inWords(new Date(feed.created_at), new Date()));
  remove.ariaLabel = `Revoke the subscription ${name}`;
  remove.addEventListener('click', () => revoke(feed.id, name));
  if (feed.url) showLinks(row, feed);
  return row;
}

/** @param {Element} row @param {Feed} feed */
function showLinks(row, { url = '', webcal_url: webcal = '' }) {
  const field = /** @type {HTMLInputElement} */ (part(row, '.feed-url'));
  /** @type {HTMLElement} */ (part(row, '.feed-links')).hidden = false;
  field.value = url;
  field.addEventListener('focus', () => field.select());
  /** @type {HTMLAnchorElement} */ (part(row, '.subscribe')).href = webcal;
  /** @type {HTMLAnchorElement} */ (part(row, '.https')).href = url;
  part(row, '.copy').addEventListener('click', async () => {
    field.select();
    // over plain http there is no clipboard; the link is selected then
    const isCopied = await navigator.clipboard?.writeText(url).then(() => true, () => false);
    notify(isCopied ? 'Link copied.' : 'The link is selected; copy it with your keyboard or menu.');
  });
}

/** @param {string} id @param {string} name */
async function revoke(id, name) {
  try {
    await call('DELETE', `${PATH}/${id}`);
    rows.delete(id);
    show();
    notify(`${name} is no longer served.`);
    /** @type {HTMLElement} */ (byId('subscribe')).focus();
  } catch (problem) {
    notifyProblem(`Could not revoke ${name}. ${problem.message}`);
  }
}
