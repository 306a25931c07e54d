/* All code of these scripts that depends on Gradio beyond its documented interface.
 *
 * A new version of Gradio may change any of this without notice. `tests/browser/test_gradio_internals.py` checks
 * each point with the installed version. The same for Python is in `faceswap/ui/gradio_internals.py`, and for
 * style sheets in `styles/gradio.css`.
 */

/** The value that an event's function returns for a component that does not change. */
export const UNCHANGED = { __type__: "update" };

/** The module of Gradio's front end that holds its translations. */
const CORE_MODULE = /\/core-[^/]*\.js$/;

/** The constant part of Gradio's message about a lost connection. */
const LOST_CONNECTION = "Attempting reconnection";

/** The path under which the app is mounted, without a slash at its end: "" or "/some/path". */
export function rootPath() {
  const config = /** @type {{gradio_config?: {root?: string}}} */ (/** @type {unknown} */ (window)).gradio_config;
  return new URL(config?.root || "/", location.href).pathname.replace(/\/$/, "");
}

/**
 * Add the headers that `credentials` returns to each of Gradio's uploads and events. Gradio's front end sends them
 * with `fetch` and without our token.
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
 * Show Gradio's light or dark theme. Gradio follows the system, also when that changes.
 *
 * @param {"auto" | "light" | "dark"} theme
 */
export function showTheme(theme) {
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const apply = () => document.body.classList.toggle("dark", theme === "auto" ? system.matches : theme === "dark");
  system.onchange = () => setTimeout(apply); // after Gradio's own listener
  apply();
}

/**
 * Make Gradio use one of our two languages. Of Chinese it translates only zh-CN and zh-TW, and it has languages
 * that we do not have.
 *
 * @param {string} language "zh-CN" or "en"
 */
export async function speak(language) {
  const core = performance.getEntriesByType("resource").find((entry) => CORE_MODULE.test(entry.name));
  if (core) (await import(core.name)).changeLocale?.(language);
}

/**
 * When Gradio cannot send an event, it stops all timers, shows a message in English, and reloads the page once the
 * server answers. Call `tell` when that message appears, and replace its text by `words`.
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
 * Give a file to a File component, as if the user had chosen it.
 *
 * @param {string} id of the component
 * @param {File} file
 */
export function giveFile(id, file) {
  const input = document.querySelector(`#${id} input[type=file]`);
  if (!(input instanceof HTMLInputElement)) return;
  const given = new DataTransfer();
  given.items.add(file);
  input.files = given.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
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
 * The value of a Dataframe.
 *
 * @param {string[]} headers
 * @param {string[][]} data
 */
export const dataframe = (headers, data) => ({ headers, data, metadata: null });
