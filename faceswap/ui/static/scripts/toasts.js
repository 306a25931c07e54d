/* Short notices above the panel. The style sheet lets each fade away by itself. */

import { make, part } from "./dom.js";
import { word } from "./words.js";

/**
 * @param {string} text
 * @param {"good" | "bad"} mood
 */
export function toast(text, mood) {
  const note = make("div", { className: "fs-toast" }, make("span", {}, text));
  note.dataset.mood = mood;
  const close = make("button", { type: "button", ariaLabel: word("close") }, "✕");
  close.addEventListener("click", () => note.remove());
  note.append(close);
  part("fs-toasts").append(note);
  note.addEventListener("animationend", (event) => {
    if (event.animationName === "fs-leave") note.remove();
  });
}
