// Lists that the API returns page by page.

import { call } from '../api.js';
import { byId } from '../elements.js';
import { live } from './live.js';

const CHECK_MS = 1000;
/** A list is not loaded again earlier than this, however fast its numbers change. */
const MIN_AGE_MS = 5000;
/** Its rows may change without its numbers, for example while the server counts no further. */
const MAX_AGE_MS = 30_000;

/**
 * Returns one page and the cursor of the next one, or '' if it is the last.
 * @param {string} path @param {Record<string, string>} parameters those with an empty value are left out
 * @returns {Promise<{ items: any[], cursor: string }>}
 */
export async function fetchPage(path, parameters) {
  const { json, headers } = await call('GET', withParameters(path, parameters));
  return { items: json, cursor: nextCursor(headers.get('Link') ?? '') };
}

/** @param {string} path @param {Record<string, string>} parameters */
export function withParameters(path, parameters) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== ''));
  return query.size ? `${path}?${query}` : path;
}

/** @param {string} link the header */
export function nextCursor(link) {
  const url = /<([^>]*)>;\s*rel="?next"?/.exec(link)?.[1] ?? '';
  return new URLSearchParams(url.split('?')[1]).get('cursor') ?? '';
}

/**
 * Loads a list again when its numbers have changed, or after a while. It waits while somebody points at the list or has the
 * focus in it, so that nothing moves below them, and while older rows are shown, which would disappear.
 * @param {{ list: HTMLElement, load: () => void, showsOlder: () => boolean }} parts
 * @returns {(numbers: string, changesOften?: boolean) => void} what to call with each snapshot
 */
export function keepFresh({ list, load, showsOlder }) {
  let wanted = '';
  let loaded = '';
  let loadedAt = 0;
  let maxAge = MAX_AGE_MS;
  const check = () => {
    const isUsed = showsOlder() || list.matches(':hover') || list.contains(document.activeElement);
    const isDue = Date.now() - loadedAt >= (wanted === loaded ? maxAge : MIN_AGE_MS);
    if (loadedAt && (document.hidden || byId('live').dataset.state !== 'live' || isUsed || !isDue)) return;
    loaded = wanted;
    loadedAt = Date.now();
    load();
  };
  live.addEventListener('open', () => (loaded = ''));
  setInterval(() => loadedAt && check(), CHECK_MS);
  return (numbers, changesOften = false) => {
    wanted = numbers;
    maxAge = changesOften ? MIN_AGE_MS : MAX_AGE_MS;
    check();
  };
}
