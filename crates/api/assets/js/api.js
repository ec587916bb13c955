// Requests to the API, which is where the page is.

import { readProblem, secondsToWait, unreached } from './problem.js';

const BASE = new URL('api/v1/', document.baseURI);
const PATIENCE_MS = 20_000;

/** Says after each request whether the server is there: `served`, or `unserved` with the problem; and when all is well again, `back`. */
export const server = new EventTarget();

/** How far the server's clock is ahead of this one's, in milliseconds. */
let clockLead = 0;

/** The server's time, for what it dates: jobs and their ends. */
export const serverNow = () => Date.now() + clockLead;

/** @param {string} path below `/api/v1/` */
export const urlOf = (path) => new URL(path, BASE).href;

/**
 * @typedef {{ status: number, headers: Headers, json: any, retryAfter: number | null }} Answer
 * @param {string} method
 * @param {string} path below `/api/v1/`
 * @param {{ body?: object, headers?: Record<string, string>, keepalive?: boolean }} [options]
 * @returns {Promise<Answer>} of a success, or a 304 that was asked for
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
      signal: keepalive ? null : AbortSignal.timeout(PATIENCE_MS),
    });
    if (response.ok && method !== 'HEAD' && response.status !== 204) json = await response.json();
  } catch (error) {
    throw told(unreached(error));
  }
  followClock(response);
  if (!response.ok && response.status !== 304) throw told(await readProblem(response));
  server.dispatchEvent(new Event('served'));
  return { status: response.status, headers: response.headers, json, retryAfter: secondsToWait(response) };
}

/** @param {import('./problem.js').Problem} problem */
function told(problem) {
  const type = problem.isPassing ? 'unserved' : 'served';
  server.dispatchEvent(new CustomEvent(type, { detail: problem }));
  return problem;
}

/** `Date` has whole seconds, so only a lead of more than that is one. @param {Response} response */
function followClock(response) {
  const lead = Date.parse(response.headers.get('Date') ?? '') - Date.now();
  if (Number.isFinite(lead)) clockLead = Math.abs(lead) > 2000 ? lead : 0;
}
