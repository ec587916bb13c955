// Reads server-sent events. `EventSource` is not used, because it hides why the server refused, and the comments that show
// that a quiet connection is alive.

/**
 * Returns a function that takes the next part of a stream and returns the data of the events that are complete.
 * @returns {(part: string) => string[]}
 */
export function eventParser() {
  let rest = '';
  return (part) => {
    const blocks = (rest + part).replaceAll('\r\n', '\n').split('\n\n');
    rest = blocks.pop() ?? '';
    return blocks.map(dataOf).filter((data) => data !== null);
  };
}

/** The data of an event, or null if it has none, as comments. @param {string} block */
function dataOf(block) {
  const lines = block.split('\n').filter((line) => line.startsWith('data:'));
  if (!lines.length) return null;
  return lines.map((line) => line.slice(line.startsWith('data: ') ? 6 : 5)).join('\n');
}

/**
 * Reads a stream of events until it ends, `signal` aborts it, or nothing arrives for `silence` milliseconds.
 * @param {Response} response @param {number} silence @param {(data: string) => void} onData
 */
export async function readEvents(response, silence, onData) {
  if (!response.body) throw new Error('The response has no body.');
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const parse = eventParser();
  try {
    for (;;) {
      const { done, value } = await withTimeout(reader.read(), silence);
      if (done) return;
      for (const data of parse(value)) onData(data);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** @template T @param {Promise<T>} promise @param {number} milliseconds @returns {Promise<T>} */
function withTimeout(promise, milliseconds) {
  let timer = 0;
  const late = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new DOMException('', 'TimeoutError')), milliseconds);
  });
  return Promise.race([promise, /** @type {Promise<never>} */ (late)]).finally(() => clearTimeout(timer));
}
