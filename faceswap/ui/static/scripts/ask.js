/* Asks the user in a dialog. */

import { make } from "./dom.js";

/** @typedef {{yes: string, no: string, mood: "good" | "bad"}} Answers */

/**
 * Ask before an action that cannot be undone. Escape and a click outside the dialog mean no.
 *
 * @param {Answers & {question: string, reason: string}} words
 * @returns {Promise<boolean>} whether the user said yes
 */
export function ask({ question, reason, ...answers }) {
  const why = make("p", { id: "fs-reason" }, reason);
  return opened("alertdialog", question, why, answers);
}

/**
 * Ask for a short text.
 *
 * @param {{question: string, text: string, most: number, yes: string, no: string}} words `text` is the text to
 *     change, `most` is the largest number of characters
 * @returns {Promise<string>} the text, or "" if the user left
 */
export async function askForText({ question, text, most, yes, no }) {
  const input = make("input", { type: "text", id: "fs-reason", value: text, maxLength: most, ariaLabel: question });
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault(); // or the key would press the button that gets the focus back
    input.closest("dialog")?.close("yes");
  });
  const said = opened("dialog", question, input, { yes, no, mood: "good" });
  input.focus();
  input.select();
  return (await said) ? input.value.trim() : "";
}

/**
 * @param {string} role
 * @param {string} question
 * @param {HTMLElement} content
 * @param {Answers} answers
 * @returns {Promise<boolean>}
 */
function opened(role, question, content, { yes, no, mood }) {
  return new Promise((resolve) => {
    const refuse = make("button", { type: "button", value: "no", autofocus: true }, no);
    const confirm = make("button", { type: "button", value: "yes" }, yes);
    confirm.dataset.mood = mood;
    const dialog = make(
      "dialog",
      { className: "fs-ask" },
      make("h2", { id: "fs-question" }, question),
      content,
      make("div", { className: "fs-answers" }, refuse, confirm),
    );
    dialog.setAttribute("role", role);
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
