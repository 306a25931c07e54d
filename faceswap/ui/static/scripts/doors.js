/* What the page itself holds of our scripts: `window.faceswap`, whose functions wait for the modules.
 *
 * Gradio adds our part of the head and draws the page at once, so that the page may call a function before the
 * modules have arrived. The same goes for the style sheets: the page stays invisible until they are there.
 */
(() => {
  "use strict";

  /** @type {(keyof typeof import("./main.js"))[]} */
  const DOORS = [
    "example",
    "keepFaces",
    "lendInspector",
    "lendViewer",
    "mapping",
    "moment",
    "queued",
    "restoreMapping",
    "start",
    "tick",
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
