/* The options of a form: presets, which the browser keeps, and those of a task that is edited. */

import { askForText } from "./ask.js";
import { find, inside, make } from "./dom.js";
import { UNCHANGED } from "./gradio.js";
import { awaitPerson } from "./person.js";
import { call } from "./server.js";
import { showUpload } from "./slots.js";
import { toast } from "./toasts.js";
import { errorText, word } from "./words.js";

const KEPT = "faceswap-presets";
const MOST = 40; // letters of a name

/** @typedef {Record<string, unknown>} Options */

/** @type {Options} what the form's components get next, by name of the option */
let given = {};

/** @type {(values: unknown[]) => void} gets what the form's components hold */
let told = () => {};

/** @returns {HTMLElement | null} */
const bar = () => document.querySelector(".fs-presets");

/** @returns {string[]} names of the form's options, in the order of its components */
const names = () => bar()?.dataset.names?.split(" ") ?? [];

/** @returns {string[]} names of the options that presets keep */
const kept = () => bar()?.dataset.kept?.split(" ") ?? [];

/** @returns {Record<string, Options>} by name of the preset */
const presets = () => JSON.parse(localStorage.getItem(KEPT) || "{}");

/** The values for the form's components. The components of other options stay as they are. */
export const givenOptions = () => names().map((name) => (name in given ? given[name] : UNCHANGED));

/** @param {unknown[]} values of the form's components */
export const tookOptions = (...values) => told(values);

/** @type {(options: Options) => void} is told what the form's components got */
let tell = () => {};

/** @param {(options: Options) => void} listener */
export function onApplied(listener) {
  tell = listener;
}

/** @param {Options} options */
export function apply(options) {
  given = options;
  find("fs-apply-options")?.click();
  tell(options);
}

/** @returns {Promise<Options>} what the form's components hold */
async function read() {
  /** @type {unknown[]} */
  const values = await new Promise((resolve) => {
    told = resolve;
    find("fs-read-options")?.click();
  });
  return Object.fromEntries(names().map((name, index) => [name, values[index]]));
}

/** The bar of presets calls this when it is on the page. */
export function openForm() {
  drawPresets();
  again();
}

/** @param {string} [chosen] name of the preset that is shown as chosen */
function drawPresets(chosen = "") {
  const shown = bar();
  if (!shown) return;
  const select = /** @type {HTMLSelectElement} */ (inside(shown, "select"));
  const list = Object.keys(presets()).sort((one, other) => one.localeCompare(other));
  select.replaceChildren(
    make("option", { value: "" }, word("preset_none")),
    ...list.map((name) => make("option", { value: name }, name)),
  );
  select.value = chosen;
  inside(shown, "[data-do=dropPreset]").hidden = !chosen;
}

/** Save what the form holds, under a name that the user gives. */
export async function savePreset() {
  const name = await askForText({
    question: word("preset_ask"),
    text: "",
    most: MOST,
    yes: word("preset_save"),
    no: word("dismiss"),
  });
  if (!name) return;
  const options = await read();
  const wanted = Object.fromEntries(kept().map((option) => [option, options[option]]));
  localStorage.setItem(KEPT, JSON.stringify({ ...presets(), [name]: wanted }));
  drawPresets(name);
}

export function dropPreset() {
  const select = /** @type {HTMLSelectElement} */ (inside(bar() ?? document, "select"));
  const { [select.value]: _, ...left } = presets();
  localStorage.setItem(KEPT, JSON.stringify(left));
  drawPresets();
}

/** @param {Event} event */
function choose(event) {
  if (!(event.target instanceof HTMLSelectElement) || !event.target.closest(".fs-presets")) return;
  const name = event.target.value;
  if (name) apply(presets()[name]);
  drawPresets(name);
}

/** If the page was opened as `/video?again=ID`, fill the form with the files and the options of that task. */
async function again() {
  const id = new URLSearchParams(location.search).get("again");
  if (!id) return;
  history.replaceState(null, "", location.pathname);
  const answer = await call("GET", `/api/status/${encodeURIComponent(id)}`);
  if (!answer.ok) return toast(errorText("job_not_found"), "bad");
  const { source_file, target_file, options } = answer.data;
  showUpload("source", source_file);
  showUpload("target", target_file);
  awaitPerson(options);
  const { start_s, end_s, many_faces, face_selector } = options;
  const selector = many_faces ? "all" : face_selector === "reference" ? "largest" : face_selector;
  apply({
    ...options,
    target_file,
    face_selector: selector,
    start_s: start_s ? String(start_s) : "",
    end_s: end_s ? String(end_s) : "",
  });
  toast(word("again_filled"), "good");
}

export function watchPresets() {
  document.addEventListener("change", choose);
}
