// Failed requests, described for the visitor.

import { sentence } from './texts.js';

/** Why a request failed. `message` is a sentence to show. */
export class Problem extends Error {
  /**
   * @param {string} message
   * @param {{ status?: number, retryAfter?: number | null }} [facts] a status of 0: the server was not reached
   */
  constructor(message, { status = 0, retryAfter = null } = {}) {
    super(message);
    this.status = status;
    /** How long the server asked to wait, in seconds. */
    this.retryAfter = retryAfter;
  }

  /** Whether the same request may succeed later. */
  get isTransient() {
    return this.status === 0 || this.status === 502 || this.status === 503 || this.status === 504;
  }
}

/** @param {Response} response */
export async function readProblem(response) {
  const retryAfter = retryAfterSeconds(response);
  const facts = { status: response.status, retryAfter };
  if (response.status === 401) return new Problem('You’re signed out.', facts);
  const body = await response.json().catch(() => null);
  const detail = body?.detail ?? body?.error;
  if (typeof detail === 'string' && detail) return new Problem(sentence(detail), facts);
  return new Problem(`The server responded with error ${response.status}.`, facts);
}

/** @param {unknown} error */
export function networkProblem(error) {
  if (error instanceof DOMException && error.name === 'TimeoutError') {
    return new Problem('The server took too long to respond.');
  }
  return new Problem(navigator.onLine ? 'The server can’t be reached.' : 'You’re offline.');
}

/** Reads `Retry-After`, which is a number of seconds or a date. @param {Response} response */
export function retryAfterSeconds(response) {
  const value = response.headers.get('Retry-After');
  if (!value) return null;
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : null;
}
