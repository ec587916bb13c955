// Starts the page: every part once, then the view that the address names.

import * as composer from './composer.js';
import * as connection from './connection.js';
import { byId } from './elements.js';
import * as exportView from './export-view.js';
import * as monthView from './month-view.js';
import * as route from './route.js';
import * as shortcuts from './shortcuts.js';
import { todos } from './todos.js';
import * as todosView from './todos-view.js';
import * as unsaved from './unsaved.js';

const TITLES = { todos: 'Todos', month: 'Month', export: 'Export' };
/** How often what depends on the time is shown anew. */
const MINUTE_MS = 60_000;

/** @type {route.Route} */
let shown = { view: 'todos', filter: 'all' };

function show() {
  if (shown.view === 'todos') todosView.show(shown.filter);
  else if (shown.view === 'month') monthView.show();
}

/** @param {boolean} isFirst */
function go(isFirst) {
  // a place in the page is in the view that is shown; after a reload, none is yet
  const next = route.read(location.hash) ?? (isFirst ? shown : null);
  if (!next) return;
  const isOther = isFirst || next.view !== shown.view;
  shown = next;
  for (const view of Object.keys(TITLES)) byId(`${view}-view`).hidden = view !== shown.view;
  for (const link of document.querySelectorAll('.views a')) {
    link.ariaCurrent = /** @type {HTMLElement} */ (link).dataset.view === shown.view ? 'page' : null;
  }
  document.title = `${TITLES[shown.view]} · TaskOverflow`;
  if (shown.view === 'month') monthView.go(shown.day);
  exportView.setShown(shown.view === 'export');
  show();
  if (!isOther) return;
  window.scrollTo(0, 0);
  if (shown.view === 'todos') byId('new-title').focus({ preventScroll: true });
  else if (!isFirst) byId('main').focus({ preventScroll: true });
}

/** Lets the page open without a network. Browsers offer that over https and on localhost only. */
function keepForOffline() {
  if (!('serviceWorker' in navigator)) return;
  const url = new URL('service-worker.js', document.baseURI).href;
  const { trustedTypes } = /** @type {any} */ (window);
  const policy = trustedTypes?.createPolicy('service-worker', { createScriptURL: (text) => text });
  const script = policy ? policy.createScriptURL(url) : url;
  navigator.serviceWorker.register(script).catch((error) => console.warn('The page will not open offline.', error));
}

shortcuts.start();
composer.start();
todosView.start();
monthView.start();
exportView.start();
unsaved.start(composer.takeBack);
connection.start();
keepForOffline();

byId('skip').addEventListener('click', (event) => {
  // the address stays: it says which view this is
  event.preventDefault();
  byId('main').focus();
});
todos.addEventListener('change', show);
window.addEventListener('hashchange', () => go(false));
setInterval(() => document.hidden || show(), MINUTE_MS);

todos.recallLast();
go(true);
byId('not-started').remove();
connection.look();
