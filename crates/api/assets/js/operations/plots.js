// The plots of the last hour: rates, time in the queue, and run time.

import { call, serverNow } from '../api.js';
import { byId, fromTemplate, part, setText } from '../elements.js';
import { highest, periodsOf, rowsOf } from './activity.js';
import { live } from './live.js';
import { count, minute, perSecond, seconds, time } from './numbers.js';
import { area, line, linearScale, logScale, nearest } from './plot.js';

/** @typedef {import('./activity.js').Period} Period */
/** @typedef {{ name: string, look: string, value: (period: Period) => number | null }} Series */
/** @typedef {{ title: string, series: Series[], format: (value: number) => string, scale: (values: number[]) => import('./plot.js').Scale, hasArea: boolean }} Plot */

const SVG = 'http://www.w3.org/2000/svg';
const REFRESH_MS = 10_000;
const MARGIN = { left: 44, right: 6, top: 8, bottom: 20 };
const QUARTER_MS = 900_000;

/** @param {'accepted' | 'succeeded' | 'failed' | 'retried'} kind */
const rate = (kind) => (/** @type {Period} */ period) => period[kind] / period.seconds;
/** @param {'wait' | 'run'} kind @returns {Series[]} */
const latencies = (kind) => [
  { name: '99 %', look: 'soon', value: (period) => period[kind].p99 },
  { name: '95 %', look: 'other', value: (period) => period[kind].p95 },
  { name: '50 %', look: 'main', value: (period) => period[kind].p50 },
];

/** @type {Plot[]} */
const PLOTS = [
  {
    title: 'Jobs per second',
    series: [
      { name: 'accepted', look: 'other', value: rate('accepted') },
      { name: 'completed', look: 'main', value: rate('succeeded') },
      { name: 'retried', look: 'soon', value: rate('retried') },
      { name: 'failed', look: 'bad', value: rate('failed') },
    ],
    format: perSecond,
    scale: (values) => linearScale(Math.max(0, ...values)),
    hasArea: true,
  },
  { title: 'Time in the queue', series: latencies('wait'), format: seconds, scale: logScale, hasArea: false },
  { title: 'Run time', series: latencies('run'), format: seconds, scale: logScale, hasArea: false },
];

/** @type {Period[]} */
let periods = [];
let timer = 0;

export function start() {
  byId('plots').append(...PLOTS.map(create));
  new ResizeObserver(drawAll).observe(byId('plots'));
  byId('plot-table').addEventListener('toggle', showTable);
  live.addEventListener('open', refresh);
  document.addEventListener('visibilitychange', () => document.hidden && clearTimeout(timer));
}

/** Only while the stream is open: it says why there is nothing to show. */
async function refresh() {
  clearTimeout(timer);
  try {
    const { json } = await call('GET', 'operations/activity');
    periods = periodsOf(json.points, serverNow());
    drawAll();
    showTable();
  } catch {
    // the stream reports that the server can't be reached
  }
  if (!document.hidden) timer = setTimeout(refresh, REFRESH_MS);
}

/** @param {Plot} plot */
function create(plot) {
  const element = fromTemplate('plot');
  setText(part(element, 'h3'), plot.title);
  part(element, '.legend').append(...plot.series.map(legendItem));
  const drawing = part(element, '.plot-drawing');
  drawing.addEventListener('pointermove', (event) => point(element, plot, /** @type {PointerEvent} */ (event)));
  drawing.addEventListener('pointerleave', () => showValues(element, plot, -1));
  return element;
}

/** @param {Series} series */
function legendItem({ name, look }) {
  const item = document.createElement('li');
  const sample = document.createElementNS(SVG, 'svg');
  sample.setAttribute('viewBox', '0 0 20 8');
  sample.setAttribute('aria-hidden', 'true');
  sample.append(shape('path', { class: 'line', 'data-look': look, d: 'M1 4H19' }));
  item.append(sample, `${name} `, document.createElement('b'));
  return item;
}

/** @param {string} name @param {Record<string, string | number>} attributes */
function shape(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, String(value));
  return element;
}

function drawAll() {
  [...byId('plots').children].forEach((element, index) => draw(element, PLOTS[index]));
}

/** @param {Element} element */
function frameOf(element) {
  const { clientWidth: width, clientHeight: height } = part(element, '.plot-drawing');
  const from = periods[0]?.at ?? 0;
  const span = (periods.at(-1)?.at ?? 1) - from || 1;
  const inner = { width: width - MARGIN.left - MARGIN.right, height: height - MARGIN.top - MARGIN.bottom };
  return {
    ...inner,
    x: (/** @type {number} */ at) => MARGIN.left + ((at - from) / span) * inner.width,
    timeAt: (/** @type {number} */ x) => from + ((x - MARGIN.left) / inner.width) * span,
  };
}

