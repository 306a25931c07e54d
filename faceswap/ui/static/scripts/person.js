/* Which of several people in the target is swapped: the faces below the target are buttons. */

import { batch } from "./several.js";

/** The id of a face that is to be pressed when the faces are drawn. */
let awaited = "";

/** @returns {NodeListOf<HTMLElement>} */
const faces = () => document.querySelectorAll(".fs-persons button");

/** @param {string} face the id of the only pressed face, or "" for none */
function press(face) {
  for (const button of faces()) button.ariaPressed = String(button.dataset.face === face);
}

/** @param {HTMLElement} button a face: press it, or let it go */
export function choosePerson(button) {
  press(button.ariaPressed === "true" ? "" : (button.dataset.face ?? ""));
}

/** Called when the faces of the target are drawn. */
export function showPersons() {
  press(awaited);
  awaited = "";
}

/** @param {Record<string, unknown>} options of a task that is edited */
export function awaitPerson({ face_selector, reference_face, reference_frame_s }) {
  const counted = face_selector === "reference" && reference_frame_s == null;
  awaited = counted ? String(reference_face) : "";
}

/** What the form sends: the id of the pressed face, or "". The faces are those of the first target of a batch. */
export function person() {
  if (batch()) return "";
  return [...faces()].find((button) => button.ariaPressed === "true")?.dataset.face ?? "";
}
