// The dialog that asks before something is done.

import { byId, setText } from '../elements.js';

const dialog = /** @type {HTMLDialogElement} */ (byId('confirm'));

/**
 * Asks, and returns whether the answer is yes.
 * @param {{ heading: string, text: string, yes: string }} question
 * @returns {Promise<boolean>}
 */
export function confirm({ heading, text, yes }) {
  setText(byId('confirm-heading'), heading);
  setText(byId('confirm-text'), text);
  setText(byId('confirm-yes'), yes);
  dialog.returnValue = 'no';
  dialog.showModal();
  // the answer that changes nothing
  byId('confirm-no').focus();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
  });
}
