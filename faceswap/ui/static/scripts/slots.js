/* The slots for files: choose, drop or paste a file, see how much of it was sent, and stop that. */

import { photograph } from "./camera.js";
import { inside, make } from "./dom.js";
import { filesIn, filesOf, forgetChoice, problemOf } from "./files.js";
import { giveFile } from "./gradio.js";
import { upload } from "./server.js";
import { addOther } from "./several.js";
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
 * Send files, the first for the slot itself, and the others for the list below it. What was in the slot stays until
 * then. A file that is refused is told of, and the others are sent all the same.
 *
 * @param {HTMLElement} zone
 * @param {File[]} files
 * @param {boolean} add whether the slot keeps its file and all of these go into the list
 */
async function fillAll(zone, files, add) {
  tell(zone, "");
  for (const [index, file] of files.entries()) {
    if (!(await fill(zone, file, add || index > 0, files.length > 1))) return;
  }
}

/**
 * Send a file, and then show it in its slot or below it.
 *
 * @param {HTMLElement} zone
 * @param {File} file
 * @param {boolean} below
 * @param {boolean} named whether a message must say which file it is about
 * @returns {Promise<boolean>} false if the user stopped it
 */
async function fill(zone, file, below, named) {
  const role = zone.dataset.role ?? "";
  sending.get(role)?.abort();
  /** @param {string} reason */
  const refuse = (reason) => tell(zone, named ? `${file.name}: ${reason}` : reason);
  const problem = problemOf([file]);
  if (problem) {
    refuse(problem);
    return true;
  }
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
    const any = zone.dataset.kind === "any" || role === "source"; // a clip of a person may be a source
    const expected = any ? undefined : zone.dataset.kind;
    const sent = await upload(file, { expected, progress, signal: stop.signal });
    if (sending.get(role) !== stop) return false;
    if (!sent.ok) refuse(refusalOf(sent));
    else if (below) addOther(role, { id: sent.data.fileId, name: sent.data.fileName });
    else showUpload(role, sent.data.fileId);
  } catch (error) {
    if (sending.get(role) === stop && !stop.signal.aborted) refuse(word("action_failed"));
  } finally {
    if (sending.get(role) === stop) {
      sending.delete(role);
      line.hidden = true;
      delete zone.dataset.busy;
    }
  }
  return !stop.signal.aborted;
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
 * @param {FileList | File[]} files
 * @param {HTMLElement | undefined} zone for all files, if the user named one
 */
function distribute(files, zone) {
  if (!zones().length) return giveFile("fs-verify-file", files[0]);
  /** @type {Map<HTMLElement, File[]>} */
  const bySlot = new Map();
  for (const file of files) {
    const slot = zone ?? slotFor(file, [...bySlot.keys()]) ?? slotFor(file, []);
    if (!slot) continue;
    const those = bySlot.get(slot);
    if (!those) bySlot.set(slot, [file]);
    else if (slot.dataset.several) those.push(file);
  }
  for (const [slot, those] of bySlot) fillAll(slot, those, false);
}

/** @param {HTMLElement} button */
export function chooseMore(button) {
  const input = make("input", { type: "file", multiple: true });
  const zone = zoneOf(button.dataset.role);
  if (!zone) return;
  input.accept = /** @type {HTMLInputElement} */ (inside(zone, "input")).accept;
  input.addEventListener("change", () => fillAll(zone, [...(input.files ?? [])], true));
  input.click();
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
async function dropped(event) {
  delete document.documentElement.dataset.dragging;
  if (!bringsFiles(event) || event.defaultPrevented || !event.dataTransfer) return;
  event.preventDefault();
  const zone = zoneAt(event);
  const files = await filesIn(event.dataTransfer);
  if (files.length) distribute(files, zone);
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
  if (zone && file) fillAll(zone, [file], false);
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
