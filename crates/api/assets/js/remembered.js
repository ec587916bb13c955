// What this browser remembers. It may refuse to (private windows, a full disk); the page then just forgets.

const PREFIX = 'taskoverflow.';

/** @template T @param {string} name @param {T} otherwise @returns {T} */
export function recall(name, otherwise, storage = () => localStorage) {
  try {
    const text = storage().getItem(PREFIX + name);
    return text === null ? otherwise : JSON.parse(text);
  } catch {
    return otherwise;
  }
}

/** @param {string} name @param {unknown} value */
export function remember(name, value, storage = () => localStorage) {
  try {
    storage().setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // forgotten, see above
  }
}

/** Keeps what is being typed into a field for this tab, so that a reload does not lose it. @param {HTMLInputElement | HTMLTextAreaElement} field */
export function keepTyped(field) {
  const session = () => sessionStorage;
  field.value ||= recall(`typed.${field.id}`, '', session);
  field.addEventListener('input', () => remember(`typed.${field.id}`, field.value, session));
}

/** @param {HTMLInputElement | HTMLTextAreaElement} field */
export function forgetTyped(field) {
  field.value = '';
  remember(`typed.${field.id}`, '', () => sessionStorage);
}
