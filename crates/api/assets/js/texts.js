// The length limits of a todo's texts, and parts of messages. The server counts characters (code points), not UTF-16
// units, and so does the page: 80 emoji fit in a title.

const TITLE_MAX = 80;
const DESCRIPTION_MAX = 120;

/** What is wrong with a title, or ''. @param {string} title trimmed */
export const titleProblem = (title) => lengthProblem('title', title, TITLE_MAX);

/** What is wrong with a note, or ''. @param {string} description */
export const descriptionProblem = (description) => lengthProblem('note', description, DESCRIPTION_MAX);

/** @param {string} name @param {string} text @param {number} max */
function lengthProblem(name, text, max) {
  const excess = [...text].length - max;
  return excess > 0 ? `The ${name} is ${plural(excess, 'character')} too long (maximum ${max}).` : '';
}

/** `1 item`, `2 items`. @param {number} count @param {string} noun */
export const plural = (count, noun) => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** A title inside a sentence: in quotes, and shortened if it is long. @param {string} title */
export function quoted(title) {
  const characters = [...title];
  return `“${characters.length > 40 ? `${characters.slice(0, 39).join('')}…` : title}”`;
}

/** Makes a sentence of an error text from the API. @param {string} detail */
export function sentence(detail) {
  const capitalized = detail[0].toUpperCase() + detail.slice(1);
  return /[.!?]$/.test(capitalized) ? capitalized : `${capitalized}.`;
}
