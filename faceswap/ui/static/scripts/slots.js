/* The slots for files: choose, drop or paste a file, see how much of it was sent, and stop that. */

import { photograph } from "./camera.js";
import { inside } from "./dom.js";
import { filesOf, forgetChoice, problemOf } from "./files.js";
import { giveFile } from "./gradio.js";
import { upload } from "./server.js";
import { refusalOf, word } from "./words.js";

/** @typedef {"source" | "target"} Role */

const ANIMATED = /\.(gif|apng)$/i;
const VIDEO = /\.(mp4|m4v|mov|mkv|webm|avi)$/i;

/** @type {Map<string, (upload: string) => void>} by role: asks the server for the card of an upload */
const shows = new Map();

/** @type {Map<string, string>} by role: an upload that is shown when the slot is there */
const wanted = new Map();

/** @type {Map<string, AbortController>} by role: stops the upload that is running */
const sending = new Map();

/**
 * The card of a slot calls this with the function that asks the server for its content.
 *
 * @param {string} role
 * @param {(upload: string) => void} show
 */
export function lendSlot(role, show) {
  shows.set(role, show);
  const id = wanted.get(role);
  wanted.delete(role);
  if (id) show(id);
  takeWaiting(role);
}

/**
 * Show an upload in a slot, as soon as the slot can.
 *
 * @param {string} role
 * @param {string} id
 */
export function showUpload(role, id) {
  const show = shows.get(role);
  if (show) show(id);
  else wanted.set(role, id);
}

/** @returns {HTMLElement[]} */
const zones = () => [...document.querySelectorAll(".fs-zone")].filter((zone) => zone instanceof HTMLElement);

/** @param {string | undefined} role */
const zoneOf = (role) => zones().find((zone) => zone.dataset.role === role);

/** @param {HTMLElement} zone */
const isFilled = (zone) => Boolean(zone.closest(".fs-slot")?.querySelector(".fs-media"));

/** @param {HTMLElement} button */
export const choose = (button) => inside(zoneOf(button.dataset.role) ?? document, "input").click();

/** @param {HTMLElement} button */
export const abort = (button) => sending.get(button.dataset.role ?? "")?.abort();

/** @param {HTMLElement} button */
export function clear(button) {
  const role = button.dataset.role ?? "";
  const zone = zoneOf(role);
  if (!zone) return;
  shows.get(role)?.("");
  const focus = (/** @type {unknown} */ _, /** @type {MutationObserver} */ watch) => {
    if (isFilled(zone)) return;
    watch.disconnect();
    inside(zone, "[data-do=choose]").focus(); // it cannot be seen before
  };
  new MutationObserver(focus).observe(zone.closest(".fs-slot") ?? zone, { childList: true, subtree: true });
}

/**
 * Send a file, and then show it in its slot. What was in the slot stays until then.
 *
 * @param {HTMLElement} zone
 * @param {File} file
 */
async function fill(zone, file) {
  const role = zone.dataset.role ?? "";
  sending.get(role)?.abort();
  const problem = problemOf([file]);
  tell(zone, problem ?? "");
  if (problem) return;
  const stop = new AbortController();
  sending.set(role, stop);
  const line = inside(zone, ".fs-sending");
  const meter = /** @type {HTMLProgressElement} */ (inside(line, "progress"));
  const says = inside(line, "span");
  line.hidden = false;
  zone.dataset.busy = "true";
  /** @param {number} share */
  const progress = (share) => {
    meter.value = share;
    says.textContent = share < 1 ? word("sending", { percent: Math.floor(share * 100) }) : word("face_busy");
  };
  progress(0);
  try {
    const expected = zone.dataset.kind === "any" ? undefined : zone.dataset.kind;
    const sent = await upload(file, { expected, progress, signal: stop.signal });
    if (sending.get(role) !== stop) return;
    if (sent.ok) showUpload(role, sent.data.fileId);
    else tell(zone, refusalOf(sent));
  } catch (error) {
    if (sending.get(role) === stop && !stop.signal.aborted) tell(zone, word("action_failed"));
  } finally {
    if (sending.get(role) === stop) {
      sending.delete(role);
      line.hidden = true;
      delete zone.dataset.busy;
    }
  }
}

