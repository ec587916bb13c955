// The diagram of the pipeline. Its stages are text in the page; the edges between them and the dots are drawn behind
// them, wherever the layout puts them.

import { byId, part, setText } from '../elements.js';
import { Dots, planDots } from './dots.js';
import { liveWorkers } from './live.js';
import { count, counted } from './numbers.js';

/** @typedef {{ x: number, y: number }} Point */

const SVG = 'http://www.w3.org/2000/svg';
/** Dots start within this time. After a quiet time, the jobs have moved in its last moments. */
const LONGEST_SPREAD_S = 2;
/** The number of points of an edge that dots move along. */
const STEPS = 64;
/** How far a curve goes straight on before it bends, relative to its length. */
const BEND = 0.45;

/**
 * The edges: each a list of stops. A stop is a stage, a side of it, and the position along that side from 0 to 1; on a
 * wide and on a narrow screen.
 * @type {Record<string, { wide: [string, string, number][], narrow: [string, string, number][] }>}
 */
const EDGES = {
  accepted: chain('api', 'outbox'),
  published: chain('outbox', 'queue'),
  started: chain('queue', 'workers'),
  succeeded: chain('workers', 'results'),
  retried: {
    wide: [['workers', 'top', 0.5], ['retries', 'right', 0.5], ['retries', 'left', 0.5], ['queue', 'top', 0.5]],
    narrow: [['workers', 'top', 0.8], ['retries', 'bottom', 0.25], ['retries', 'top', 0.25], ['queue', 'bottom', 0.8]],
  },
  failed: { wide: [['workers', 'bottom', 0.5], ['failed', 'top', 0.5]], narrow: [['workers', 'right', 0.5], ['failed', 'left', 0.5]] },
  dead_letters: { wide: [['queue', 'bottom', 0.5], ['dead', 'top', 0.5]], narrow: [['queue', 'right', 0.5], ['dead', 'left', 0.5]] },
};

/** @param {string} from @param {string} to @returns {typeof EDGES[string]} */
function chain(from, to) {
  return { wide: [[from, 'right', 0.5], [to, 'left', 0.5]], narrow: [[from, 'bottom', 0.5], [to, 'top', 0.5]] };
}

const place = byId('pipeline');
const edges = byId('pipeline-edges');
const dots = new Dots(byId('pipeline-dots'));
const isNarrow = matchMedia('(max-width: 46rem)');
const isStill = matchMedia('(prefers-reduced-motion: reduce)');

/** When the previous snapshot was taken. */
let before = 0;

export function start() {
  new ResizeObserver(draw).observe(place);
  isStill.addEventListener('change', () => dots.clear());
  document.addEventListener('visibilitychange', () => dots.clear());
}

/** @param {import('./live.js').Snapshot} snapshot */
export function show(snapshot) {
  const { jobs, outbox, queue_depth: queue, last_minute: minute } = snapshot;
  setNumbers({
    accepted: count(minute.accepted),
    outbox: count(outbox.jobs, outbox.count_limit),
    queue: count(queue.visible),
    running: count(jobs.started, jobs.count_limit),
    succeeded: count(minute.succeeded),
    retried: count(minute.retried),
    failed: count(minute.failed),
    dead: count(queue.dead_letters),
  });
  part(place, "[data-stage='failed']").classList.toggle('is-bad', minute.failed > 0);
  part(place, "[data-stage='dead']").classList.toggle('is-bad', Boolean(queue.dead_letters));
  const workers = liveWorkers(snapshot.processes).length;
  setText(byId('stage-workers'), workers ? `running on ${counted(workers, 'worker')}` : 'no worker');
  animate(snapshot);
}

/** @param {Record<string, string>} numbers */
function setNumbers(numbers) {
  for (const [name, text] of Object.entries(numbers)) setText(part(place, `[data-stage-number='${name}']`), text);
}

