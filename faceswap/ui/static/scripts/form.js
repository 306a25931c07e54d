/* The form that starts a task. */

import { find, make, nearest, targetPlayer } from "./dom.js";
import { UNCHANGED } from "./gradio.js";
import { momentOfFaces } from "./mapping.js";
import { jobs } from "./tasks.js";
import { word } from "./words.js";

const PRESSED = "faceswap-pressed"; // kept in the tab: ids of the tasks known when a start was pressed
const READ_MS = 6_000;

/** Time at which the start button of this page was pressed, in ms; 0 when no start waits for its answer. */
let pressedAt = 0;

/** If the page was opened as `/video?example`, press the button of the example once. */
export function example() {
  if (!new URLSearchParams(location.search).has("example")) return;
  history.replaceState(null, "", location.pathname);
  find("fs-example")?.click();
}

/**
 * The options that the browser kept.
 *
 * @param {unknown} kept
 * @param {number} count of the page's options. Another version of the page may have had other options.
 * @returns {unknown[]} a value for each option
 */
export function keptOptions(kept, count) {
  return Array.isArray(kept) && kept.length === count ? kept : Array(count).fill(UNCHANGED);
}

/**
 * Time of the frame to preview, in seconds: that which the target's player shows or, when nobody moved it, one at which
 * a chosen face is seen. 0 leaves the choice to the server.
 */
export function moment() {
  const video = targetPlayer();
  return video ? video.currentTime || momentOfFaces() : 0;
}

/** Remember each press of the start button until the server answers. */
export function watchStart() {
  document.addEventListener("click", (event) => {
    if (!nearest(event, "#fs-go")) return;
    pressedAt = Date.now();
    sessionStorage.setItem(PRESSED, JSON.stringify(jobs.map((job) => job.id)));
    document.querySelector("#fs-said > .fs-message")?.remove();
  }, true);
}

/** Called when the start has its answer: a task, or a sentence that says why there is none. */
export function answered() {
  pressedAt = 0;
  sessionStorage.removeItem(PRESSED);
}

/**
 * Say whether a task was queued if the start button was pressed, the connection was lost and the page was loaded
 * again. Call this after the first list of tasks that the page gets.
 */
export function settle() {
  const kept = sessionStorage.getItem(PRESSED);
  if (!kept || pressedAt) return;
  sessionStorage.removeItem(PRESSED);
  /** @type {string[]} */
  const known = JSON.parse(kept);
  const made = jobs.find((job) => !known.includes(job.id));
  say(made ? word("queued", { title: made.title }) : word("not_queued"), made ? "good" : "bad");
}

/**
 * @param {string} text
 * @param {"good" | "bad"} mood
 */
function say(text, mood) {
  const message = make("p", { className: "fs-message", role: "status" }, text);
  message.dataset.mood = mood;
  find("fs-said")?.append(message);
}

/**
 * Remove the form's message about a task that has ended: its place in the queue is no longer true.
 *
 * @param {string} id
 */
export function unsay(id) {
  for (const message of document.querySelectorAll("#fs-said [data-told]")) {
    if (!(message instanceof HTMLElement)) continue;
    const left = (message.dataset.told ?? "").split(" ").filter((each) => each !== id);
    message.dataset.told = left.join(" ");
    if (!left.length) setTimeout(() => message.remove(), READ_MS); // the user has time to read it
  }
}
