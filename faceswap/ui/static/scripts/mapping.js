/* The page for several faces: the user chooses a picture for each face. */

import { find, inside, make, nearest } from "./dom.js";
import { filesOf, forgetChoice, problemOf } from "./files.js";
import { call, upload } from "./server.js";
import { toast } from "./toasts.js";
import { refusalOf, word } from "./words.js";

const KEPT = "faceswap-faces"; // kept in the tab: {target, mapped} as JSON

/**
 * A chosen picture.
 *
 * @typedef {object} Source
 * @property {string} file the upload's id
 * @property {string} name
 * @property {string} preview the face in it: a JPEG in base64
 */

/** @type {Record<string, Source>} keys are ids of faces in the target that is shown */
let mapped = {};

/** A refusal whose message is a sentence for the page. */
class Refused extends Error {}

const targetShown = () => document.querySelector(".fs-people")?.getAttribute("data-target");

/** @returns {NodeListOf<HTMLElement>} */
const faces = () => document.querySelectorAll(".fs-people li");

/** The value for a start or a preview: JSON of face id to upload id, or "" on a page that maps no faces. */
export function mapping() {
  if (!find("fs-mapping")) return "";
  return JSON.stringify(Object.fromEntries(Object.entries(mapped).map(([face, { file }]) => [face, file])));
}

function keep() {
  const target = targetShown();
  if (target) sessionStorage.setItem(KEPT, JSON.stringify({ target, mapped }));
}

/**
 * Keep the faces of an example.
 *
 * @param {string} kept {target, mapped} as JSON, or "" when there is no example
 */
export function keepFaces(kept) {
  if (kept) sessionStorage.setItem(KEPT, kept);
}

/** Called when the faces of a target are drawn: show the pictures that were chosen for them before. */
export function restoreMapping() {
  const kept = JSON.parse(sessionStorage.getItem(KEPT) || "{}");
  const target = targetShown();
  mapped = target && kept.target === target ? kept.mapped : {};
  for (const face of faces()) show(face);
}

/** @param {HTMLElement} item */
function show(item) {
  const chosen = mapped[item.dataset.face ?? ""];
  inside(item, ".fs-drop-picture").replaceChildren(
    ...(chosen ? [make("img", { src: `data:image/jpeg;base64,${chosen.preview}`, alt: "" })] : []),
  );
  item.dataset.mapped = String(Boolean(chosen));
  inside(item, ".fs-drop-hint").textContent = word(chosen ? "replace" : "face_drop");
  inside(item, ".fs-drop-state").textContent = chosen ? chosen.name : word("face_kept");
  inside(item, "[data-do=unmap]").hidden = !chosen;
  inside(item, "[data-do=mapAll]").hidden = !chosen || faces().length < 2;
}

/** @param {HTMLElement} button inside a face's item */
export function unmap(button) {
  const item = button.closest("li");
  if (!item) return;
  delete mapped[item.dataset.face ?? ""];
  keep();
  show(item);
  inside(item, "input").focus();
}

/** @param {HTMLElement} button inside a face's item: its picture goes onto all faces */
export function mapAll(button) {
  const chosen = mapped[button.closest("li")?.dataset.face ?? ""];
  if (!chosen) return;
  for (const face of faces()) {
    mapped[face.dataset.face ?? ""] = chosen;
    show(face);
  }
  keep();
}

/** @param {HTMLElement} button inside a face's item: shows that moment of the video */
export function seek(button) {
  const video = document.querySelector("#fs-target-card video");
  if (!(video instanceof HTMLVideoElement)) return;
  video.pause();
  video.currentTime = Number(button.closest("li")?.dataset.at);
  video.scrollIntoView({ block: "nearest" });
}

/** Time at which the video shows the first face that gets a picture, in seconds; 0 when that is unknown. */
export function momentOfFaces() {
  const first = [...faces()].find((face) => mapped[face.dataset.face ?? ""]);
  return Number(first?.dataset.at ?? 0);
}

/**
 * @param {HTMLElement} item
 * @param {File} file
 */
async function mapFace(item, file) {
  const state = inside(item, ".fs-drop-state");
  const target = targetShown();
  state.textContent = word("face_busy");
  item.dataset.problem = "false";
  try {
    const chosen = await takeFace(file);
    if (targetShown() !== target) return;
    mapped[item.dataset.face ?? ""] = chosen;
    keep();
    show(item);
  } catch (problem) {
    show(item);
    item.dataset.problem = "true";
    state.textContent = problem instanceof Refused ? problem.message : word("action_failed");
  }
}

/**
 * Upload a picture and find the face in it that the swap will use, which is the largest.
 *
 * @param {File} file
 * @returns {Promise<Source>}
 */
async function takeFace(file) {
  const sent = await upload(file, { expected: "image" });
  if (!sent.ok) throw new Refused(refusalOf(sent));
  const taken = sent.data;
  const looked = await call("POST", "/api/detect-faces", { body: { fileId: taken.fileId } });
  if (!looked.ok) throw new Refused(refusalOf(looked));
  /** @type {{width: number, height: number, preview: string}[]} */
  const found = looked.data.faces;
  if (!found.length) throw new Refused(word("no_face_here"));
  const largest = found.reduce((one, other) => (other.width * other.height > one.width * one.height ? other : one));
  return { file: taken.fileId, name: taken.fileName, preview: largest.preview.split(",").pop() ?? "" };
}

/** @param {Event} event */
function chooseForFace(event) {
  const item = nearest(event, ".fs-drop")?.closest("li");
  if (!item) return;
  if (event.type === "dragover") return event.preventDefault();
  const files = filesOf(event);
  if (!files?.length) return;
  event.preventDefault();
  const problem = problemOf(files);
  if (problem) toast(problem, "bad");
  else mapFace(item, files[0]);
  forgetChoice(event);
}

export function watchFaces() {
  for (const name of ["change", "drop", "dragover"]) document.addEventListener(name, chooseForFace);
}