/** Lets the jobs of the time since the last snapshot move. @param {import('./live.js').Snapshot} snapshot */
function animate({ at, since_last: moved }) {
  const now = Date.parse(at ?? '') || before;
  const seconds = Math.min(Math.max((now - before) / 1000, 0.5), LONGEST_SPREAD_S);
  before = now;
  if (isStill.matches || document.hidden) {
    setText(byId('dot-hint'), '');
    return;
  }
  const counts = Object.fromEntries(Object.keys(EDGES).map((edge) => [edge, moved[edge] ?? 0]));
  const { jobsPerDot, dots: planned } = planDots(counts, seconds);
  for (const [edge, number] of Object.entries(planned)) dots.add(edge, number, seconds * 1000);
  const some = Object.values(counts).some((number) => number > 0);
  if (some) setText(byId('dot-hint'), jobsPerDot === 1 ? 'Each dot is one job.' : `Each dot stands for up to ${count(jobsPerDot)} jobs.`);
}

/** Draws the edges for the present layout. */
function draw() {
  const origin = place.getBoundingClientRect();
  const boxOf = (/** @type {string} */ name) => part(place, `[data-stage='${name}']`).getBoundingClientRect();
  edges.replaceChildren();
  /** @type {Record<string, Point[]>} */
  const routes = {};
  for (const [name, layouts] of Object.entries(EDGES)) {
    const stops = layouts[isNarrow.matches ? 'narrow' : 'wide'].map(([stage, side, at]) => stopAt(boxOf(stage), origin, side, at));
    routes[name] = [];
    for (let index = 0; index < stops.length; index += 2) {
      const curve = curveBetween(stops[index], stops[index + 1]);
      const path = append('edge', curve);
      append('arrow', arrowAt(stops[index + 1]));
      routes[name].push(...pointsOf(path, STEPS));
    }
  }
  dots.setRoutes(routes);
}

/**
 * A point on a side of a box, and the direction away from the box.
 * @param {DOMRect} box @param {DOMRect} origin @param {string} side @param {number} at
 */
function stopAt(box, origin, side, at) {
  const left = box.left - origin.left - place.clientLeft;
  const top = box.top - origin.top - place.clientTop;
  if (side === 'left' || side === 'right') {
    return { x: left + (side === 'right' ? box.width : 0), y: top + box.height * at, dx: side === 'right' ? 1 : -1, dy: 0 };
  }
  return { x: left + box.width * at, y: top + (side === 'bottom' ? box.height : 0), dx: 0, dy: side === 'bottom' ? 1 : -1 };
}

/** @typedef {ReturnType<typeof stopAt>} Stop */

/** @param {Stop} from @param {Stop} to */
function curveBetween(from, to) {
  const reach = Math.hypot(to.x - from.x, to.y - from.y) * BEND;
  const control = (/** @type {Stop} */ stop) => `${stop.x + stop.dx * reach} ${stop.y + stop.dy * reach}`;
  return `M${from.x} ${from.y}C${control(from)} ${control(to)} ${to.x} ${to.y}`;
}

/** The tip of an arrow that ends at a stop. @param {Stop} stop */
function arrowAt({ x, y, dx, dy }) {
  const back = 6;
  const corner = (/** @type {number} */ side) => `${x + dx * back + dy * side} ${y + dy * back + dx * side}`;
  return `M${corner(4)}L${x} ${y}L${corner(-4)}`;
}

/** @param {string} kind @param {string} description */
function append(kind, description) {
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('class', kind);
  path.setAttribute('d', description);
  edges.append(path);
  return path;
}

/** @param {SVGPathElement} path @param {number} steps @returns {Point[]} */
function pointsOf(path, steps) {
  const length = path.getTotalLength();
  return Array.from({ length: steps }, (_, index) => {
    const { x, y } = path.getPointAtLength((length * index) / (steps - 1));
    return { x: Math.round(x * 10) / 10, y: Math.round(y * 10) / 10 };
  });
}
