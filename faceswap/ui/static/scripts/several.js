/* Several files in one slot. The first is in the slot itself; the others are listed below it. With several sources or
 * targets, the start button queues a batch.
 */

import { find, inside, make } from "./dom.js";
import { word } from "./words.js";

/** @typedef {"source" | "target"} Role */
/** @typedef {{id: string, name: string}} Upload */

const KEPT = `faceswap-several-${location.pathname}`; // in the tab

/** @type {Record<Role, Upload[]>} */
const others = { source: [], target: [], ...JSON.parse(sessionStorage.getItem(KEPT) || "{}") };

/** @param {Role} role the upload in its slot, or "" */
export const firstOf = (role) => find(`fs-${role}-card`)?.querySelector("[data-upload]")?.getAttribute("data-upload") ?? "";

/** @param {Role} role */
const count = (role) => others[role].length + (firstOf(role) ? 1 : 0);

/**
 * Add an upload to those of a slot that is filled.
 *
 * @param {string} role
 * @param {Upload} upload
 */
export function addOther(role, upload) {
  others[/** @type {Role} */ (role)].push(upload);
  draw();
}

/** @param {HTMLElement} button */
export function removeOther(button) {
  const list = others[/** @type {Role} */ (button.dataset.role)];
  const index = list.findIndex((each) => each.id === button.dataset.upload);
  if (index >= 0) list.splice(index, 1);
  draw();
}

/**
 * What the start button sends besides the first files: "" if there are no others.
 *
 * @returns {string} JSON: the ids of the other sources and targets, how they are paired, and whether all sources show
 *   one person
 */
export function batch() {
  if (!others.source.length && !others.target.length) return "";
  const [sources, targets] = [others.source, others.target].map((list) => list.map((each) => each.id));
  return JSON.stringify({ sources, targets, pairing: paired() ? "pairs" : "each", one_person: onePerson() });
}

const canPair = () => count("source") === count("target") && count("source") > 1;

/** @param {string} id */
function ticked(id) {
  const box = find(id);
  return box instanceof HTMLInputElement && box.checked;
}

const onePerson = () => ticked("fs-one-person") && count("source") > 1;
const paired = () => ticked("fs-paired") && canPair() && !onePerson();

function draw() {
  sessionStorage.setItem(KEPT, JSON.stringify(others));
  for (const role of /** @type {Role[]} */ (["source", "target"])) {
    const list = find(`fs-${role}-others`);
    list?.replaceChildren(...others[role].map((upload) => itemOf(role, upload)));
  }
  drawPlan();
}

/**
 * @param {Role} role
 * @param {Upload} upload
 */
function itemOf(role, upload) {
  const label = word("remove_file", { name: upload.name });
  const button = make("button", { type: "button", ariaLabel: label, title: label }, "✕");
  button.dataset.do = "removeOther";
  button.dataset.role = role;
  button.dataset.upload = upload.id;
  return make("li", {}, make("span", { title: upload.name }, upload.name), button);
}

/** Say how many tasks the start button queues. */
function drawPlan() {
  const plan = find("fs-plan");
  if (!plan) return;
  const [sources, targets] = [count("source"), count("target")];
  const tasks = onePerson() ? targets : paired() ? sources : sources * targets;
  plan.hidden = sources * targets < 2;
  inside(plan, "span").textContent = word("batch_plan", { sources, targets, tasks });
  inside(plan, "label:has(#fs-one-person)").hidden = sources < 2;
  inside(plan, "label:has(#fs-paired)").hidden = !canPair() || onePerson();
}

/** One observer for both slots: to observe a card again, when another part of the form is there, adds nothing. */
const cards = new MutationObserver(drawPlan);

/** Called when a part of the form is on the page: the list of a slot, or the plan. */
export function startSeveral() {
  draw();
  for (const id of ["fs-paired", "fs-one-person"]) find(id)?.addEventListener("change", drawPlan);
  for (const role of ["source", "target"]) {
    const card = find(`fs-${role}-card`);
    if (card) cards.observe(card, { childList: true, subtree: true });
  }
}
