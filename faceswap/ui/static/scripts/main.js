/* Starts everything that a page does by itself. The pages' Python calls the functions that this module exports, as
 * `window.faceswap.NAME(…)`; see `doors.js`.
 */

import { watchButtons } from "./actions.js";
import { announce } from "./announce.js";
import { watchResults } from "./compare.js";
import { watchConnection } from "./connection.js";
import { inspectAgain } from "./diagnostics.js";
import { settle, watchStart } from "./form.js";
import { UNCHANGED, signRequests, speak } from "./gradio.js";
import { watchEmpty } from "./localise.js";
import { watchKeys } from "./keys.js";
import { watchFaces } from "./mapping.js";
import { watchPresets } from "./options.js";
import { watchThumbnails } from "./pictures.js";
import { render, startPanel, table, takeStale } from "./panel.js";
import { watchOrder } from "./reorder.js";
import { credentials, signIn } from "./server.js";
import { watchSlots } from "./slots.js";
import { applyTheme } from "./settings.js";
import { stayInSight } from "./space.js";
import { look, signature } from "./tasks.js";
import { watchTrim } from "./trim.js";
import { watchViewer } from "./viewer.js";
import { language, word } from "./words.js";

export { queued } from "./announce.js";
export { lendInspector } from "./diagnostics.js";
export { example, keptOptions, moment } from "./form.js";
export { keepFaces, mapping, restoreMapping } from "./mapping.js";
export { givenOptions, openForm, tookOptions } from "./options.js";
export { person, showPersons } from "./person.js";
export { batch, startSeveral } from "./several.js";
export { lendSlot } from "./slots.js";
export { startTrim } from "./trim.js";
export { lendViewer, view } from "./viewer.js";

/**
 * The panel's timer calls this. It fetches the list of tasks and sends no Gradio event to the server.
 *
 * @param {unknown} token
 * @returns {Promise<unknown[]>} the values of the panel's table and of the signature's component
 */
export async function tick(token) {
  signIn(token);
  const known = await look();
  if (known === "changed") {
    announce();
    settle();
    inspectAgain();
  }
  if (known !== "unknown") render();
  return takeStale() || known === "changed" ? [table(), signature()] : [UNCHANGED, UNCHANGED];
}

/** Gradio calls this once, when the page's elements are there. */
export function start() {
  const page = document.querySelector("[data-page]")?.getAttribute("data-page") || "start";
  document.title = page === "start" ? word("title_start") : `${word(`title_${page}`)} · ${word("title_start")}`;
  applyTheme();
  startPanel();
  stayInSight();
}

document.documentElement.lang = language;
speak(language);
signRequests(credentials);
watchEmpty();
watchConnection();
watchButtons();
watchResults();
watchViewer();
watchThumbnails();
watchFaces();
watchSlots();
watchKeys();
watchPresets();
watchStart();
watchOrder();
watchTrim();
