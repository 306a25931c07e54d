/* Makes `window.faceswap`, the functions that the page calls. Each of them waits until our modules are loaded.
 *
 * Gradio adds this script to the head and draws the page at once, so the page may call a function before the
 * modules are loaded. The style sheets may be late, too: the page stays invisible until they are loaded.
 */
(() => {
  "use strict";

  /** @type {(keyof typeof import("./main.js"))[]} */
  const DOORS = [
    "batch",
    "example",
    "givenOptions",
    "keepFaces",
    "keptOptions",
    "lendInspector",
    "lendSlot",
    "lendViewer",
    "mapping",
    "moment",
    "openForm",
    "person",
    "queued",
    "restoreMapping",
    "showPersons",
    "start",
    "startSeveral",
    "startTrim",
    "tick",
    "tookOptions",
    "view",
  ];

  const entry = new URL(document.currentScript?.dataset.entry ?? "", document.baseURI);
  /** @type {Promise<Record<string, (...given: unknown[]) => unknown>>} */
  const modules = import(entry.href);

  /** @param {string} name */
  const door = (name) => [name, async (/** @type {unknown[]} */ ...given) => (await modules)[name](...given)];
  Object.assign(window, { faceswap: Object.fromEntries(DOORS.map(door)) });

  const sheets = [...document.querySelectorAll("link[data-faceswap]")];
  const settled = sheets.map(
    (sheet) =>
      new Promise((resolve) => {
        for (const name of ["load", "error"]) sheet.addEventListener(name, resolve, { once: true });
      }),
  );
  Promise.all(settled).then(() => document.getElementById("fs-unstyled")?.remove());
})();
