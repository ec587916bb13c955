// Lets the page open without a network. Browsers offer that over https and on localhost only.

export function start() {
  if (!('serviceWorker' in navigator)) return;
  const url = new URL('service-worker.js', document.baseURI).href;
  const { trustedTypes } = /** @type {any} */ (window);
  const policy = trustedTypes?.createPolicy('service-worker', { createScriptURL: (text) => text });
  const script = policy ? policy.createScriptURL(url) : url;
  navigator.serviceWorker.register(script).catch((error) => console.warn('The page will not open offline.', error));
}
