/* The words of the page's language, and what is built from them: durations, status, reasons.
 *
 * A Chinese browser of any variant gets Chinese, all others get English.
 */

/** @import {Job} from "./tasks.js" */

/**
 * @typedef {object} Catalogue
 * @property {Record<string, string>} words
 * @property {Record<string, string>} status
 * @property {Record<string, string>} stages
 * @property {Record<string, string>} remoteStop
 * @property {Record<string, string>} errors by error code
 */

const ATTEMPTS_SHOWN_FROM = 2;

export const chinese = (navigator.language || "").toLowerCase().startsWith("zh");
export const language = chinese ? "zh-CN" : "en";

/** @type {Catalogue} */
export const catalogue = await load();

async function load() {
  const answer = await fetch(new URL(`../words/${language}.json`, import.meta.url));
  if (!answer.ok) throw new Error(`the words of the page: HTTP ${answer.status}`);
  return answer.json();
}

/**
 * A sentence of the catalogue with its `{names}` filled in.
 *
 * @param {string} key
 * @param {Record<string, unknown>} [values]
 */
export function word(key, values = {}) {
  const text = catalogue.words[key];
  if (text === undefined) throw new Error(`there are no words for ${key}`);
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** @param {number} seconds */
export function duration(seconds) {
  const whole = Math.max(1, Math.round(seconds));
  const [m, s] = [Math.floor(whole / 60), whole % 60];
  return m ? word("minutes", { m, s }) : word("seconds", { s });
}

/**
 * The status, and for a running task what it does and how often it was started.
 *
 * @param {Job} job
 */
export function statusOf(job) {
  const status = catalogue.status[job.status];
  if (job.status !== "processing") return status;
  const remarks = [];
  if (job.stage !== "processing" && job.stage !== "queued") remarks.push(catalogue.stages[job.stage]);
  if (job.attempt >= ATTEMPTS_SHOWN_FROM) remarks.push(word("retrying", { attempt: job.attempt }));
  return [status, ...remarks].join(" · ");
}

/**
 * The place in line of a waiting task, or the time left of a running one.
 *
 * @param {Job} job
 */
export function left(job) {
  if (job.position) return word("place", { position: job.position });
  return job.eta_s === null ? "…" : duration(job.eta_s);
}

/**
 * Why a task failed, or "".
 *
 * @param {Job} job
 */
export function reasonOf(job) {
  if (job.status !== "failed") return "";
  const known = catalogue.errors[job.error_code ?? ""];
  return known || (chinese ? catalogue.errors.internal : job.error_message || "");
}

/**
 * How the stop of a task in the cloud goes, or "".
 *
 * @param {Job} job
 */
export const remoteStopOf = (job) => catalogue.remoteStop[job.remote_stop] ?? "";

/**
 * What an error is called on the pages.
 *
 * @param {string | null} code
 */
export const errorWords = (code) => catalogue.errors[code ?? ""] || word("action_failed");

/**
 * Why the server refused a request. It names the error's code in a header.
 *
 * @param {Response} answer
 */
export const refusalOf = (answer) => errorWords(answer.headers.get("X-FaceSwap-Error"));
