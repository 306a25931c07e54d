/* The tasks of this owner, from the server's last answer. */

import { connection } from "./connection.js";
import { find } from "./dom.js";
import { note } from "./journal.js";
import { preferences } from "./preferences.js";
import { call } from "./server.js";

/**
 * A task in the answer of /api/tasks, with the fields that these scripts use.
 *
 * @typedef {object} Job
 * @property {string} id
 * @property {string} type
 * @property {string} backend
 * @property {"pending" | "processing" | "completed" | "failed"} status
 * @property {number} progress 0 to 100
 * @property {string} stage
 * @property {number} attempt
 * @property {number | null} eta_s
 * @property {number | null} frames_per_s of a running video
 * @property {{total: number, done: number, running: number} | null} parts of a long video
 * @property {number | null} position in the queue, from 1
 * @property {boolean} held it waits until the queue is resumed
 * @property {string} title typed by a user: put it into text nodes, never into markup
 * @property {{name: string, thumbnail: string} | null} source names are typed by a user, too
 * @property {{name: string, thumbnail: string} | null} target
 * @property {string | null} error_code
 * @property {Record<string, unknown>} error_details
 * @property {string | null} error_message in English
 * @property {string | null} result_url
 * @property {string} remote_stop
 * @property {Batch | null} batch
 * @property {string | null} frame_url of a small picture of the latest swapped frame
 */

/**
 * All tasks of a batch together.
 *
 * @typedef {object} Batch
 * @property {string} id
 * @property {number} tasks
 * @property {number} completed
 * @property {number} failed
 * @property {number} progress 0 to 100
 * @property {number | null} eta_s
 * @property {string | null} result_url of a ZIP
 */

/** @type {Job[]} newest first */
export let jobs = [];

/** @type {string | null} */
let etag = null;
let busy = false;
let wanted = false;

/** @param {Job} job */
export const live = (job) => job.status === "pending" || job.status === "processing";

/** @param {string} [id] */
export const jobOf = (id) => jobs.find((job) => job.id === id);

/** A text that changes if, and only if, a list of tasks must be drawn again. */
export const signature = () => jobs.map((job) => `${job.id}:${job.status}:${job.remote_stop}:${job.title}`).join(" ");

/** Ask for the tasks now instead of at the timer's next tick. */
export const refresh = () => find("fs-refresh")?.click();

/**
 * Ask the server for the tasks. This sends no request while another one waits for its answer, or in a hidden tab,
 * unless the visitor asked to be notified of tasks that run.
 *
 * @returns {Promise<"changed" | "same" | "unknown">} whether the tasks changed; "unknown" when there was no answer
 */
export async function look() {
  const unseen = document.hidden && !(preferences.notify && jobs.some(live));
  if (busy || unseen) {
    wanted ||= busy;
    return "unknown";
  }
  busy = true;
  try {
    const known = etag ? { "If-None-Match": etag } : undefined;
    const answer = await call("GET", "/api/tasks?scope=recent", { headers: known });
    connection(answer.status === 401 ? "session_lost" : answer.status >= 500 ? "offline" : null);
    if (answer.status === 304) return "same";
    if (!answer.ok) return "unknown";
    note(jobs, answer.data, etag === null);
    jobs = answer.data;
    etag = answer.headers.get("ETag");
    return "changed";
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof DOMException)) console.error(error);
    connection("offline");
    return "unknown";
  } finally {
    busy = false;
    if (wanted) setTimeout(refresh);
    wanted = false;
  }
}
