/* Inside another site's frame, where a Space is shown, some browsers keep storage from us: reading
 * `localStorage` throws, and neither Gradio's pages nor ours would open. Here it is replaced, before anything
 * reads it, by what `window.name` can hold. That outlives a change of page within the frame, but not a reload
 * of the site around it.
 *
 * The site around the frame can set that name: so it is read only on a page that one of ours led to.
 */
(() => {
  "use strict";

  const AREAS = ["localStorage", "sessionStorage"];
  const MARK = "faceswap:";

  const works = (area) => {
    try {
      return Boolean(window[area]);
    } catch {
      return false;
    }
  };
  if (AREAS.every(works)) return;

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
  const items = Object.fromEntries(AREAS.map((area) => [area, new Map(Object.entries(before[area] || {}))]));

  function keep() {
    const all = Object.fromEntries(AREAS.map((area) => [area, Object.fromEntries(items[area])]));
    window.name = MARK + JSON.stringify(all);
  }

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

  for (const area of AREAS) {
    Object.defineProperty(window, area, { configurable: true, value: storage(items[area]) });
  }
})();
