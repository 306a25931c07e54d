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

const MEDIA = /\.(jpe?g|png|apng|webp|heic|heif|avif|gif|bmp|tiff?|mp4|m4v|mov|mkv|webm|avi)$/i;

/**
 * The files that were dropped. Of a folder these are its pictures and videos, and those of the folders in it, by name.
 * Call it while the event is handled: later the browser does not tell what a folder contains.
 *
 * @param {DataTransfer} dropped
 * @returns {Promise<File[]>}
 */
export async function filesIn(dropped) {
  const entries = [...dropped.items].map((item) => item.webkitGetAsEntry?.() ?? null);
  const files = [...dropped.files];
  if (!entries.some((entry) => entry?.isDirectory)) return files;
  const found = await Promise.all(entries.map((entry) => (entry ? within(entry, false) : [])));
  return found.flat();
}

/**
 * @param {FileSystemEntry} entry
 * @param {boolean} inFolder whether other files than media are left out
 * @returns {Promise<File[]>}
 */
async function within(entry, inFolder) {
  if (entry.isFile) {
    if (inFolder && (entry.name.startsWith(".") || !MEDIA.test(entry.name))) return [];
    return [await new Promise((take, fail) => /** @type {FileSystemFileEntry} */ (entry).file(take, fail))];
  }
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  /** @type {FileSystemEntry[]} */
  const entries = [];
  for (;;) { // each call gives some of them, and the last one none
    /** @type {FileSystemEntry[]} */
    const some = await new Promise((take, fail) => reader.readEntries(take, fail));
    if (!some.length) break;
    entries.push(...some);
  }
  entries.sort((one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }));
  return (await Promise.all(entries.map((each) => within(each, true)))).flat();
}

/**
 * Empty a file input after a choice, so that the same file can be chosen again.
 *
 * @param {Event} event
 */
export function forgetChoice(event) {
  const input = event.type === "change" ? event.target : null;
  if (input instanceof HTMLInputElement && input.type === "file") input.value = "";
}
