// The limits of what may be written, as the server counts: in characters (code points), not in UTF-16 units, so that
// 80 emoji fit.

const TITLE_MAX = 80;
const DESCRIPTION_MAX = 120;

/** @param {string} text */
const length = (text) => [...text].length;

/** What is wrong with a title, or ''. @param {string} title trimmed */
export function titleProblem(title) {
  const over = length(title) - TITLE_MAX;
  return over > 0 ? `The title is ${plural(over, 'character')} too long; ${TITLE_MAX} fit.` : '';
}

/** What is wrong with a note, or ''. @param {string} description */
export function descriptionProblem(description) {
  const over = length(description) - DESCRIPTION_MAX;
  return over > 0 ? `The note is ${plural(over, 'character')} too long; ${DESCRIPTION_MAX} fit.` : '';
}

/** `1 item`, `2 items`. @param {number} count @param {string} noun */
export const plural = (count, noun) => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** A title inside a sentence. @param {string} title */
export function quoted(title) {
  const characters = [...title];
  return `“${characters.length > 40 ? `${characters.slice(0, 39).join('')}…` : title}”`;
}
