/* A stand-in for the browser's storage. Some browsers keep storage from a frame inside another site, where a
 * Space is shown: reading `localStorage` throws, and neither Gradio's pages nor ours would open. This script
 * replaces it before anything reads it, so it stands in the page itself and is no module.
 *
 * What is stored goes into `window.name`. That outlives a change of page within the frame, but not a reload of
 * the site around it. The site around the frame can set that name as well: it is read only on a page that one of
 * ours led to.
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
