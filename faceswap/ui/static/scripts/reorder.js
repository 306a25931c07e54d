/* Waiting tasks change their order: their pictures in the panel are dragged, or moved with the arrow keys. */

import { nearest } from "./dom.js";
import { call } from "./server.js";
import { jobOf, jobs, refresh } from "./tasks.js";
import { toast } from "./toasts.js";
import { word } from "./words.js";

/** @import {Job} from "./tasks.js" */

const DRAG_FROM_PX = 4; // a shorter way is a click

/**
 * The tasks that change places with this one, in the order in which they will run.
 *
 * @param {Job} job
 */
const exchangeable = (job) => waitingWith(job).filter((each) => each.batch?.id === job.batch?.id);

/**
 * All tasks that wait for the same backend.
 *
 * @param {Job} job
 */
const waitingWith = ({ backend }) =>
  jobs.filter((each) => each.status === "pending" && each.backend === backend).sort(byTurn);

/**
 * Running tasks first, then the waiting ones in the order in which they will run.
 *
 * @param {Job} one
 * @param {Job} other
 */
export const byTurn = (one, other) => (one.position ?? 0) - (other.position ?? 0);

/**
 * Let a task's picture be dragged while the task waits and another one waits, too.
 *
 * @param {Job} job
 */
export function drawGrip(job) {
  const grip = gripOf(job.id);
  if (!grip) return;
  grip.disabled = job.status !== "pending" || exchangeable(job).length < 2;
  grip.title = grip.disabled ? "" : word("move_hint");
  if (grip.disabled) grip.removeAttribute("aria-label");
  else grip.ariaLabel = word("move_named", { title: job.title });
}

/** @param {string} id of a task */
function gripOf(id) {
  const grip = document.querySelector(`#fs-pictures [data-job="${CSS.escape(id)}"] .fs-grip`);
  return grip instanceof HTMLButtonElement ? grip : null;
}

/**
 * Put a waiting task in a place among those that it changes places with.
 *
 * @param {Job} job
 * @param {number} place from 0
 */
async function moveTo(job, place) {
  const others = exchangeable(job).filter((each) => each !== job);
  const waiting = waitingWith(job).filter((each) => each !== job);
  const before = others[place] ?? waiting[waiting.indexOf(others[others.length - 1]) + 1];
  const body = before ? { before: before.id } : { place: waiting.length + 1 };
  await move(job.id, body, word("moved_to", { title: job.title, place: place + 1 }));
  refresh();
}

/**
 * Ask the server to put a waiting task in another place, and say whether it did.
 *
 * @param {string} id of a task
 * @param {{place: number} | {before: string}} body
 * @param {string} done what is said when it did
 */
export async function move(id, body, done) {
  const answer = await call("POST", `/api/jobs/${encodeURIComponent(id)}/move`, { body });
  if (answer.ok) toast(done, "good");
  else toast(word(answer.status === 400 ? "moved_late" : "action_failed"), "bad");
}

/** @param {PointerEvent} down on the picture of a waiting task */
function drag(down) {
  const grip = nearest(down, ".fs-grip");
  if (!(grip instanceof HTMLButtonElement) || grip.disabled || down.button !== 0) return;
  const item = grip.closest("li");
  const job = jobOf(item?.dataset.job);
  if (!item || !job) return;
  const items = exchangeable(job).flatMap(({ id }) => gripOf(id)?.closest("li") ?? []);
  const from = items.indexOf(item);
  const middles = items.map((each) => each.getBoundingClientRect()).map(({ top, height }) => top + height / 2);
  let place = from;
  grip.setPointerCapture(down.pointerId);

  const follow = (/** @type {PointerEvent} */ event) => {
    const way = event.clientY - down.clientY;
    if (!item.dataset.dragged && Math.abs(way) < DRAG_FROM_PX) return;
    item.dataset.dragged = "true";
    item.style.translate = `0 ${way}px`;
    const middle = middles[from] + way;
    place = middles.filter((each, index) => index !== from && each < middle).length;
    items.forEach((each, index) => {
      const moved = index !== from && (index < from ? index >= place : index <= place);
      each.dataset.makesRoom = moved ? (index < from ? "down" : "up") : "";
    });
  };
  const end = (/** @type {Event} */ event) => {
    grip.removeEventListener("pointermove", follow);
    for (const name of ENDS) document.removeEventListener(name, end, true);
    const dragged = item.dataset.dragged;
    delete item.dataset.dragged;
    item.style.translate = "";
    for (const each of items) delete each.dataset.makesRoom;
    if (dragged && event.type === "pointerup" && place !== from) moveTo(job, place);
  };
  const ENDS = ["pointerup", "pointercancel", "keydown"];
  grip.addEventListener("pointermove", follow);
  for (const name of ENDS) document.addEventListener(name, end, true);
}

/** @param {KeyboardEvent} event */
function step(event) {
  const way = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  const grip = event.target;
  if (!way || !(grip instanceof HTMLButtonElement) || !grip.matches(".fs-grip")) return;
  event.preventDefault();
  const job = jobOf(grip.closest("li")?.dataset.job);
  if (!job || grip.disabled) return;
  const group = exchangeable(job);
  const place = group.findIndex((each) => each.id === job.id) + way;
  if (place >= 0 && place < group.length) moveTo(job, place);
}

export function watchOrder() {
  document.addEventListener("pointerdown", drag);
  document.addEventListener("keydown", step);
  document.addEventListener("dragstart", (event) => {
    if (nearest(event, ".fs-grip")) event.preventDefault(); // a picture's own, which would end ours
  });
}
