// Lists that the API returns page by page.

import { call } from '../api.js';

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
