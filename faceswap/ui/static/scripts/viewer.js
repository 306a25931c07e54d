/* Shows the result of a task on this page if it has a viewer, or else on the page of tasks. */

import { find } from "./dom.js";
import { address } from "./server.js";

/** @import {Job} from "./tasks.js" */

/** @type {((id: string) => void) | null} asks the server for a result and shows it */
let show = null;

/** Id of the task whose result the user asked for and that is not on the page yet. */
let wanted = "";

/**
 * The viewer's component calls this with the function that asks the server for a result.
 *
 * @param {(id: string) => void} given
 */
export function lendViewer(given) {
  show = given;
  const asked = new URLSearchParams(location.search).get("job");
  if (asked) view(asked);
}

/**
 * Show a result that the user asked for: scroll to it, play it, and give it the focus.
 *
 * @param {string} id
 */
export function view(id) {
  if (!show) {
    location.href = address(`/tasks?job=${encodeURIComponent(id)}`);
    return;
  }
  const shown = resultOf(id);
  if (shown) return reveal(shown);
  wanted = id;
  show(id);
}

/** @param {string} id */
const resultOf = (id) => document.querySelector(`#fs-viewer .fs-result[data-job="${CSS.escape(id)}"]`);

/** @param {Element} result */
function reveal(result) {
  wanted = "";
  result.scrollIntoView({ block: "start" });
  const player = result.querySelector("video[data-lead], input[type=range]");
  if (player instanceof HTMLElement) player.focus({ preventScroll: true });
  if (player instanceof HTMLVideoElement) player.play().catch(() => player.pause()); // a browser may refuse to play
}

/** Wait for the result that the user asked for. It appears on the page when the server has answered. */
export function watchViewer() {
  new MutationObserver(() => {
    const result = wanted && resultOf(wanted);
    if (result) reveal(result);
  }).observe(document.documentElement, { childList: true, subtree: true });
}

/**
 * Show a new result in the viewer, unless a video is playing there. The user did not ask for it, so the page does
 * not scroll.
 *
 * @param {Job} job
 */
export function offer(job) {
  const videos = /** @type {NodeListOf<HTMLVideoElement>} */ (document.querySelectorAll("#fs-viewer video"));
  const playing = [...videos].some((video) => !video.paused);
  if (show && find("fs-viewer")?.dataset.offers !== "false" && !playing) show(job.id);
}
