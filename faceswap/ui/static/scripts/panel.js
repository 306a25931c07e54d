/* The docked panel: a table of live tasks with a cancel button for each, and the tasks that ended last.
 *
 * The table is a Gradio Dataframe, whose value is `table()`. This script draws the rest.
 */

import { inside, make, part } from "./dom.js";
import { dataframe, rowsOf } from "./gradio.js";
import { showInTitle } from "./notify.js";
import { namesOf, showLatestFrames, thumbnails } from "./pictures.js";
import { byTurn, drawGrip } from "./reorder.js";
import { address } from "./server.js";
import { jobs, live, refresh } from "./tasks.js";
import { catalogue, duration, left, reasonOf, remoteStopOf, statusOf, word } from "./words.js";

/** @import {Batch, Job} from "./tasks.js" */

/**
 * A row: a task, or a batch whose tasks are folded into it.
 *
 * @typedef {object} Row
 * @property {string} id
 * @property {Job} job the task, or the first live one of the batch
 * @property {Batch | null} batch null for a task
 */

const OPEN = "faceswap-panel"; // remembered by the browser: "open" or "closed"
const OPEN_FROM_WIDTH = "(min-width: 900px)";

/** @type {Set<string>} ids of the batches whose tasks are shown */
const unfolded = new Set();

/** Whether a batch was folded or unfolded since the table was drawn. */
let stale = false;

/** @returns {Row[]} of the live tasks, in the order in which they run. A batch takes the place of its first one. */
function rows() {
  /** @type {Row[]} */
  const found = [];
  const seen = new Set();
  for (const job of jobs.filter(live).reverse().sort(byTurn)) {
    const batch = job.batch;
    if (batch && !seen.has(batch.id)) found.push({ id: batch.id, job, batch });
    if (batch) seen.add(batch.id);
    if (!batch || unfolded.has(batch.id)) found.push({ id: job.id, job, batch: null });
  }
  return found;
}

export function table() {
  const headers = ["column_title", "column_status", "column_progress", "column_eta"].map((key) => word(key));
  const cells = rows().map((row) => (row.batch ? cellsOfBatch(row.batch) : cellsOf(row.job)));
  return dataframe(headers, cells);
}

/** @param {Job} job */
const cellsOf = (job) => [nameOf(job), statusOf(job), bar(job.progress), left(job)];

/** @param {Batch} batch */
function cellsOfBatch(batch) {
  const time = batch.eta_s === null ? "…" : duration(Math.max(1, batch.eta_s));
  return [batchName(batch), batchStatus(batch), bar(batch.progress), time];
}

/** @param {Batch} batch */
const batchName = (batch) => word("batch_named", { count: batch.tasks });

/** @param {Batch} batch */
const batchStatus = (batch) =>
  word(batch.failed ? "batch_status_failed" : "batch_status", { done: batch.completed, failed: batch.failed });

/**
 * The title of a task and, in a second line, the names of its files.
 *
 * @param {Job} job
 */
const nameOf = (job) => [job.title, namesOf(job)].filter(Boolean).join("\n");

/**
 * A progress bar. Its cell is HTML, so it contains only numbers; cells with titles and words are plain text.
 *
 * @param {number} progress
 */
function bar(progress) {
  const done = Math.floor(Number(progress));
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
  const shown = rows();
  renderBeside("fs-pictures", shown, (row) => [row.batch ? unfoldButton(row.batch) : gripFor(row.job)]);
  renderBeside("fs-cancels", shown, (row) => [row.batch ? cancelBatchButton(row.batch) : cancelButton(row.job)]);
  for (const row of shown) if (!row.batch) drawGrip(row.job);
  showLatestFrames(active);
  align();
  renderQueue(active);
  renderFinished(jobs.filter((job) => !live(job)));
  for (const job of active) {
    for (const meter of document.querySelectorAll(`progress[data-job="${CSS.escape(job.id)}"]`)) {
      if (meter instanceof HTMLProgressElement) meter.value = job.progress;
    }
  }
}

/**
 * Offer to start no other task after the running ones, or to go on.
 *
 * @param {Job[]} active
 */
function renderQueue(active) {
  const queue = part("fs-queue");
  const held = active.some((job) => job.held);
  queue.hidden = !active.some((job) => job.status === "pending");
  inside(queue, "span").textContent = held ? word("queue_stopped") : "";
  const button = inside(queue, "button");
  button.textContent = word(held ? "queue_resume" : "queue_stop");
  button.dataset.held = String(held);
}

/**
 * Draw a list beside the table, with an item for each row. An item stays the same element until its row goes, so a
 * refresh loses no focus or click.
 *
 * @param {string} id of the list
 * @param {Row[]} shown
 * @param {(row: Row) => Node[]} draw makes the content of an item
 */
