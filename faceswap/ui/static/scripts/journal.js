/* Writes to the browser's console what this tab learns about tasks and what it requests.
 *
 * It writes if the address has `?debug`, or if the server logs at DEBUG. `?debug` stays on in the tab until
 * `?debug=off`.
 */

/** @import {Job} from "./tasks.js" */

const KEPT = "faceswap-debug";

const asked = new URLSearchParams(location.search).get("debug");
if (asked !== null) sessionStorage.setItem(KEPT, asked === "off" ? "off" : "on");

function wanted() {
  const here = sessionStorage.getItem(KEPT);
  return here ? here === "on" : document.getElementById("fs-pill")?.dataset.debug === "true";
}

/**
 * Write one line about one task.
 *
 * @param {string} id
 * @param {string} text
 */
export function log(id, text) {
  if (wanted()) console.debug(`[TaskManager] ${id}: ${text}`);
}

/**
 * Write what changed between two lists of tasks from the server.
 *
 * @param {Job[]} before
 * @param {Job[]} now
 * @param {boolean} first whether this page has just been opened
 */
export function note(before, now, first) {
  if (!wanted()) return;
  const known = new Map(before.map((job) => [job.id, job]));
  for (const job of now) {
    const old = known.get(job.id);
    if (first) log(job.id, `restored, ${job.status} ${Math.floor(job.progress)} %`);
    else if (!old) log(job.id, `new, ${job.status}`);
    else if (old.status !== job.status) log(job.id, `${old.status} → ${job.status}`);
    else if (old.remote_stop !== job.remote_stop) log(job.id, `stop in the cloud: ${job.remote_stop}`);
  }
  const counts = [before, now].map((jobs) => ["processing", "pending"].map((each) => count(jobs, each)).join(", "));
  if (first || counts[0] !== counts[1]) console.debug(`[GlobalTaskStatus] ${counts[1]}`);
}

/**
 * @param {Job[]} jobs
 * @param {string} status
 */
const count = (jobs, status) => `${jobs.filter((job) => job.status === status).length} ${status}`;
