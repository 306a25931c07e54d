/* Asks the user before an action that cannot be undone. */

import { make } from "./dom.js";

/**
 * Ask in a dialog. Escape and a click outside the dialog mean no.
 *
 * @param {{question: string, reason: string, yes: string, no: string, mood: "good" | "bad"}} words
 * @returns {Promise<boolean>} whether the user said yes
 */
export function ask({ question, reason, yes, no, mood }) {
  return new Promise((resolve) => {
    const refuse = make("button", { type: "button", value: "no", autofocus: true }, no);
    const confirm = make("button", { type: "button", value: "yes" }, yes);
    confirm.dataset.mood = mood;
    const dialog = make(
      "dialog",
      { className: "fs-ask" },
      make("h2", { id: "fs-question" }, question),
      make("p", { id: "fs-reason" }, reason),
      make("div", { className: "fs-answers" }, refuse, confirm),
    );
    dialog.setAttribute("role", "alertdialog");
    dialog.setAttribute("aria-labelledby", "fs-question");
    dialog.setAttribute("aria-describedby", "fs-reason");
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close("no");
      if (event.target instanceof HTMLButtonElement) dialog.close(event.target.value);
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
