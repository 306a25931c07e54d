/* The form that starts a task. */

import { find, make, nearest } from "./dom.js";
import { jobs } from "./tasks.js";
import { word } from "./words.js";

const PRESSED = "faceswap-pressed"; // in this tab: ids of the tasks that were known when a start was pressed
const READ_MS = 6_000;

/** When a start of this page was pressed that has no answer yet; 0 when there is none. */
let pressedAt = 0;

/** Press the button of the example when the page was opened as `/video?example`, once. */
export function example() {
  if (!new URLSearchParams(location.search).has("example")) return;
  history.replaceState(null, "", location.pathname);
  find("fs-example")?.click();
}

/** Where the target video stands, in seconds; 0 when there is none or it was not touched. */
export function moment() {
  const video = document.querySelector("#fs-target-card video");
  return video instanceof HTMLVideoElement ? video.currentTime : 0;
}

/** Remember each press of a start until it is answered. */
export function watchStart() {
  document.addEventListener("click", (event) => {
    if (!nearest(event, "#fs-go")) return;
    pressedAt = Date.now();
    sessionStorage.setItem(PRESSED, JSON.stringify(jobs.map((job) => job.id)));
    document.querySelector("#fs-said > .fs-message")?.remove();
  }, true);
}

/** The start that was pressed has its answer: a task, or a sentence that says why there is none. */
export function answered() {
  pressedAt = 0;
  sessionStorage.removeItem(PRESSED);
}

/**
 * A start was pressed, the connection was lost, and the page was opened again: say whether the task was queued.
 * Call it with the first answer about the tasks that this page gets.
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
 * A task has ended: what the form says about its place in the queue is no longer true.
 *
 * @param {string} id
 */
export function unsay(id) {
  for (const message of document.querySelectorAll("#fs-said [data-told]")) {
    if (!(message instanceof HTMLElement)) continue;
    const left = (message.dataset.told ?? "").split(" ").filter((each) => each !== id);
    message.dataset.told = left.join(" ");
    if (!left.length) setTimeout(() => message.remove(), READ_MS); // there is time to read it
  }
}
