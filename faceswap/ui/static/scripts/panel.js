/* The docked panel: a table of live tasks with a cancel button for each, and the tasks that ended last.
 *
 * The table is a Gradio Dataframe, whose value is `table()`. This script draws the rest.
 */

import { make, part } from "./dom.js";
import { dataframe, rowsOf } from "./gradio.js";
import { showInTitle } from "./notify.js";
import { namesOf, thumbnails } from "./pictures.js";
import { address } from "./server.js";
import { jobs, live } from "./tasks.js";
import { catalogue, left, reasonOf, remoteStopOf, statusOf, word } from "./words.js";

/** @import {Job} from "./tasks.js" */

const OPEN = "faceswap-panel"; // remembered by the browser: "open" or "closed"
const OPEN_FROM_WIDTH = "(min-width: 900px)";

export function table() {
  const headers = ["column_title", "column_status", "column_progress", "column_eta"].map((key) => word(key));
  const rows = jobs.filter(live).map((job) => [nameOf(job), statusOf(job), bar(job), left(job)]);
  return dataframe(headers, rows);
}

/**
 * The title of a task and, in a second line, the names of its files.
 *
 * @param {Job} job
 */
const nameOf = (job) => [job.title, namesOf(job)].filter(Boolean).join("\n");

/**
 * A progress bar. Its cell is HTML, so it contains only numbers; cells with titles and words are plain text.
 *
 * @param {Job} job
 */
function bar(job) {
  const done = Math.floor(Number(job.progress));
  return `<span class="fs-bar"><i style="width:${done}%"></i></span><span class="fs-percent">${done}%</span>`;
}

export function render() {
  showInTitle(jobs);
  const active = jobs.filter(live);
  const counts = { running: active.filter((job) => job.status === "processing").length, live: active.length };
  const pill = part("fs-pill");
  part("fs-count").textContent = active.length ? word("tasks_count", counts) : word("tasks");
  const running = active.find((job) => job.status === "processing");
  part("fs-share").textContent = running ? `${Math.floor(running.progress)}%` : "";
  part("fs-share").hidden = !running;
  pill.title = active.length ? word("tasks_hint", counts) : "";
  pill.dataset.running = String(counts.running > 0);
  part("fs-dock").dataset.active = String(active.length);
  renderBeside("fs-pictures", active, (job) => [thumbnails(job)]);
  renderBeside("fs-cancels", active, (job) => [cancelButton(job)]);
  align();
  renderFinished(jobs.filter((job) => !live(job)));
  for (const job of active) {
    for (const meter of document.querySelectorAll(`progress[data-job="${CSS.escape(job.id)}"]`)) {
      if (meter instanceof HTMLProgressElement) meter.value = job.progress;
    }
  }
}

/**
 * Draw a list beside the table, with an item for each task. An item stays the same element until its task ends, so a
 * refresh loses no focus or click.
 *
 * @param {string} id of the list
 * @param {Job[]} active
 * @param {(job: Job) => Node[]} draw makes the content of an item
 */
function renderBeside(id, active, draw) {
  const list = part(id);
  const items = /** @type {HTMLElement[]} */ ([...list.children]);
  const present = new Map(items.map((item) => [item.dataset.job, item]));
  const wanted = active.map((job) => present.get(job.id) || itemOf(job, draw(job)));
  for (const [job, item] of present) {
    if (active.some((each) => each.id === job)) continue;
    const focused = item.contains(document.activeElement);
    item.remove();
    if (focused) (list.querySelector("button") || part("fs-pill")).focus();
  }
  wanted.forEach((item, index) => {
    if (list.children[index] !== item) list.insertBefore(item, list.children[index] || null);
  });
}

/**
 * @param {Job} job
 * @param {Node[]} content
 */
function itemOf(job, content) {
  const item = make("li", {}, ...content);
  item.dataset.job = job.id;
  return item;
}

/** @param {Job} job */
function cancelButton(job) {
  const label = word("cancel_named", { title: job.title });
  const button = make("button", { type: "button", ariaLabel: label, title: label }, "✕");
  button.dataset.do = "cancel";
  button.dataset.job = job.id;
  return button;
}

/**
 * Put each picture and cancel button beside its row, for any size of the table's parts. The dock's observer calls this whenever
 * the dock's size changes, so it must not move anything that it measures.
 */
function align() {
  const rows = rowsOf("fs-table");
  if (!rows) return;
  for (const id of ["fs-pictures", "fs-cancels"]) {
    part(id).style.top = `${rows.top - part("fs-active").getBoundingClientRect().top}px`;
  }
}

/** @param {Job[]} finished */
function renderFinished(finished) {
  const list = part("fs-finished");
  part("fs-finished-head").hidden = finished.length === 0;
  const shown = finished.map((job) => `${job.id} ${job.status} ${job.remote_stop} ${job.title} ${job.result_url}`).join("|");
  if (list.dataset.shown === shown) return;
  list.dataset.shown = shown;
  list.replaceChildren(...finished.map(finishedItem));
}

/** @param {Job} job */
function finishedItem(job) {
  const state = make("span", { className: "fs-status" }, catalogue.status[job.status]);
  state.dataset.status = job.status;
  const title = make("span", { className: "fs-title", title: job.title }, job.title);
  const names = make("small", { title: namesOf(job) }, namesOf(job));
  const item = itemOf(job, [thumbnails(job), make("span", { className: "fs-named" }, title, names), state]);
  const remarks = [reasonOf(job), remoteStopOf(job)].filter(Boolean).join(" · ");
  if (remarks) item.append(make("span", { className: "fs-why" }, remarks));
  if (job.result_url) {
    const play = make("button", { type: "button" }, word(job.type.endsWith("video") ? "play" : "view"));
    play.dataset.do = "view";
    play.dataset.job = job.id;
    play.ariaLabel = `${play.textContent}: ${job.title}`;
    const save = make("a", { href: address(job.result_url), download: "" }, word("download"));
    save.ariaLabel = `${word("download")}: ${job.title}`;
    item.append(make("span", { className: "fs-acts" }, play, save));
  }
  return item;
}

export function toggle() {
  const open = part("fs-dock").dataset.open !== "true";
  localStorage.setItem(OPEN, open ? "open" : "closed");
  show(open);
}

/** Close the panel for now on a small screen, where it covers the page that the user wants to see. */
export function stepAside() {
  if (!window.matchMedia(OPEN_FROM_WIDTH).matches) show(false);
}

/** @param {boolean} open */
function show(open) {
  part("fs-dock").dataset.open = String(open);
  part("fs-pill").ariaExpanded = String(open);
}

/** Called once, when the dock is on the page. */
export function startPanel() {
  const dock = part("fs-dock");
  dock.setAttribute("role", "region");
  dock.setAttribute("aria-label", word("panel"));
  dock.dataset.limit = part("fs-pill").dataset.limit;
  const remembered = localStorage.getItem(OPEN);
  show(remembered ? remembered === "open" : window.matchMedia(OPEN_FROM_WIDTH).matches);
  new ResizeObserver(() => {
    document.documentElement.style.setProperty("--fs-dock-height", `${dock.offsetHeight}px`);
    align();
  }).observe(dock);
}
