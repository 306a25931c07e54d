/* The form that starts a swap. */

import { find } from "./dom.js";

/** Press the button of the example when the page was opened as `/video?example`, once. */
export function example() {
  if (!new URLSearchParams(location.search).has("example")) return;
  history.replaceState(null, "", location.pathname);
  find("fs-example")?.click();
}

/** Where the target video stands, in seconds; 0 when there is none or it was not touched. */
export function moment() {
  const video = document.querySelector("#fs-target-card video");
  return video instanceof HTMLVideoElement ? video.currentTime : 0;
}
