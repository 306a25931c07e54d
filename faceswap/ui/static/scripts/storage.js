/* Replaces the browser's storage where the browser blocks it.
 *
 * A Space shows the app in a frame inside another site, and some browsers block storage there. Then any use of
 * `localStorage` throws an error, and neither Gradio's pages nor ours open. This script replaces the storage before
 * any other code uses it. So the page contains it directly, and it is no module.
 *
 * The replacement keeps its values in `window.name`. They stay when the frame goes to another page, but not when
 * the site around it is reloaded. That site can set the name, too. So this script reads it only if the user came
 * from one of our own pages.
 */
(() => {
  "use strict";

  const AREAS = /** @type {const} */ (["localStorage", "sessionStorage"]);
  const MARK = "faceswap:";

  /** @param {"localStorage" | "sessionStorage"} area */
  const works = (area) => {
    try {
      return Boolean(window[area]);
    } catch {
      return false;
    }
  };
  if (AREAS.every(works)) return;

  /** @returns {Record<string, Record<string, string>>} */
  function remembered() {
    const fromOurs = document.referrer.startsWith(`${location.origin}/`);
    if (!fromOurs || !window.name.startsWith(MARK)) return {};
    try {
      return JSON.parse(window.name.slice(MARK.length));
    } catch {
      return {};
    }
  }

  const before = remembered();
  const items = AREAS.map((area) => new Map(Object.entries(before[area] || {})));

  function keep() {
    const all = Object.fromEntries(AREAS.map((area, index) => [area, Object.fromEntries(items[index])]));
    window.name = MARK + JSON.stringify(all);
  }

  /**
   * @param {Map<string, string>} kept
   * @returns {Storage}
   */
  const storage = (kept) => ({
    get length() {
      return kept.size;
    },
    key: (index) => [...kept.keys()][index] ?? null,
    getItem: (name) => kept.get(String(name)) ?? null,
    setItem(name, value) {
      kept.set(String(name), String(value));
      keep();
    },
    removeItem(name) {
      kept.delete(String(name));
      keep();
    },
    clear() {
      kept.clear();
      keep();
    },
  });

  AREAS.forEach((area, index) => {
    Object.defineProperty(window, area, { configurable: true, value: storage(items[index]) });
  });
})();
