// Asks for a token if the server needs one, and signs out. The server keeps the session in a cookie that scripts can't
// read; the page remembers only that there is one.

import { call, server } from './api.js';
import { finishDeletions } from './deletion.js';
import { byId, setProblem } from './elements.js';
import { notifyProblem } from './notices.js';
import { forgetItems, loadItem, saveItem } from './storage.js';
import { todos } from './todos.js';

const SIGNED_IN = 'signed-in';

const dialog = /** @type {HTMLDialogElement} */ (byId('sign-in'));
const field = /** @type {HTMLInputElement} */ (byId('token'));

let isNeeded = false;

export function start() {
  server.addEventListener('unauthenticated', ask);
  // some browsers close a dialog with the second Escape, whatever the page wants
  dialog.addEventListener('close', () => isNeeded && dialog.showModal());
  byId('sign-in-form').addEventListener('submit', (event) => (event.preventDefault(), signIn()));
  byId('sign-out').addEventListener('click', signOut);
  // another tab has signed in
  addEventListener('storage', () => isNeeded && loadItem(SIGNED_IN, false) && finish());
  remember(loadItem(SIGNED_IN, false));
}

/** Shows or hides "Sign out", now and after a reload. @param {boolean} isSignedIn */
function remember(isSignedIn) {
  saveItem(SIGNED_IN, isSignedIn);
  byId('session').hidden = !isSignedIn;
}

function ask() {
  if (isNeeded) return;
  isNeeded = true;
  // without a session, the browser keeps nothing that needs one, not even what this tab has stored since it ended
  forgetItems();
  todos.asOf = null;
  remember(false);
  /** @type {HTMLDialogElement} */ (byId('help')).close();
  dialog.showModal();
}

async function signIn() {
  showProblem('');
  try {
    await call('POST', 'session', { body: { token: field.value } });
    finish();
  } catch (problem) {
    showProblem(problem.status === 401 ? 'This token isn’t valid.' : problem.message);
  }
}

/** @param {string} text */
function showProblem(text) {
  setProblem(byId('sign-in-problem'), text, field);
  field.focus();
}

function finish() {
  isNeeded = false;
  field.value = '';
  remember(true);
  dialog.close();
  server.dispatchEvent(new Event('signed-in'));
}

/** Also deletes what this browser has stored, because somebody else may use it next. */
async function signOut() {
  try {
    await finishDeletions();
    await call('DELETE', 'session');
  } catch (problem) {
    notifyProblem(`Couldn’t sign out. ${problem.message}`);
    return;
  }
  forgetItems();
  location.reload();
}
