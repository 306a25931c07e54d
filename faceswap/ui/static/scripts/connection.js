/* Knows whether the server answers, and shows a notice in the panel when it does not. */

import { part } from "./dom.js";
import { onLostConnection } from "./gradio.js";
import { toast } from "./toasts.js";
import { word } from "./words.js";

const LOST = "faceswap-lost"; // kept in the tab, because Gradio reloads the page when the server is back

/** @typedef {"offline" | "session_lost"} Problem the key of the sentence about it */

let connected = !sessionStorage.getItem(LOST);

/** @param {Problem | null} problem */
export function connection(problem) {
  const notice = part("fs-notice");
  notice.textContent = problem ? word(problem) : "";
  notice.hidden = !problem;
  part("fs-dock").dataset.offline = String(Boolean(problem));
  if (!problem && !connected) toast(word("online"), "good");
  connected = !problem;
  if (problem) sessionStorage.setItem(LOST, problem);
  else sessionStorage.removeItem(LOST);
}

export function watchConnection() {
  window.addEventListener("offline", () => connection("offline")); // Gradio's timer may not run then
  onLostConnection({ title: word("attention"), text: word("offline") }, () => connection("offline"));
}
