/* Shows a notice once for each task that ends, also when this tab was on another page at that time. */

import { make } from "./dom.js";
import { answered, unsay } from "./form.js";
import { notify } from "./notify.js";
import { jobs, live, refresh } from "./tasks.js";
import { toast } from "./toasts.js";
import { offer } from "./viewer.js";
import { reasonOf, word } from "./words.js";

/** @import {Batch, Job} from "./tasks.js" */

const WATCHED = "faceswap-watched";

/** Ids of the tasks that this tab last saw waiting or running. */
let watched = new Set(/** @type {string[]} */ (JSON.parse(sessionStorage.getItem(WATCHED) || "[]")));

/**
 * Ids of tasks that a form of this page has just queued. The number says how many more lists of tasks may lack
 * the task: the server may have made the next list before the task was queued.
 *
 * @type {Map<string, number>}
 */
const fresh = new Map();

/** @type {Set<string>} ids of the batches whose end was told */
const told = new Set();

export function announce() {
  for (const job of jobs) {
    if (!live(job) && watched.has(job.id)) tell(job);
  }
  for (const [id, answers] of fresh) {
    if (answers === 0 || jobs.some((job) => job.id === id)) fresh.delete(id);
    else fresh.set(id, answers - 1);
  }
  for (const id of watched) {
    if (!fresh.has(id) && !jobs.some((job) => job.id === id && live(job))) unsay(id);
  }
  watched = new Set([...jobs.filter(live).map((job) => job.id), ...fresh.keys()]);
  sessionStorage.setItem(WATCHED, JSON.stringify([...watched]));
}

/** @param {Job} job */
function tell(job) {
  if (job.batch) {
    if (job.status === "completed") offer(job);
    tellBatch(job.batch, job);
    return;
  }
  notify(job);
  const { title } = job;
  if (job.status === "completed") {
    toast(word("done_toast", { title }), "good", job.result_url ? showButton(job) : undefined);
    offer(job);
  } else if (job.error_code === "cancelled") toast(word("cancelled_toast", { title }), "bad");
  else toast(`${word("failed_toast", { title })} ${reasonOf(job)}`, "bad");
}

/**
 * Show one notice for a batch, when the last of its tasks ends.
 *
 * @param {Batch} batch
 * @param {Job} job one of its tasks
 */
function tellBatch(batch, job) {
  const over = batch.completed + batch.failed === batch.tasks;
  if (!over) told.delete(batch.id);
  if (!over || told.has(batch.id)) return;
  told.add(batch.id);
  notify(job);
  const said = word("batch_toast", { done: batch.completed, failed: batch.failed, count: batch.tasks });
  toast(said, batch.failed ? "bad" : "good");
}

/** @param {Job} job */
function showButton(job) {
  const button = make("button", { type: "button", className: "fs-small-button" }, word("show"));
  button.dataset.do = "view";
  button.dataset.job = job.id;
  button.ariaLabel = `${word("show")}: ${job.title}`;
  return button;
}

/**
 * Called when the server has answered a start. The message on the page holds the ids of the queued tasks. They are
 * watched from now on, so that a task that ends within a second gets its notice, too.
 */
export function queued() {
  answered();
  for (const message of document.querySelectorAll("[data-queued]")) {
    const ids = message.getAttribute("data-queued") ?? "";
    for (const id of ids.split(" ")) {
      fresh.set(id, 1);
      watched.add(id);
    }
    message.removeAttribute("data-queued");
    message.setAttribute("data-told", ids);
  }
  for (const job of jobs) {
    if (!fresh.has(job.id) || live(job)) continue;
    tell(job); // the last list has its end already, so no other list may come
    unsay(job.id);
    fresh.delete(job.id);
    watched.delete(job.id);
  }
  refresh();
}