/**
 * @param {HTMLElement} zone
 * @param {string} problem "" removes the message
 */
function tell(zone, problem) {
  const message = inside(zone, ".fs-message");
  message.textContent = problem;
  message.hidden = !problem;
}

/**
 * The slot for a file that was dropped beside the slots, or pasted: one that takes such files, rather an empty one.
 *
 * @param {File} file
 * @param {HTMLElement[]} taken slots that get another file
 */
function slotFor(file, taken) {
  const video = file.type.startsWith("video/") || VIDEO.test(file.name);
  const fits = zones().filter((zone) => {
    if (taken.includes(zone)) return false;
    if (zone.dataset.kind === "any") return true;
    return (zone.dataset.kind === "video") === video;
  });
  const animated = zones().find((zone) => ANIMATED.test(file.name) && zone.dataset.kind === "video");
  return fits.find((zone) => !isFilled(zone)) ?? fits.at(-1) ?? animated;
}

/**
 * @param {FileList} files
 * @param {HTMLElement | undefined} zone for the first file, if the user named one
 */
function distribute(files, zone) {
  if (!zones().length) return giveFile("fs-verify-file", files[0]);
  /** @type {HTMLElement[]} */
  const taken = [];
  for (const file of zone ? [files[0]] : files) {
    const slot = zone ?? slotFor(file, taken);
    if (!slot) continue;
    taken.push(slot);
    fill(slot, file);
  }
}

/** @param {Event} event */
const zoneAt = (event) => {
  const slot = event.target instanceof Element ? event.target.closest(".fs-slot") : null;
  const zone = slot?.querySelector(".fs-zone");
  return zone instanceof HTMLElement ? zone : undefined;
};

/** @param {DragEvent} event */
const bringsFiles = (event) => event.dataTransfer?.types.includes("Files") ?? false;

/** @param {Event} event */
function chosen(event) {
  const files = filesOf(event);
  const zone = zoneAt(event);
  if (zone && files?.length) distribute(files, zone);
  if (zone) forgetChoice(event);
}

/** @param {DragEvent} event */
function over(event) {
  if (!bringsFiles(event)) return;
  event.preventDefault(); // or the browser would open the file and leave the app
  document.documentElement.dataset.dragging = "true";
}

/** @param {DragEvent} event */
function dropped(event) {
  delete document.documentElement.dataset.dragging;
  if (!bringsFiles(event) || event.defaultPrevented) return;
  event.preventDefault();
  const files = filesOf(event);
  if (files?.length) distribute(files, zoneAt(event));
}

/** @param {ClipboardEvent} event */
function pasted(event) {
  const files = event.clipboardData?.files;
  if (!files?.length) return;
  event.preventDefault();
  distribute(files, undefined);
}

/** @param {DragEvent} event */
function left(event) {
  if (event.relatedTarget === null) delete document.documentElement.dataset.dragging;
}

/** @param {HTMLElement} button */
export async function camera(button) {
  const zone = zoneOf(button.dataset.role);
  const file = await photograph();
  if (zone && file) fill(zone, file);
}

/**
 * Take in the file that was chosen before this script was there to notice it.
 *
 * @param {string} role
 */
function takeWaiting(role) {
  const zone = zoneOf(role);
  const input = zone && /** @type {HTMLInputElement} */ (inside(zone, "input"));
  if (!input?.files?.length) return;
  distribute(input.files, zone);
  input.value = "";
}

export function watchSlots() {
  document.addEventListener("change", chosen);
  document.addEventListener("dragover", over);
  document.addEventListener("dragleave", left);
  document.addEventListener("drop", dropped);
  document.addEventListener("paste", pasted);
}
