/* Short notices above the panel. The style sheet makes each of them fade out. */

import { make, part } from "./dom.js";
import { word } from "./words.js";

/**
 * @param {string} text
 * @param {"good" | "bad"} mood
 * @param {HTMLElement} [action] a button after the text; a click on it removes the notice
 */
export function toast(text, mood, action) {
  const note = make("div", { className: "fs-toast" }, make("span", {}, text));
  note.dataset.mood = mood;
  const close = make("button", { type: "button", ariaLabel: word("close") }, "✕");
  for (const button of action ? [action, close] : [close]) {
    button.addEventListener("click", () => note.remove());
    note.append(button);
  }
  part("fs-toasts").append(note);
  note.addEventListener("animationend", (event) => {
    if (event.animationName === "fs-leave") note.remove();
  });
}
