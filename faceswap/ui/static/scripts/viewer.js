/* Showing the result of a task: on this page where it has a viewer, else on the page of tasks. */

import { find } from "./dom.js";
import { address } from "./server.js";

/** @import {Job} from "./tasks.js" */

/** @type {((id: string) => void) | null} asks the server for a result and shows it */
let show = null;

/**
 * The viewer's component calls this with the function that asks the server for a result.
 *
 * @param {(id: string) => void} given
 */
export function lendViewer(given) {
  show = given;
  const asked = new URLSearchParams(location.search).get("job");
  if (asked) show(asked);
}

/** @param {string} id */
export function view(id) {
  if (show) show(id);
  else location.href = address(`/tasks?job=${encodeURIComponent(id)}`);
}

/**
 * A new result takes the viewer unless somebody is watching another one.
 *
 * @param {Job} job
 */
export function offer(job) {
  const videos = /** @type {NodeListOf<HTMLVideoElement>} */ (document.querySelectorAll("#fs-viewer video"));
  const playing = [...videos].some((video) => !video.paused);
  if (show && find("fs-viewer")?.dataset.offers !== "false" && !playing) show(job.id);
}
