// Caches all files of one version of the page, so that it opens without a network. API responses are not cached here,
// because an old list of todos would look current. The page stores the last list itself and shows how old it is.

const VERSION = '{{VERSION}}';
const FILES = '{{FILES}}'.split(' ').map((name) => `assets/${VERSION}/${name}`);
const CACHE = `taskoverflow-page-${VERSION}`;
/** How long to wait for the server before the cached page is shown. */
const TIMEOUT_MS = 3000;

/** @param {string} path */
const absolute = (path) => new URL(path, self.registration.scope).href;

self.addEventListener('install', (event) => {
  event.waitUntil(cacheThisVersion());
  self.skipWaiting();
});

self.addEventListener('activate', (event) => {
  event.waitUntil(deleteOtherVersions().then(() => self.clients.claim()));
});

self.addEventListener('fetch', (event) => {
  const { method, url } = event.request;
  if (method !== 'GET') return;
  if (url.split(/[?#]/)[0] === absolute('')) event.respondWith(page(event.request));
  else if (url.startsWith(absolute('assets/'))) event.respondWith(file(event.request));
});

async function cacheThisVersion() {
  const cache = await caches.open(CACHE);
  await cache.addAll(['', ...FILES].map(absolute));
}

/** Keeps the previous version too: a page that is still open may need its files. */
async function deleteOtherVersions() {
  const others = (await caches.keys()).filter((name) => name.startsWith('taskoverflow-page-') && name !== CACHE);
  await Promise.all(others.slice(0, -1).map((name) => caches.delete(name)));
}

/** The server's page if it arrives in time, because it names the files of the current version; otherwise the cached page. */
async function page(request) {
  const cache = await caches.open(CACHE);
  const cached = () => cache.match(absolute(''));
  try {
    // no AbortSignal: it would also cut off a response that has begun to arrive
    const response = await Promise.race([fetch(request), new Promise((_, fail) => setTimeout(fail, TIMEOUT_MS))]);
    return response.ok ? response : ((await cached()) ?? response);
  } catch (error) {
    const copy = await cached();
    if (copy) return copy;
    throw error;
  }
}

async function file(request) {
  return (await caches.match(request)) ?? fetch(request);
}
