// What went wrong, in words for a person.

/** Why a request had no success. `message` is a sentence to show. */
export class Problem extends Error {
  /**
   * @param {string} message
   * @param {{ status?: number, retryAfter?: number | null }} [facts] no status: the server was not reached
   */
  constructor(message, { status = 0, retryAfter = null } = {}) {
    super(message);
    this.status = status;
    /** Seconds that the server asked to wait. */
    this.retryAfter = retryAfter;
  }

  /** Whether the same request may well succeed later. */
  get isPassing() {
    return this.status === 0 || this.status === 502 || this.status === 503 || this.status === 504;
  }
}

/** @param {Response} response */
export async function readProblem(response) {
  const retryAfter = secondsToWait(response);
  const facts = { status: response.status, retryAfter };
  const problem = await response.json().catch(() => null);
  const words = problem?.detail ?? problem?.error;
  if (typeof words === 'string' && words) return new Problem(sentence(words), facts);
  return new Problem(`The server answered ${response.status}.`, facts);
}

/** @param {unknown} error */
export function unreached(error) {
  if (error instanceof DOMException && error.name === 'TimeoutError') {
    return new Problem('The server took too long to answer.');
  }
  return new Problem(navigator.onLine ? 'The server can’t be reached.' : 'You are offline.');
}

/** `Retry-After`, which is seconds or a date. @param {Response} response */
export function secondsToWait(response) {
  const value = response.headers.get('Retry-After');
  if (!value) return null;
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : null;
}

/** @param {string} words */
function sentence(words) {
  const begun = words[0].toUpperCase() + words.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}
