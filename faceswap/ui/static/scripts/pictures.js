/* Small pictures of the files of a task. */

import { make } from "./dom.js";
import { address } from "./server.js";

/** @import {Job} from "./tasks.js" */

const NEW_FRAME_MS = 2_000;

/**
 * The source and the target of a task, side by side. Empty for a simulated task.
 *
 * @param {Job} job
 */
export function thumbnails(job) {
  const files = [job.source, job.target].filter((file) => file !== null);
  const pictures = files.map(({ name, thumbnail }) =>
    make("img", { className: "fs-thumb", src: address(thumbnail), alt: name, title: name }),
  );
  return make("span", { className: "fs-thumbs" }, ...pictures);
}

/**
 * Show the latest swapped frame of each running task in the place of its target. The server has a new one every two
 * seconds.
 *
 * @param {Job[]} active
 */
export function showLatestFrames(active) {
  for (const job of active) {
    const picture = document.querySelector(`#fs-pictures [data-job="${CSS.escape(job.id)}"] .fs-thumb:last-child`);
    if (!(picture instanceof HTMLImageElement) || !job.frame_url || document.hidden) continue;
    const url = new URL(address(job.frame_url), location.href);
    url.searchParams.set("at", String(Math.floor(Date.now() / NEW_FRAME_MS)));
    if (picture.src === url.href) continue;
    const next = new Image();
    next.onload = () => { // so a frame that is gone again leaves the one before
      picture.src = next.src;
      picture.classList.add("fs-latest");
    };
    next.src = url.href;
  }
}

/**
 * The names of both files, or "" for a simulated task.
 *
 * @param {Job} job
 */
export const namesOf = (job) => (job.source && job.target ? `${job.source.name} → ${job.target.name}` : "");

/** Remove a small picture that does not exist. An older version of the app made none. */
export function watchThumbnails() {
  const drop = (/** @type {Event} */ event) => {
    if (event.target instanceof HTMLImageElement && event.target.matches(".fs-thumb")) event.target.remove();
  };
  document.addEventListener("error", drop, true);
}