function renderBeside(id, shown, draw) {
  const list = part(id);
  const items = /** @type {HTMLElement[]} */ ([...list.children]);
  const present = new Map(items.map((item) => [item.dataset.job, item]));
  const wanted = shown.map((row) => present.get(row.id) || itemOf(row.id, draw(row)));
  for (const [row, item] of present) {
    if (shown.some((each) => each.id === row)) continue;
    const focused = item.contains(document.activeElement);
    item.remove();
    if (focused) (list.querySelector("button") || part("fs-pill")).focus();
  }
  const focused = document.activeElement;
  wanted.forEach((item, index) => {
    if (list.children[index] !== item) list.insertBefore(item, list.children[index] || null);
  });
  if (focused instanceof HTMLElement && list.contains(focused)) focused.focus(); // a moved element has lost it
}

/**
 * @param {string} id of a task or batch
 * @param {Node[]} content
 */
function itemOf(id, content) {
  const item = make("li", {}, ...content);
  item.dataset.job = id;
  return item;
}

/**
 * The pictures of a task, which can be dragged while it waits.
 *
 * @param {Job} job
 */
function gripFor(job) {
  const pictures = thumbnails(job);
  return make("button", { type: "button", className: "fs-grip" }, pictures.childElementCount ? pictures : "⠿");
}

/** @param {Batch} batch */
function unfoldButton(batch) {
  const button = make("button", { type: "button", className: "fs-unfold", ariaLabel: word("batch_unfold") }, "▸");
  button.ariaExpanded = String(unfolded.has(batch.id));
  button.title = word("batch_unfold");
  button.dataset.do = "unfold";
  button.dataset.batch = batch.id;
  return button;
}

/**
 * Show the tasks of a batch, or hide them.
 *
 * @param {HTMLElement} button
 */
export function unfold(button) {
  const id = button.dataset.batch ?? "";
  if (!unfolded.delete(id)) unfolded.add(id);
  button.ariaExpanded = String(unfolded.has(id));
  stale = true;
  render();
  refresh();
}

/** Whether the table must be drawn again although no task has changed. Asking makes it no longer so. */
export function takeStale() {
  const was = stale;
  stale = false;
  return was;
}

/** @param {Batch} batch */
function cancelBatchButton(batch) {
  const label = word("cancel_batch");
  const button = make("button", { type: "button", ariaLabel: label, title: label }, "✕");
  button.dataset.do = "cancelBatch";
  button.dataset.batch = batch.id;
  return button;
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
  const shown = finished.map((job) => [job.id, job.status, job.remote_stop, job.parts?.running, job.title, job.result_url, ended(job)].join(" ")).join("|");
  if (list.dataset.shown === shown) return;
  list.dataset.shown = shown;
  list.replaceChildren(...finished.flatMap(finishedItems));
}

/**
 * Whether every task of the job's batch is over.
 *
 * @param {Job} job
 */
const ended = (job) => job.batch !== null && job.batch.completed + job.batch.failed === job.batch.tasks;

/**
 * The item of a task. A batch that is over has one item, in the place of the first of its tasks.
 *
 * @param {Job} job
 * @param {number} index
 * @param {Job[]} finished
 */
function finishedItems(job, index, finished) {
  if (!job.batch || !ended(job)) return [finishedItem(job)];
  const first = finished.findIndex((each) => each.batch?.id === job.batch?.id);
  return first === index ? [finishedBatch(job.batch)] : [];
}

/** @param {Batch} batch */
function finishedBatch(batch) {
  const title = make("span", { className: "fs-title" }, batchName(batch));
  const named = make("span", { className: "fs-named" }, title, make("small", {}, batchStatus(batch)));
  const item = itemOf(batch.id, [named]);
  const acts = make("span", { className: "fs-acts" });
  if (batch.failed) {
    const again = make("button", { type: "button" }, word("retry"));
    again.dataset.do = "retryBatch";
    again.dataset.batch = batch.id;
    again.ariaLabel = `${word("retry")}: ${batchName(batch)}`;
    acts.append(again);
  }
  if (batch.result_url) {
    const save = make("a", { href: address(batch.result_url), download: "" }, word("download_all"));
    acts.append(save);
  }
  item.append(acts);
  return item;
}

/** @param {Job} job */
function finishedItem(job) {
  const state = make("span", { className: "fs-status" }, catalogue.status[job.status]);
  state.dataset.status = job.status;
  const title = make("span", { className: "fs-title", title: job.title }, job.title);
  const names = make("small", { title: namesOf(job) }, namesOf(job));
  const item = itemOf(job.id, [thumbnails(job), make("span", { className: "fs-named" }, title, names), state]);
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
