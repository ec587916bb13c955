// Access to the page's elements. Visitors' text is only ever set as text, never as HTML.

/** @param {string} id */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element;
}

/** @param {Element} root @param {string} selector */
export function part(root, selector) {
  const element = root.querySelector(selector);
  if (!element) throw new Error(`there is no ${selector}`);
  return element;
}

/** A new copy of a template's only element. @param {string} id @returns {HTMLElement} */
export function fromTemplate(id) {
  return /** @type {any} */ (byId(id)).content.firstElementChild.cloneNode(true);
}

/**
 * Sets the text only if it differs, so that screen readers do not read it again.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Shows a problem and marks the field that it is about; an empty text clears both.
 * @param {Element} place
 * @param {string} text
 * @param {Element} [field]
 */
export function setProblem(place, text, field) {
  setText(place, text);
  if (text) field?.setAttribute('aria-invalid', 'true');
  else field?.removeAttribute('aria-invalid');
}

/**
 * Whether a key press belongs to an input method. In Safari, the one that ends the input has only the key code 229.
 * @param {KeyboardEvent} event
 */
export const isComposing = (event) => event.isComposing || event.keyCode === 229;

/**
 * Makes `children` the children of `parent`, in this order. Moving an element takes the focus from it, so children in
 * the right place are not touched, and the others are moved around the one with the focus.
 * @param {Element} parent @param {Element[]} children
 */
export function arrange(parent, children) {
  const wanted = new Set(children);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  const focused = children.find((child) => child.contains(document.activeElement));
  let place = parent.firstElementChild;
  for (const child of children) {
    while (child === focused && place && place !== child) {
      const other = place;
      place = place.nextElementSibling;
      parent.append(other);
    }
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
  }
}
