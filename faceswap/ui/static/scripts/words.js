/* The words of the page's language, and texts that are made from them: durations, status, reasons.
 *
 * A browser set to any variant of Chinese gets Chinese. All others get English.
 */

import { preferences } from "./preferences.js";

/** @import {Job} from "./tasks.js" */

/**
 * @typedef {object} Catalogue
 * @property {Record<string, string>} words
 * @property {Record<string, string>} status
 * @property {Record<string, string>} stages
 * @property {Record<string, string>} remoteStop
 * @property {Record<string, string>} values words for values that are put into sentences
 * @property {Record<string, string>} errors by error code
 */

const ATTEMPTS_SHOWN_FROM = 2;

const asked = preferences.language === "auto" ? navigator.language || "" : preferences.language;

export const chinese = asked.toLowerCase().startsWith("zh");
export const language = chinese ? "zh-CN" : "en";

/** @type {Catalogue} */
export const catalogue = await load();

async function load() {
  const answer = await fetch(new URL(`../words/${language}.json`, import.meta.url));
  if (!answer.ok) throw new Error(`the words of the page: HTTP ${answer.status}`);
  return answer.json();
}

/**
 * Fill the `{names}` of a sentence. `{name:.1f}` is a number with one decimal.
 *
 * @param {string} sentence
 * @param {Record<string, unknown>} values
 */
function fill(sentence, values) {
  return sentence.replace(/\{(\w+)(?::\.(\d)f)?\}/g, (_, name, decimals) => {
    const value = values[name];
    if (value === undefined || value === null) return "…";
    return decimals && typeof value === "number" ? value.toFixed(Number(decimals)) : String(value);
  });
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
  return fill(text, values);
}

/**
 * The sentence about an error on the pages.
 *
 * @param {string | null} code
 * @param {Record<string, unknown>} [details] values that fill the sentence
 * @param {string | null} [message] the error's own English sentence. English pages show it when the code or one
 *     of its details is unknown here.
 */
export function errorText(code, details = {}, message = "") {
  const sentence = catalogue.errors[code ?? ""];
  const needed = sentence?.match(/(?<=\{)\w+/g) ?? [];
  const known = sentence && needed.every((name) => name in details);
  if (message && !chinese && !known) return message;
  return fill(sentence || catalogue.errors.internal, Object.fromEntries(Object.entries(details).map(inWords)));
}

/** @param {[string, unknown]} detail */
function inWords([name, value]) {
  const known = typeof value === "string" && Object.hasOwn(catalogue.values, value);
  return [name, known ? catalogue.values[value] : value];
}

/** @param {number} seconds */
export function duration(seconds) {
  const whole = Math.round(seconds);
  const [m, s] = [Math.floor(whole / 60), whole % 60];
  return m ? word("minutes", { m, s }) : word("seconds", { s });
}

/**
 * The status of a task. For a running task also its stage and how often it was started.
 *
 * @param {Job} job
 */
export function statusOf(job) {
  const status = catalogue.status[job.status];
  if (job.status !== "processing") return status;
  const remarks = [];
  if (job.stage !== "processing" && job.stage !== "queued") remarks.push(catalogue.stages[job.stage]);
  if (job.parts) remarks.push(word("parts_done", job.parts));
  if (job.frames_per_s) remarks.push(word("frames_a_second", { number: Math.round(job.frames_per_s) }));
  if (job.attempt >= ATTEMPTS_SHOWN_FROM) remarks.push(word("retrying", { attempt: job.attempt }));
  return [status, ...remarks].join(" · ");
}

/**
 * The place in the queue for a waiting task, or the time left for a running one.
 *
 * @param {Job} job
 */
export function left(job) {
  if (job.held) return "…";
  if (job.position) return word("place", { position: job.position });
  return job.eta_s === null ? "…" : duration(Math.max(1, job.eta_s));
}

/**
 * Why a task failed, or "".
 *
 * @param {Job} job
 */
export function reasonOf(job) {
  return job.status === "failed" ? errorText(job.error_code, job.error_details, job.error_message) : "";
}

/**
 * What happens to the stop of a task in the cloud, or "".
 *
 * @param {Job} job
 */
export function remoteStopOf(job) {
  const said = catalogue.remoteStop[job.remote_stop] ?? "";
  if (job.remote_stop !== "pending" || !job.parts?.running) return said;
  return `${said} · ${word("parts_running", { running: job.parts.running })}`;
}

/**
 * Why the server refused a request, from the headers of its answer.
 *
 * @param {{headers: Headers}} answer
 */
export function refusalOf(answer) {
  const code = answer.headers.get("X-FaceSwap-Error");
  if (!code || !catalogue.errors[code]) return word("action_failed");
  return errorText(code, JSON.parse(answer.headers.get("X-FaceSwap-Error-Details") || "{}"));
}
