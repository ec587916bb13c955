// Values kept in the browser's storage. A browser may refuse to store them (private windows, a full disk); the page
// then works without them.

const PREFIX = 'taskoverflow.';

/** @template T @param {string} name @param {T} fallback @returns {T} */
export function loadItem(name, fallback, storage = () => localStorage) {
  try {
    const text = storage().getItem(PREFIX + name);
    return text === null ? fallback : JSON.parse(text);
  } catch {
    return fallback;
  }
}

/** @param {string} name @param {unknown} value */
export function saveItem(name, value, storage = () => localStorage) {
  try {
    storage().setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // storage is optional
  }
}

/** Deletes everything that the page has stored in this browser. */
export function forgetItems() {
  for (const storage of [() => localStorage, () => sessionStorage]) {
    try {
      for (const key of Object.keys(storage())) if (key.startsWith(PREFIX)) storage().removeItem(key);
    } catch {
      // nothing was stored
    }
  }
}

/**
 * Keeps the text of a field for this tab while it is being typed, so that a reload does not lose it.
 * @param {HTMLInputElement | HTMLTextAreaElement} field
 */
export function keepDraft(field) {
  const session = () => sessionStorage;
  field.value ||= loadItem(`typed.${field.id}`, '', session);
  field.addEventListener('input', () => saveItem(`typed.${field.id}`, field.value, session));
}

/** Empties a field and deletes its draft. @param {HTMLInputElement | HTMLTextAreaElement} field */
export function clearDraft(field) {
  field.value = '';
  saveItem(`typed.${field.id}`, '', () => sessionStorage);
}
