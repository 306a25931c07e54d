/* The part of the target that is swapped: two handles below its player. The options "from" and "to" hold the part, as
 * the texts that a person may type there.
 */

import { find, inside, nearest, seekTarget } from "./dom.js";
import { apply, onApplied } from "./options.js";
import { firstOf } from "./several.js";
import { word } from "./words.js";

/** @typedef {"start" | "end"} Bound */

const LEAST_S = 0.2; // between the handles
const STEP_S = 0.1; // of the arrow keys
const PAGE_S = 5;
const CLOCK = /^(\d+:){0,2}\d+(\.\d+)?$/;

/** @type {Record<Bound, string>} what the options hold; "" is the start or the end of the video */
const texts = { start: "", end: "" };

/** The upload that the part was chosen for, and the one that the handles were last drawn for. */
let [chosenFor, drawnFor] = ["", ""];

const BOUNDS = /** @type {Bound[]} */ (Object.keys(texts));

/** @param {string} text such as `90`, `1:30` or `1:02:03.5` */
const seconds = (text) => text.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);

/** @param {number} time_s */
function clock(time_s) {
  const tenths = Math.round(time_s * 10);
  const [minutes, rest] = [Math.floor(tenths / 600), (tenths % 600) / 10];
  const [h, m] = [Math.floor(minutes / 60), minutes % 60];
  const s = rest.toFixed(rest % 1 ? 1 : 0).padStart(rest % 1 ? 4 : 2, "0");
  return h ? `${h}:${String(m).padStart(2, "0")}:${s}` : `${m}:${s}`;
}

/** @returns {HTMLElement | null} */
const line = () => document.querySelector("#fs-target-card .fs-trim");

/**
 * @param {HTMLElement} shown
 * @param {Bound} bound
 */
const handle = (shown, bound) => /** @type {HTMLInputElement} */ (inside(shown, `[data-bound=${bound}]`));

/** @param {HTMLElement} shown */
const lengthOf = (shown) => Number(shown.dataset.length);

/** Put the handles where the options say. The part of one video is none of the next one. */
function draw() {
  const shown = line();
  if (!shown) return;
  const before = drawnFor;
  drawnFor = firstOf("target");
  if (before && before === chosenFor && before !== drawnFor) {
    chosenFor = "";
    return apply({ start_s: "", end_s: "" });
  }
  const length = lengthOf(shown);
  const at = { start: 0, end: length };
  for (const bound of BOUNDS) {
    const text = texts[bound].trim();
    if (CLOCK.test(text)) at[bound] = Math.min(seconds(text), length);
    handle(shown, bound).value = String(at[bound]);
  }
  tell(shown);
  shown.hidden = false;
}

/** @param {HTMLElement} shown */
function tell(shown) {
  const length = lengthOf(shown);
  const [from, to] = BOUNDS.map((bound) => Number(handle(shown, bound).value));
  for (const bound of BOUNDS) handle(shown, bound).ariaValueText = clock(bound === "start" ? from : to);
  const bar = inside(shown, "div");
  bar.style.setProperty("--fs-before", `${(100 * from) / length}%`);
  bar.style.setProperty("--fs-after", `${100 - (100 * to) / length}%`);
  const values = { from: clock(from), to: clock(to) };
  inside(shown, "output").textContent = from > 0 || to < length ? word("trim_part", values) : word("trim_whole");
}

/**
 * Move a handle, but not past the other one, and show the picture that is there.
 *
 * @param {HTMLInputElement} moved
 * @param {number} time_s
 */
function move(moved, time_s) {
  const shown = line();
  if (!shown?.contains(moved)) return;
  const starts = moved.dataset.bound === "start";
  const other = Number(handle(shown, starts ? "end" : "start").value);
  const [least, most] = starts ? [0, other - LEAST_S] : [other + LEAST_S, lengthOf(shown)];
  moved.value = String(Math.max(least, Math.min(most, Math.round(time_s * 10) / 10)));
  tell(shown);
  seekTarget(Number(moved.value));
}

/** @param {Event} event */
const movedBy = (event) => /** @type {HTMLInputElement | null} */ (nearest(event, ".fs-trim input"));

/** @param {Event} event */
function moved(event) {
  const input = movedBy(event);
  if (input) move(input, Number(input.value));
}

/**
 * Hand the part over to the options, once a handle rests.
 *
 * @param {Event} event
 */
function rested(event) {
  const shown = line();
  if (!shown || !movedBy(event)) return;
  const [from, to] = BOUNDS.map((bound) => Number(handle(shown, bound).value));
  chosenFor = firstOf("target");
  apply({ start_s: from > 0 ? clock(from) : "", end_s: to < lengthOf(shown) ? clock(to) : "" });
}

/** @param {KeyboardEvent} event */
function pressed(event) {
  const input = movedBy(event);
  if (!input) return;
  const steps = { ArrowLeft: -STEP_S, ArrowRight: STEP_S, PageDown: -PAGE_S, PageUp: PAGE_S };
  const step = event.key in steps ? steps[/** @type {keyof typeof steps} */ (event.key)] : 0;
  if (!step) return;
  event.preventDefault();
  move(input, Number(input.value) + step);
  rested(event);
}

/** @param {Event} event */
function typed(event) {
  const box = nearest(event, "#fs-start-s, #fs-end-s");
  const text = /** @type {HTMLInputElement} */ (event.target).value;
  if (!box) return;
  texts[box.id === "fs-start-s" ? "start" : "end"] = text;
  chosenFor = firstOf("target");
  draw();
}

/** One observer: to observe the same card again adds nothing. */
const cards = new MutationObserver(() => {
  if (line()?.hidden) draw();
});

/** Called when the card of the target is on the page. */
export function startTrim() {
  const card = find("fs-target-card");
  if (card) cards.observe(card, { childList: true, subtree: true });
  draw();
}

export function watchTrim() {
  document.addEventListener("input", moved);
  document.addEventListener("change", rested);
  document.addEventListener("keydown", pressed);
  document.addEventListener("input", typed);
  onApplied((options) => {
    if ("start_s" in options) texts.start = String(options.start_s ?? "");
    if ("end_s" in options) texts.end = String(options.end_s ?? "");
    if ("target_file" in options) chosenFor = String(options.target_file);
    draw();
  });
}
