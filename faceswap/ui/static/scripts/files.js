/* Checks files that somebody chooses or drops, before the browser sends them. */

import { find } from "./dom.js";
import { errorText } from "./words.js";

/**
 * The sentence that says why one of these files is refused: it is empty, or larger than the server accepts. null
 * when all files are accepted.
 *
 * @param {Iterable<File>} files
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
