/* Tells a visitor who looks elsewhere how the tasks are going, if the settings ask for that. */

import { preferences } from "./preferences.js";
import { chime } from "./sound.js";
import { word } from "./words.js";

/** @import {Job} from "./tasks.js" */

/** The page's own title, without a progress. */
let title = "";

/**
 * Show in the tab's title how far the first running task is.
 *
 * @param {Job[]} jobs
 */
export function showInTitle(jobs) {
  title ||= document.title;
  const running = preferences.notify && jobs.find((job) => job.status === "processing");
  document.title = running ? `${Math.floor(running.progress)}% · ${title}` : title;
}

/**
 * Tell that a task has ended.
 *
 * @param {Job} job
 */
export function notify(job) {
  if (preferences.sound) chime();
  if (!preferences.notify || !document.hidden || Notification.permission !== "granted") return;
  const failed = job.error_code === "cancelled" ? "cancelled_toast" : "failed_toast";
  const text = word(job.status === "completed" ? "done_toast" : failed, { title: job.title });
  const note = new Notification(word("title_start"), { body: text, tag: job.id });
  note.addEventListener("click", () => window.focus());
}
