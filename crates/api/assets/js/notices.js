// Short messages at the bottom of the page. They go by themselves, but not while someone reads or uses them.
// What can be undone stays its whole time, however much follows it.

import { byId, fromTemplate, part } from './elements.js';

const SECONDS = 8;
/** With something to undo: who needs longer to get there must have at least 20 (WCAG 2.2.1). */
const SECONDS_WITH_ACTION = 20;
/** Of those with nothing to undo, older ones go when there are more. */
const AT_ONCE = 3;

const place = byId('notices');
/** @type {Set<{ close: () => void, isUsed: () => boolean }>} those with nothing to undo, in their order */
const passing = new Set();
/** Where the focus was before it came to a notice. @type {HTMLElement | null} */
let cameFrom = null;

place.addEventListener('focusin', ({ relatedTarget }) => {
  if (!place.contains(/** @type {Node | null} */ (relatedTarget))) cameFrom = /** @type {HTMLElement | null} */ (relatedTarget);
});

/**
 * @param {string} text
 * @param {{ action?: string, onAction?: () => void, onClose?: () => void, isProblem?: boolean }} [options]
 *   `onClose` runs when it goes without its action
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
    passing.delete(notice);
    then?.();
    if (hadFocus) giveBackFocus();
  };
  const isUsed = () => element.matches(':hover') || element.contains(document.activeElement);
  const notice = { close: () => end(onClose), act: () => end(onAction), isUsed };
  const wait = () => (timer = setTimeout(notice.close, (action ? SECONDS_WITH_ACTION : SECONDS) * 1000));
  const hold = () => clearTimeout(timer);
  const release = () => {
    hold();
    // once the pointer or the focus has arrived elsewhere
    setTimeout(() => isOpen && !isUsed() && (hold(), wait()));
  };
  element.addEventListener('pointerenter', hold);
  element.addEventListener('focusin', hold);
  element.addEventListener('pointerleave', release);
  element.addEventListener('focusout', release);
  button.addEventListener('click', notice.act);
  part(element, '.dismiss').addEventListener('click', notice.close);

  place.append(element);
  place.scrollTop = place.scrollHeight;
  if (!action) passing.add(notice);
  if (passing.size > AT_ONCE) [...passing].find((one) => !one.isUsed())?.close();
  wait();
  return notice;
}

/** The focus would be lost with the notice that had it. */
function giveBackFocus() {
  cameFrom?.focus();
  if (document.activeElement === document.body) byId('main').focus({ preventScroll: true });
}

/** @param {string} text */
export const notifyProblem = (text) => notify(text, { isProblem: true });
