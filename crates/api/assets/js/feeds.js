// Subscriptions: links to calendars that a calendar app loads regularly. Hidden if the server does not offer them.

import { call } from './api.js';
import { formatDateTime } from './deadline.js';
import { arrange, byId, fromTemplate, part, setText } from './elements.js';
import { notify, notifyProblem } from './notices.js';

/**
 * The URLs are only in the response to its creation.
 * @typedef {{ id: string, name: string, url?: string, webcal_url?: string, created_at: string }} Feed
 */

const PATH = 'calendar/feeds';

/** By id, newest first. @type {Map<string, Element>} */
let rows = new Map();

export async function load() {
  const known = new Set(rows.keys());
  try {
    const { json } = await call('GET', PATH);
    byId('subscribe').hidden = false;
    const feeds = /** @type {Feed[]} */ (json);
    // a subscription created since the request is not in this list; its row stays, because only it has the link
    const newer = [...rows].filter(([id]) => !known.has(id));
    const listed = feeds.map((feed) => /** @type {const} */ ([feed.id, rows.get(feed.id) ?? newRow(feed)]));
    rows = new Map([...newer, ...listed]);
  } catch (problem) {
    if (problem.status !== 404) return;
    byId('subscribe').hidden = true;
    rows = new Map();
  }
  show();
}

/** Creates a subscription and shows its link. @param {object} options of the calendar */
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
  setText(part(row, '.job-when'), formatDateTime(new Date(feed.created_at), new Date()));
  remove.ariaLabel = `Revoke subscription “${name}”`;
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
  /** @type {HTMLAnchorElement} */ (part(row, '.download')).href = url;
  part(row, '.copy').addEventListener('click', async () => {
    field.select();
    // browsers offer no clipboard over plain HTTP
    const isCopied = await navigator.clipboard?.writeText(url).then(() => true, () => false);
    notify(isCopied ? 'Link copied.' : 'The link is selected. Copy it with your keyboard or menu.');
  });
}

/** @param {string} id @param {string} name */
async function revoke(id, name) {
  try {
    await call('DELETE', `${PATH}/${id}`);
    rows.delete(id);
    show();
    notify(`Subscription “${name}” revoked.`);
    /** @type {HTMLElement} */ (byId('subscribe')).focus();
  } catch (problem) {
    notifyProblem(`Couldn’t revoke “${name}”. ${problem.message}`);
  }
}
