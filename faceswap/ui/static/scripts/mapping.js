/* The page for several faces: the user chooses a picture for each face. */

import { find, inside, make, nearest, seekTarget, targetPlayer } from "./dom.js";
import { filesOf, forgetChoice, problemOf } from "./files.js";
import { call, upload } from "./server.js";
import { toast } from "./toasts.js";
import { refusalOf, word } from "./words.js";

const KEPT = "faceswap-faces"; // kept in the tab: {target, mapped, merged} as JSON

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

/**
 * Faces that the user took for the same person as another one: both get the picture of that one.
 *
 * @type {Record<string, string>}
 */
let merged = {};

/** A refusal whose message is a sentence for the page. */
class Refused extends Error {}

const targetShown = () => document.querySelector(".fs-people")?.getAttribute("data-target");

/** @returns {NodeListOf<HTMLElement>} */
const faces = () => document.querySelectorAll(".fs-people li[data-face]");

/** @param {HTMLElement} item of a face */
const idOf = (item) => item.dataset.face ?? "";

/** @param {string | undefined} id of a face */
const itemOf = (id) => [...faces()].find((face) => idOf(face) === id);

/** @param {HTMLElement} item of a face */
const pictureOf = (item) => mapped[merged[idOf(item)] ?? idOf(item)];

/** The value for a start or a preview: JSON of face id to upload id, or "" on a page that maps no faces. */
export function mapping() {
  if (!find("fs-mapping")) return "";
  const files = [...faces()].flatMap((face) => {
    const chosen = pictureOf(face);
    return chosen ? [[idOf(face), chosen.file]] : [];
  });
  return JSON.stringify(Object.fromEntries(files));
}

function keep() {
  const target = targetShown();
  if (target) sessionStorage.setItem(KEPT, JSON.stringify({ target, mapped, merged }));
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
  merged = (target && kept.target === target && kept.merged) || {};
  for (const face of faces()) show(face);
}

/** @param {HTMLElement} item */
function show(item) {
  const chosen = mapped[idOf(item)];
  inside(item, ".fs-drop-picture").replaceChildren(
    ...(chosen ? [make("img", { src: `data:image/jpeg;base64,${chosen.preview}`, alt: "" })] : []),
  );
  item.dataset.mapped = String(Boolean(chosen));
  inside(item, ".fs-drop-hint").textContent = word(chosen ? "replace" : "face_drop");
  inside(item, ".fs-drop-state").textContent = chosen ? chosen.name : word("face_kept");
  inside(item, "[data-do=unmap]").hidden = !chosen;
  inside(item, "[data-do=mapAll]").hidden = !chosen || faces().length < 2;
  item.hidden = idOf(item) in merged;
  showMerged(item);
}

/**
 * Show the faces that were merged into this one, and offer those that can be.
 *
 * @param {HTMLElement} item
 */
function showMerged(item) {
  const [choice, list] = ["select", "ul"].map((tag) => item.querySelector(tag));
  if (!(choice instanceof HTMLSelectElement) || !list) return; // a picture's faces are several people
  const parts = [...faces()].filter((face) => merged[idOf(face)] === idOf(item));
  list.replaceChildren(...parts.map(mergedItem));
  choice.value = "";
  choice.hidden = parts.length > 0;
  for (const option of choice.options) option.hidden = option.value in merged;
}

/** @param {HTMLElement} face */
function mergedItem(face) {
  const number = inside(face, "figcaption").textContent;
  const picture = make("img", { src: inside(face, "img").getAttribute("src"), alt: word("face", { number }) });
  const label = word("face_separate_named", { number });
  const apart = make("button", { type: "button", className: "fs-small-button", ariaLabel: label }, word("face_separate"));
  apart.dataset.do = "separate";
  apart.dataset.face = idOf(face);
  return make("li", {}, picture, apart);
}

/** @param {HTMLElement} button beside a face that was merged into another one */
export function separate(button) {
  delete merged[button.dataset.face ?? ""];
  keep();
  for (const face of faces()) show(face);
  itemOf(button.dataset.face)?.querySelector("select")?.focus();
}

/** @param {Event} event the choice of the face that another one is merged into */
function merge(event) {
  const choice = event.target;
  if (!(choice instanceof HTMLSelectElement) || !choice.matches(".fs-merge") || !choice.value) return;
  const item = choice.closest("li");
  if (!item) return;
  const [face, other] = [idOf(item), choice.value];
  if (face in mapped && !(other in mapped)) mapped[other] = mapped[face];
  delete mapped[face];
  merged[face] = other;
  keep();
  for (const each of faces()) show(each);
  itemOf(other)?.querySelector("input")?.focus();
}

/** @param {HTMLElement} button inside a face's item */
export function unmap(button) {
  const item = button.closest("li");
  if (!item) return;
  delete mapped[idOf(item)];
  keep();
  show(item);
  inside(item, "input").focus();
}

/** @param {HTMLElement} button inside a face's item: its picture goes onto all faces */
export function mapAll(button) {
  const item = button.closest("li");
  const chosen = item && mapped[idOf(item)];
  if (!chosen) return;
  for (const face of faces()) {
    if (!(idOf(face) in merged)) mapped[idOf(face)] = chosen;
    show(face);
  }
  keep();
}

/** @param {HTMLElement} button inside a face's item: shows that moment of the video */
export function seek(button) {
  seekTarget(Number(button.closest("li")?.dataset.at));
  targetPlayer()?.scrollIntoView({ block: "nearest" });
}

/** Time at which the video shows the first face that gets a picture, in seconds; 0 when that is unknown. */
export function momentOfFaces() {
  const first = [...faces()].find(pictureOf);
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
    mapped[idOf(item)] = chosen;
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
  document.addEventListener("change", merge);
  for (const name of ["change", "drop", "dragover"]) document.addEventListener(name, chooseForFace);
}
