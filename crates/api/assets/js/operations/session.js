// Asks for an operator's token if the server needs one, and signs out. The server keeps the session in a cookie that
// scripts can't read; the page remembers only that there is one.

import { call, server } from '../api.js';
import { byId, setProblem } from '../elements.js';
import { notifyProblem } from '../notices.js';
import { loadItem, saveItem } from '../storage.js';
import { live } from './live.js';

const SIGNED_IN = 'operator-signed-in';

const dialog = /** @type {HTMLDialogElement} */ (byId('sign-in'));
const field = /** @type {HTMLInputElement} */ (byId('token'));
const out = byId('sign-out');

let isNeeded = false;

export function start() {
  live.addEventListener('refused', (event) => ask(/** @type {CustomEvent} */ (event).detail));
  server.addEventListener('unauthenticated', () => ask());
  // some browsers close a dialog with the second Escape, whatever the page wants
  dialog.addEventListener('close', () => isNeeded && dialog.showModal());
  byId('sign-in-form').addEventListener('submit', (event) => (event.preventDefault(), signIn()));
  out.addEventListener('click', signOut);
  // another tab has signed in
  addEventListener('storage', () => isNeeded && loadItem(SIGNED_IN, false) && finish());
  remember(loadItem(SIGNED_IN, false));
}

/** Shows or hides "Sign out", now and after a reload. @param {boolean} isSignedIn */
function remember(isSignedIn) {
  saveItem(SIGNED_IN, isSignedIn);
  out.hidden = !isSignedIn;
}

/** @param {import('../problem.js').Problem} [problem] why the server refused */
function ask(problem) {
  const isOtherScope = problem?.status === 403;
  if (isOtherScope) showProblem(problem.message);
  if (isNeeded) return;
  isNeeded = true;
  remember(false);
  for (const open of /** @type {NodeListOf<HTMLDialogElement>} */ (document.querySelectorAll('dialog[open]'))) open.close();
  dialog.showModal();
  if (isOtherScope) field.focus();
}

async function signIn() {
  showProblem('');
  try {
    await call('POST', 'operations/session', { body: { token: field.value } });
    finish();
  } catch (problem) {
    showProblem(problem.status === 401 ? 'This token isn’t valid.' : problem.message);
    field.focus();
  }
}

/** @param {string} text */
const showProblem = (text) => setProblem(byId('sign-in-problem'), text, field);

function finish() {
  isNeeded = false;
  field.value = '';
  showProblem('');
  remember(true);
  dialog.close();
  server.dispatchEvent(new Event('signed-in'));
}

async function signOut() {
  try {
    await call('DELETE', 'operations/session');
  } catch (problem) {
    notifyProblem(`Couldn’t sign out. ${problem.message}`);
    return;
  }
  remember(false);
  location.reload();
}
