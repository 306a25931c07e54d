/* Small pictures of the files of a task. */

import { make } from "./dom.js";
import { address } from "./server.js";

/** @import {Job} from "./tasks.js" */

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
