/* All that these scripts know of Gradio beyond its documented interface.
 *
 * A new version of Gradio may change any of it without notice. `tests/browser/test_gradio_internals.py` holds
 * each point against the installed version. The Python side is `faceswap/ui/gradio_internals.py`, the
 * selectors of the style sheets are in `styles/gradio.css`.
 */

/** What an event's function returns for a component that is to stay as it is. */
export const UNCHANGED = { __type__: "update" };

/** The module of Gradio's front end that holds its translations. */
const CORE_MODULE = /\/core-[^/]*\.js$/;

/** The part of a lost connection's message that is always the same. */
const LOST_CONNECTION = "Attempting reconnection";

/** The path under which the app is mounted, without a slash at its end: "" or "/some/path". */
export function rootPath() {
  const config = /** @type {{gradio_config?: {root?: string}}} */ (/** @type {unknown} */ (window)).gradio_config;
  return new URL(config?.root || "/", location.href).pathname.replace(/\/$/, "");
}

/**
 * Gradio's front end sends its uploads and events with `fetch`, and without our token. This adds what
 * `credentials` gives to each of them.
 *
 * @param {() => Record<string, string>} credentials headers
 */
export function signRequests(credentials) {
  const send = window.fetch.bind(window);
  const gradios = `${location.origin}${rootPath()}/gradio_api/`;
  window.fetch = (request, options = {}) => {
    const { url, headers: own } = request instanceof Request ? request : { url: request, headers: undefined };
    if (!new URL(url, document.baseURI).href.startsWith(gradios)) return send(request, options);
    const headers = new Headers(options.headers ?? own);
    for (const [name, value] of Object.entries(credentials())) headers.set(name, value);
    return send(request, { ...options, headers });
  };
}

/**
 * Gradio has translations for zh-CN and zh-TW only, and for languages that we have none for. This makes it
 * use one of our two.
 *
 * @param {string} language "zh-CN" or "en"
 */
export async function speak(language) {
  const core = performance.getEntriesByType("resource").find((entry) => CORE_MODULE.test(entry.name));
  if (core) (await import(core.name)).changeLocale?.(language);
}

/**
 * Gradio stops all timers when an event cannot be sent, says so in English, and reloads the page once the
 * server answers. Calls `tell` when that message appears, and puts our words in its place.
 *
 * @param {{title: string, text: string}} words
 * @param {() => void} tell
 */
export function onLostConnection({ title, text }, tell) {
  const look = () => {
    for (const shown of document.querySelectorAll(".toast-message-text")) {
      if (!shown.textContent?.includes(LOST_CONNECTION)) continue;
      shown.textContent = text;
      const heading = shown.closest(".toast-body")?.querySelector(".toast-title");
      if (heading) heading.textContent = title;
      tell();
    }
  };
  new MutationObserver(look).observe(document.documentElement, { childList: true, subtree: true });
}

/**
 * The box of a Dataframe's rows, or null when they are not shown.
 *
 * @param {string} id of the Dataframe
 */
export function rowsOf(id) {
  const rows = document.querySelector(`#${id} .virtual-body`);
  return rows instanceof HTMLElement && rows.offsetParent ? rows.getBoundingClientRect() : null;
}

/**
 * What a Dataframe takes as its value.
 *
 * @param {string[]} headers
 * @param {string[][]} data
 */
export const dataframe = (headers, data) => ({ headers, data, metadata: null });
