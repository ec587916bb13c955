// Requests to the API, which is at `api/v1/` below the page's own URL.

import { networkProblem, readProblem, retryAfterSeconds } from './problem.js';

const BASE = new URL('api/v1/', document.baseURI);
const TIMEOUT_MS = 20_000;

/**
 * Dispatches an event after each request: `available` if the server handled it, `unavailable` (with the problem as
 * `detail`) if it could not. `recovered` follows once the todos have been loaded again. `unauthenticated` says that the
 * server needs a token, and `signed-in` that it has got one.
 */
export const server = new EventTarget();

/** How far the server's clock is ahead of this device's, in milliseconds. */
let clockOffset = 0;

/** The server's time. Use it to compare with times that the server set. */
export const serverNow = () => Date.now() + clockOffset;

/** @param {string} path below `/api/v1/` */
export const apiUrl = (path) => new URL(path, BASE).href;

/**
 * @typedef {{ status: number, headers: Headers, json: any, retryAfter: number | null }} ApiResponse
 * @param {string} method
 * @param {string} path below `/api/v1/`
 * @param {{ body?: object, headers?: Record<string, string>, keepalive?: boolean }} [options]
 * @returns {Promise<ApiResponse>} for a success status, or for 304 if `headers` made the request conditional
 * @throws {import('./problem.js').Problem}
 */
export async function call(method, path, { body, headers = {}, keepalive = false } = {}) {
  let response;
  let json = null;
  try {
    response = await fetch(new URL(path, BASE), {
      method,
      keepalive,
      cache: 'no-store',
      headers: body ? { 'Content-Type': 'application/json', ...headers } : headers,
      body: body && JSON.stringify(body),
      signal: keepalive ? null : AbortSignal.timeout(TIMEOUT_MS),
    });
    if (response.ok && method !== 'HEAD' && response.status !== 204) json = await response.json();
  } catch (error) {
    throw reported(networkProblem(error));
  }
  updateClockOffset(response);
  if (!response.ok && response.status !== 304) throw reported(await readProblem(response));
  server.dispatchEvent(new Event('available'));
  return { status: response.status, headers: response.headers, json, retryAfter: retryAfterSeconds(response) };
}

/**
 * Dispatches the event for a failed request and returns its problem.
 * @param {import('./problem.js').Problem} problem
 */
function reported(problem) {
  const type = problem.isTransient ? 'unavailable' : 'available';
  server.dispatchEvent(new CustomEvent(type, { detail: problem }));
  if (problem.status === 401) server.dispatchEvent(new Event('unauthenticated'));
  return problem;
}

/** Ignores small differences: the `Date` header has whole seconds only. @param {Response} response */
function updateClockOffset(response) {
  const offset = Date.parse(response.headers.get('Date') ?? '') - Date.now();
  if (Number.isFinite(offset)) clockOffset = Math.abs(offset) > 2000 ? offset : 0;
}
