/* Shows the chosen task on the diagnostics page. */

import { jobOf } from "./tasks.js";

/** @type {((id: string) => void) | null} asks the server for a task's state changes and log, and shows them */
let show = null;

/**
 * The component that shows the chosen task calls this with the function that asks the server.
 *
 * @param {(id: string) => void} given
 */
export function lendInspector(given) {
  show = given;
}

/** @param {string} id */
export const inspect = (id) => show?.(id);

/** Ask again for the chosen task: a task that has not ended gets more state changes and log lines. */
export function inspectAgain() {
  const shown = document.querySelector(".fs-inspected");
  if (!(shown instanceof HTMLElement)) return;
  const job = jobOf(shown.dataset.job);
  if (job && shown.dataset.over !== `${job.status} ${job.remote_stop}`) inspect(job.id);
}
