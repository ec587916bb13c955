// Dots that move along the edges of the pipeline: one for each job, or for several if there are too many.

const SVG = 'http://www.w3.org/2000/svg';
/** How long a dot is on its way. */
const TRAVEL_MS = 1300;
/** The most dots that start on one edge in a second. With seven edges, at most about 80 dots move at a time. */
export const MAX_DOTS_PER_SECOND = 8;
/** The most dots that move at a time, whatever the server sends. */
const MAX_DOTS = 120;
const RADIUS = 3.5;

/**
 * How many dots start on each edge, and for how many jobs each of them stands. An edge with few jobs among many gets at
 * least one dot, so that a single dead letter is seen.
 * @param {Record<string, number>} counts jobs on each edge @param {number} seconds in which they moved
 * @returns {{ jobsPerDot: number, dots: Record<string, number> }}
 */
export function planDots(counts, seconds) {
  const most = Math.max(0, ...Object.values(counts));
  const jobsPerDot = niceAbove(most / (MAX_DOTS_PER_SECOND * Math.max(seconds, 0.25)));
  const dots = Object.entries(counts).map(([edge, jobs]) => [edge, Math.ceil(jobs / jobsPerDot)]);
  return { jobsPerDot, dots: Object.fromEntries(dots) };
}

/** The smallest of 1, 2, 5, 10, 20, 50, … that is not below the value. @param {number} value */
export function niceAbove(value) {
  if (value <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 5, 10].find((step) => step * power >= value) ?? 10);
}

/** The dots in the drawing. It asks for frames only while a dot moves. */
export class Dots {
  /** @type {{ element: SVGElement, kind: string, start: number }[]} */
  #moving = [];
  /** Elements to use again. @type {SVGElement[]} */
  #spare = [];
  /** The points along each edge, at equal distances. @type {Record<string, { x: number, y: number }[]>} */
  #routes = {};
  #place;
  #frame = 0;

  /** @param {Element} place */
  constructor(place) {
    this.#place = place;
  }

  /** @param {Record<string, { x: number, y: number }[]>} routes */
  setRoutes(routes) {
    this.#routes = routes;
  }

  /** Starts dots on an edge, spread over the next `milliseconds`. @param {string} kind @param {number} dots @param {number} milliseconds */
  add(kind, dots, milliseconds) {
    const now = performance.now();
    const free = Math.min(dots, MAX_DOTS - this.#moving.length);
    for (let index = 0; index < free; index += 1) {
      const start = now + ((index + Math.random()) / free) * milliseconds;
      this.#moving.push({ element: this.#element(kind), kind, start });
    }
    if (!this.#frame && this.#moving.length) this.#frame = requestAnimationFrame((time) => this.#move(time));
  }

  clear() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#place.replaceChildren();
    this.#moving = [];
    this.#spare = [];
  }

  /** @param {string} kind */
  #element(kind) {
    const element = this.#spare.pop() ?? document.createElementNS(SVG, 'circle');
    element.setAttribute('class', 'dot');
    element.setAttribute('r', String(RADIUS));
    element.setAttribute('visibility', 'hidden');
    element.dataset.kind = kind;
    if (!element.parentNode) this.#place.append(element);
    return element;
  }

  /** @param {number} now */
  #move(now) {
    this.#moving = this.#moving.filter((dot) => {
      const progress = (now - dot.start) / TRAVEL_MS;
      const route = this.#routes[dot.kind];
      if (progress >= 1 || !route) {
        dot.element.setAttribute('visibility', 'hidden');
        this.#spare.push(dot.element);
        return false;
      }
      if (progress < 0) return true;
      const { x, y } = route[Math.floor(progress * route.length)];
      dot.element.setAttribute('visibility', 'visible');
      dot.element.setAttribute('transform', `translate(${x} ${y})`);
      return true;
    });
    this.#frame = this.#moving.length ? requestAnimationFrame((time) => this.#move(time)) : 0;
  }
}
