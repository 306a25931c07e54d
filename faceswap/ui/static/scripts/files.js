/* Checks files that somebody chooses or drops, before the browser sends them. */

import { find, nearest } from "./dom.js";
import { toast } from "./toasts.js";
import { errorText } from "./words.js";

/**
 * The sentence that says why one of these files is refused: it is empty, or larger than the server accepts. null
 * when all files are accepted.
 *
 * @param {FileList} files
 * @returns {string | null}
 */
export function problemOf(files) {
  const limitMb = Number(find("fs-dock")?.dataset.limit || Infinity);
  for (const file of files) {
    if (file.size === 0) return errorText("empty_file");
    if (file.size > limitMb * 1e6) return errorText("too_large", { limit_mb: limitMb });
  }
  return null;
}

/**
 * The files of a `drop`, or of a file input's `change`.
 *
 * @param {Event} event
 * @returns {FileList | null}
 */
export function filesOf(event) {
  if (event instanceof DragEvent) return event.dataTransfer?.files ?? null;
  return event.target instanceof HTMLInputElement ? event.target.files : null;
}

/**
 * Empty a file input after a choice, so that the same file can be chosen again.
 *
 * @param {Event} event
 */
export function forgetChoice(event) {
  if (event.type === "change" && event.target instanceof HTMLInputElement) event.target.value = "";
}

/** Stop files that the server would refuse: Gradio's own file inputs send every file. */
export function guardSlots() {
  document.addEventListener("change", guard, true);
  document.addEventListener("drop", guard, true);
}

/** @param {Event} event */
function guard(event) {
  const files = nearest(event, ".fs-slot") && filesOf(event);
  const problem = files?.length ? problemOf(files) : null;
  if (!problem) return;
  event.stopImmediatePropagation();
  event.preventDefault();
  forgetChoice(event);
  toast(problem, "bad");
}
