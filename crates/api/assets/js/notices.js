// Short messages at the bottom of the page. They close automatically, but not while the pointer or the focus is on
// them. A notice with an action stays for its full time, even if many others follow.

import { byId, fromTemplate, part } from './elements.js';

/** How long a notice stays. */
const SECONDS = 8;
/** How long a notice with an action stays: everyone needs enough time to reach its button (WCAG 2.2.1). */
const SECONDS_WITH_ACTION = 20;
/** The most notices without an action; if there are more, the oldest closes. */
const MAX_NOTICES = 3;

const place = byId('notices');
/** Open notices without an action, oldest first. @type {Set<{ close: () => void, isUsed: () => boolean }>} */
const withoutAction = new Set();
/** The element that had the focus before a notice got it. @type {HTMLElement | null} */
let previousFocus = null;

place.addEventListener('focusin', ({ relatedTarget }) => {
  const element = /** @type {HTMLElement | null} */ (relatedTarget);
  if (!place.contains(element)) previousFocus = element;
});

/**
 * @param {string} text
 * @param {{ action?: string, onAction?: () => void, onClose?: () => void, isProblem?: boolean }} [options]
 *   `onClose` runs when the notice closes and its action was not used
 * @returns {{ close: () => void, act: () => void }}
 */
export function notify(text, { action, onAction, onClose, isProblem = false } = {}) {
  const element = fromTemplate('notice');
  const button = /** @type {HTMLButtonElement} */ (part(element, '.notice-action'));
  element.classList.toggle('is-problem', isProblem);
  part(element, 'p').textContent = text;
  button.hidden = !action;
  button.textContent = action ?? '';

  let isOpen = true;
  let timer = 0;
  const end = (/** @type {(() => void) | undefined} */ then) => {
    if (!isOpen) return;
    isOpen = false;
    clearTimeout(timer);
    const hadFocus = element.contains(document.activeElement);
    element.remove();
    withoutAction.delete(notice);
    then?.();
    if (hadFocus) restoreFocus();
  };
  const isUsed = () => element.matches(':hover') || element.contains(document.activeElement);
  const notice = { close: () => end(onClose), act: () => end(onAction), isUsed };
  const wait = () => (timer = setTimeout(notice.close, (action ? SECONDS_WITH_ACTION : SECONDS) * 1000));
  const pause = () => clearTimeout(timer);
  const resume = () => {
    pause();
    // wait until the pointer or the focus is on another element
    setTimeout(() => isOpen && !isUsed() && (pause(), wait()));
  };
  element.addEventListener('pointerenter', pause);
  element.addEventListener('focusin', pause);
  element.addEventListener('pointerleave', resume);
  element.addEventListener('focusout', resume);
  button.addEventListener('click', notice.act);
  part(element, '.dismiss').addEventListener('click', notice.close);

  place.append(element);
  place.scrollTop = place.scrollHeight;
  if (!action) withoutAction.add(notice);
  if (withoutAction.size > MAX_NOTICES) [...withoutAction].find((one) => !one.isUsed())?.close();
  wait();
  return notice;
}

/** Returns the focus to where it was before, because it would be lost with its notice. */
function restoreFocus() {
  previousFocus?.focus();
  if (document.activeElement === document.body) byId('main').focus({ preventScroll: true });
}

/** @param {string} text */
export const notifyProblem = (text) => notify(text, { isProblem: true });
