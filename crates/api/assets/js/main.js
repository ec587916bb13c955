// Starts each part of the page, then shows the view that the address names.

import * as composer from './composer.js';
import * as connection from './connection.js';
import { byId } from './elements.js';
import * as exportView from './export-view.js';
import * as monthView from './month-view.js';
import * as route from './route.js';
import * as session from './session.js';
import * as shortcuts from './shortcuts.js';
import { todos } from './todos.js';
import * as todosView from './todos-view.js';
import * as unsaved from './unsaved.js';

const TITLES = { todos: 'Todos', month: 'Month', export: 'Export' };
/** How often the view is updated, because due states depend on the current time. */
const MINUTE_MS = 60_000;

/** @type {route.Route} */
let shown = { view: 'todos', filter: 'all' };

function show() {
  if (shown.view === 'todos') todosView.show(shown.filter);
  else if (shown.view === 'month') monthView.show();
}

/** @param {boolean} isFirst */
function showRoute(isFirst) {
  // if the address names an element, keep the current view; at the start, that is the default one
  const next = route.read(location.hash) ?? (isFirst ? shown : null);
  if (!next) return;
  const isOtherView = isFirst || next.view !== shown.view;
  shown = next;
  for (const view of Object.keys(TITLES)) byId(`${view}-view`).hidden = view !== shown.view;
  for (const link of document.querySelectorAll('.views a')) {
    link.ariaCurrent = /** @type {HTMLElement} */ (link).dataset.view === shown.view ? 'page' : null;
  }
  document.title = `${TITLES[shown.view]} · TaskOverflow`;
  if (shown.view === 'month') monthView.select(shown.day);
  exportView.setShown(shown.view === 'export');
  show();
  if (!isOtherView) return;
  scrollTo(0, 0);
  if (shown.view === 'todos') byId('new-title').focus({ preventScroll: true });
  else if (!isFirst) byId('main').focus({ preventScroll: true });
}

/** Makes the page open without a network. Browsers support that over HTTPS and on localhost only. */
function registerServiceWorker() {
  if (!('serviceWorker' in navigator)) return;
  const url = new URL('service-worker.js', document.baseURI).href;
  const { trustedTypes } = /** @type {any} */ (window);
  const policy = trustedTypes?.createPolicy('service-worker', { createScriptURL: (text) => text });
  const script = policy ? policy.createScriptURL(url) : url;
  navigator.serviceWorker.register(script).catch((error) => console.warn('No page while offline:', error));
}

session.start();
shortcuts.start();
composer.start();
todosView.start();
monthView.start();
exportView.start();
unsaved.start(composer.edit);
connection.start();
registerServiceWorker();

byId('skip').addEventListener('click', (event) => {
  // following the link would replace the view in the address
  event.preventDefault();
  byId('main').focus();
});
todos.addEventListener('change', show);
addEventListener('hashchange', () => showRoute(false));
setInterval(() => document.hidden || show(), MINUTE_MS);

todos.loadStored();
showRoute(true);
byId('not-started').remove();
connection.refresh();
