/* Fills in words that depend on the visitor. The server leaves these elements empty. As soon as one is on the page,
 * this script fills it, in the page's language and the visitor's time zone:
 *
 *   <span data-status="processing">                                         the word of a status
 *   <time datetime="2026-06-01T12:00:00Z" data-style="exact">               a time; "exact" shows the seconds
 *   <span data-seconds="75">                                                a duration
 *   <span data-error="too_long" data-details='{"limit_s": 5}' data-message="…">   why a task failed
 *   <span data-remote-stop="pending">                                       how its stop in the cloud is going
 */

import { catalogue, duration, errorText, language } from "./words.js";

const EMPTY = ["data-status", "datetime", "data-seconds", "data-error", "data-remote-stop"]
  .map((name) => `[${name}]:empty`)
  .join();

export function localise() {
  /** @type {NodeListOf<HTMLElement>} */
  const elements = document.querySelectorAll(EMPTY);
  for (const element of elements) element.textContent = textOf(element);
}

/** @param {HTMLElement} element */
function textOf(element) {
  if (element instanceof HTMLTimeElement) return timeText(element);
  const { status, seconds, error, details, message, remoteStop } = element.dataset;
  if (status !== undefined) return catalogue.status[status];
  if (seconds !== undefined) return duration(Number(seconds));
  if (remoteStop !== undefined) return catalogue.remoteStop[remoteStop];
  return errorText(error ?? null, JSON.parse(details || "{}"), message);
}

/** @param {HTMLTimeElement} time */
function timeText(time) {
  const at = new Date(time.dateTime);
  /** @type {Intl.DateTimeFormatOptions} */
  const style = time.dataset.style === "exact" ? { timeStyle: "medium" } : { dateStyle: "medium", timeStyle: "short" };
  time.title = at.toLocaleString();
  return at.toLocaleString(language, style);
}

/** Fill the elements that are there, and those that Gradio draws later. */
export function watchEmpty() {
  localise();
  new MutationObserver(localise).observe(document.documentElement, { childList: true, subtree: true });
}