/** @param {Element} element @param {Plot} plot */
function draw(element, plot) {
  const drawing = part(element, '.plot-drawing');
  drawing.replaceChildren();
  if (!periods.length) return;
  const frame = frameOf(element);
  const values = plot.series.map(({ value }) => periods.map((period) => ({ at: period.at, value: value(period) })));
  const known = values.flat().flatMap(({ value }) => (value === null ? [] : [value]));
  const scale = plot.scale(known);
  const y = (/** @type {number} */ value) => MARGIN.top + (1 - scale.of(value)) * frame.height;
  for (const tick of scale.ticks) drawTick(drawing, frame, y(tick), plot.format(tick));
  drawTimes(drawing, frame);
  if (plot.hasArea) drawing.append(shape('path', { class: 'area', d: area(values[1], frame.x, y) }));
  const lines = plot.series.map(({ look }, index) => shape('path', { class: 'line', 'data-look': look, d: line(values[index], frame.x, y) }));
  // the first is the most important one, so it is on top
  drawing.append(...lines.reverse());
  drawing.append(shape('path', { class: 'crosshair', d: '' }));
  drawing.setAttribute('aria-label', description(plot));
  showValues(element, plot, -1);
}

/** @param {Element} drawing @param {ReturnType<typeof frameOf>} frame @param {number} y @param {string} text */
function drawTick(drawing, frame, y, text) {
  drawing.append(shape('path', { class: 'grid-line', d: `M${MARGIN.left} ${Math.round(y) + 0.5}h${frame.width}` }));
  const label = shape('text', { class: 'tick', x: MARGIN.left - 6, y: y + 4, 'text-anchor': 'end' });
  label.textContent = text;
  drawing.append(label);
}

/** The times below the plot: each quarter of an hour. @param {Element} drawing @param {ReturnType<typeof frameOf>} frame */
function drawTimes(drawing, frame) {
  const last = periods[periods.length - 1].at;
  for (let at = Math.ceil(periods[0].at / QUARTER_MS) * QUARTER_MS; at <= last; at += QUARTER_MS) {
    const x = frame.x(at);
    // a label at the edge would be cut off
    if (x < MARGIN.left + 12 || x > MARGIN.left + frame.width - 14) continue;
    const label = shape('text', { class: 'tick', x, y: MARGIN.top + frame.height + 15, 'text-anchor': 'middle' });
    label.textContent = minute(at);
    drawing.append(label);
  }
}

/** What a plot shows, in words. @param {Plot} plot */
function description({ title, series, format }) {
  const parts = series.map(({ name, value }) => {
    const most = highest(periods.map(value));
    return `${name}: ${most === null ? 'no jobs' : `at most ${format(most)}`}`;
  });
  return `${title} in the last hour; ${parts.join(', ')}. The table below has the numbers.`;
}

/** @param {Element} element @param {Plot} plot @param {PointerEvent} event */
function point(element, plot, event) {
  if (!periods.length) return;
  const left = part(element, '.plot-drawing').getBoundingClientRect().left;
  showValues(element, plot, nearest(periods, frameOf(element).timeAt(event.clientX - left)));
}

/** Shows the values of one period in the legend; -1 is the latest one. @param {Element} element @param {Plot} plot @param {number} index */
function showValues(element, plot, index) {
  const period = periods.at(index);
  if (!period) return;
  const frame = frameOf(element);
  const isChosen = index >= 0;
  part(element, '.crosshair').setAttribute('d', isChosen ? `M${frame.x(period.at)} ${MARGIN.top}v${frame.height}` : '');
  setText(part(element, '.plot-time'), isChosen ? time(period.at, serverNow()) : 'now');
  const places = element.querySelectorAll('.legend b');
  plot.series.forEach(({ value }, place) => {
    const one = value(period);
    setText(places[place], one === null ? '–' : plot.format(one));
  });
}

function showTable() {
  const details = /** @type {HTMLDetailsElement} */ (byId('plot-table'));
  if (!details.open) return;
  const rows = rowsOf(periods).map((row) => {
    const { accepted, succeeded, failed, retried } = row.counts;
    const texts = [minute(row.at), ...[accepted, succeeded, failed, retried].map((value) => count(value)), seconds(row.wait), seconds(row.run)];
    const element = document.createElement('tr');
    element.append(...texts.map((text) => Object.assign(document.createElement('td'), { textContent: text })));
    return element;
  });
  part(details, 'tbody').replaceChildren(...rows);
}
