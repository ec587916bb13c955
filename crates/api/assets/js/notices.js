// Short messages at the bottom of the page. They go by themselves, but not while someone reads or uses them.

import { byId, fromTemplate, part } from './elements.js';

const SECONDS = 8;
/** Older ones go when there are more. */
const AT_ONCE = 3;

/** @type {Set<{ close: () => void }>} in their order */
const open = new Set();

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
    element.remove();
    open.delete(notice);
    then?.();
  };
  const notice = { close: () => end(onClose), act: () => end(onAction) };
  const wait = () => (timer = setTimeout(notice.close, SECONDS * 1000));
  const hold = () => clearTimeout(timer);
  const isUsed = () => element.matches(':hover') || element.contains(document.activeElement);
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

  byId('notices').append(element);
  open.add(notice);
  if (open.size > AT_ONCE) open.values().next().value.close();
  wait();
  return notice;
}

/** @param {string} text */
export const notifyProblem = (text) => notify(text, { isProblem: true });
