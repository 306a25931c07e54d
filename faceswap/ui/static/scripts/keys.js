/* Keyboard shortcuts, and the sheet that lists them. The settings can switch them off. */

import { find, make } from "./dom.js";
import { preferences } from "./preferences.js";
import { toggle } from "./panel.js";
import { word } from "./words.js";

/** @type {Record<string, {does: () => unknown, key: string, words: string}>} by the key that the browser names */
const SHORTCUTS = {
  "?": { key: "?", words: "key_sheet", does: openKeys },
  k: { key: "K", words: "key_play", does: () => withResult(playOrPause) },
  ",": { key: ",", words: "key_back", does: () => withResult((video) => step(video, -1)) },
  ".": { key: ".", words: "key_forward", does: () => withResult((video) => step(video, 1)) },
  t: { key: "T", words: "key_panel", does: () => find("fs-pill") && toggle() },
};

/**
 * @param {(video: HTMLVideoElement) => void} act
 * @returns {boolean} false when no video's result is shown
 */
function withResult(act) {
  const video = document.querySelector("#fs-viewer video[data-lead]");
  if (!(video instanceof HTMLVideoElement)) return false;
  act(video);
  return true;
}

/** @param {HTMLVideoElement} video */
function playOrPause(video) {
  if (video.paused) video.play().catch(() => video.pause());
  else video.pause();
}

/**
 * Show the frame before or after. The time is the middle of a frame, because a time at its border may show either.
 *
 * @param {HTMLVideoElement} video
 * @param {number} frames
 */
export function step(video, frames) {
  video.pause();
  const fps = Number(video.dataset.fps) || 30;
  const number = Math.floor(video.currentTime * fps + 0.01) + frames;
  video.currentTime = Math.min(Math.max(0, (number + 0.5) / fps), video.duration || Infinity);
}

export function openKeys() {
  const close = make("button", { type: "button" }, word("close"));
  const rows = Object.values(SHORTCUTS).flatMap(({ key, words }) => [
    make("dt", {}, make("kbd", {}, key)),
    make("dd", {}, word(words)),
  ]);
  const dialog = make(
    "dialog",
    { className: "fs-ask fs-keys" },
    make("h2", { id: "fs-question" }, word("keys")),
    make("dl", {}, ...rows),
    make("div", { className: "fs-answers" }, close),
  );
  dialog.setAttribute("aria-labelledby", "fs-question");
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target === close) dialog.close();
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

/** @param {EventTarget | null} target whether it takes the keys itself */
const types = (target) =>
  target instanceof HTMLElement &&
  (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));

export function watchKeys() {
  document.addEventListener("keydown", (event) => {
    if (!preferences.keys || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (types(event.target) || document.querySelector("dialog[open]")) return;
    const shortcut = SHORTCUTS[event.key.toLowerCase()];
    if (shortcut && shortcut.does() !== false) event.preventDefault();
  });
}
