// Keeps one version of the page whole, so that it opens without a network. What the API answers is never kept here: a
// todo list that looks current and is not would be a lie; the page itself shows the last one that it saw, and says so.

const VERSION = '{{VERSION}}';
const FILES = '{{FILES}}'.split(' ').map((name) => `assets/${VERSION}/${name}`);
const CACHE = `taskoverflow-page-${VERSION}`;
/** How long a slow network may keep the page from opening. */
const PATIENCE_MS = 3000;

/** @param {string} path */
const absolute = (path) => new URL(path, self.registration.scope).href;

self.addEventListener('install', (event) => {
  event.waitUntil(keepThisVersion());
  self.skipWaiting();
});

self.addEventListener('activate', (event) => {
  event.waitUntil(forgetOtherVersions().then(() => self.clients.claim()));
});

self.addEventListener('fetch', (event) => {
  const { method, url } = event.request;
  if (method !== 'GET') return;
  if (url.split(/[?#]/)[0] === absolute('')) event.respondWith(page(event.request));
  else if (url.startsWith(absolute('assets/'))) event.respondWith(file(event.request));
});

async function keepThisVersion() {
  const cache = await caches.open(CACHE);
  await cache.addAll(['', ...FILES].map(absolute));
}

/** A page that is open may still need the files of its version, so those of the last one stay. */
async function forgetOtherVersions() {
  const kept = (await caches.keys()).filter((name) => name.startsWith('taskoverflow-page-') && name !== CACHE);
  await Promise.all(kept.slice(0, -1).map((name) => caches.delete(name)));
}

/** The server's page if it comes in time: it knows its version's files. Else the one that is kept. */
async function page(request) {
  const cache = await caches.open(CACHE);
  const kept = () => cache.match(absolute(''));
  try {
    // not with a signal, which would also cut off a page that is on its way
    const answer = await Promise.race([fetch(request), new Promise((_, fail) => setTimeout(fail, PATIENCE_MS))]);
    return answer.ok ? answer : ((await kept()) ?? answer);
  } catch (error) {
    const copy = await kept();
    if (copy) return copy;
    throw error;
  }
}

async function file(request) {
  return (await caches.match(request)) ?? fetch(request);
}
