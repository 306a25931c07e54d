/* Compares a result with its original: two videos that play together, a contact sheet, a slider for pictures. */

import { inside, make, nearest } from "./dom.js";
import { word } from "./words.js";

const DRIFT_S = 0.12;
const SHEET_FRAMES = 8;
const SHEET_WIDTH = 240;

export function watchResults() {
  for (const name of ["play", "pause", "seeked", "ratechange", "timeupdate"]) {
    document.addEventListener(name, follow, true);
  }
  document.addEventListener("toggle", fillSheet, true);
  document.addEventListener("input", slide);
  document.addEventListener("error", replaceBroken, true);
}

/**
 * Make the original follow the result: it plays, pauses and seeks with it, at the same speed.
 *
 * @param {Event} event
 */
function follow(event) {
  const lead = event.target;
  if (!(lead instanceof HTMLVideoElement) || !lead.dataset.lead) return;
  const other = lead.closest(".fs-compare")?.querySelector("video[data-follow]");
  if (!(other instanceof HTMLVideoElement)) return;
  const time = lead.currentTime + Number(other.dataset.from); // the result may be a part of the original
  if (Math.abs(other.currentTime - time) > DRIFT_S) other.currentTime = time;
  other.playbackRate = lead.playbackRate;
  if (lead.paused) other.pause();
  else if (other.paused && !other.ended) other.play().catch(() => other.pause());
}

/**
 * Fill the contact sheet when it is opened for the first time. It shows small pictures from the whole result. A
 * click on a picture makes both players seek to its time.
 *
 * @param {Event} event
 */
async function fillSheet(event) {
  const sheet = event.target;
  if (!(sheet instanceof HTMLDetailsElement) || !sheet.open || !sheet.dataset.src) return;
  const lead = /** @type {HTMLVideoElement} */ (inside(sheet.parentElement ?? document, "video[data-lead]"));
  const video = make("video", { src: sheet.dataset.src, muted: true, preload: "auto", playsInline: true });
  delete sheet.dataset.src;
  await reached(video, "loadeddata");
  for (let index = 0; index < SHEET_FRAMES; index++) {
    const time = (video.duration * (index + 0.5)) / SHEET_FRAMES;
    const there = reached(video, "seeked");
    video.currentTime = time;
    await there;
    const frame = make("button", { type: "button", ariaLabel: word("sheet_frame", { time: time.toFixed(1) }) });
    frame.append(drawn(video), make("span", {}, `${time.toFixed(1)} s`));
    frame.addEventListener("click", () => {
      lead.currentTime = time;
    });
    sheet.lastElementChild?.append(frame);
  }
  video.removeAttribute("src");
  video.load();
}

/**
 * @param {HTMLVideoElement} video
 * @param {string} name of an event
 */
const reached = (video, name) => new Promise((resolve) => video.addEventListener(name, resolve, { once: true }));

/** @param {HTMLVideoElement} video */
function drawn(video) {
  const height = Math.round((SHEET_WIDTH * video.videoHeight) / video.videoWidth);
  const canvas = make("canvas", { width: SHEET_WIDTH, height });
  canvas.getContext("2d")?.drawImage(video, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/** @param {Event} event */
function slide(event) {
  const slider = nearest(event, ".fs-slider");
  if (event.target instanceof HTMLInputElement) slider?.style.setProperty("--at", `${event.target.value}%`);
}

/**
 * Replace a picture or video that the browser cannot show by a sentence.
 *
 * @param {Event} event
 */
function replaceBroken(event) {
  const media = event.target;
  if (!(media instanceof HTMLMediaElement || media instanceof HTMLImageElement)) return;
  if (media.closest(".fs-media")) media.replaceWith(make("p", { className: "fs-no-preview" }, word("no_preview")));
}
