/* The actions of the buttons that have `data-do`. */

import { ask, askForText } from "./ask.js";
import { inspect } from "./diagnostics.js";
import { find, make, nearest } from "./dom.js";
import { log } from "./journal.js";
import { openKeys } from "./keys.js";
import { mapAll, seek, separate, unmap } from "./mapping.js";
import { dropPreset, savePreset } from "./options.js";
import { stepAside, toggle, unfold } from "./panel.js";
import { call } from "./server.js";
import { jobOf, refresh } from "./tasks.js";
import { move } from "./reorder.js";
import { openSettings } from "./settings.js";
import { choosePerson } from "./person.js";
import { removeOther } from "./several.js";
import { abort, camera, choose, chooseMore, clear } from "./slots.js";
import { toast } from "./toasts.js";
import { view } from "./viewer.js";
import { errorText, refusalOf, word } from "./words.js";

/** @param {HTMLElement} button */
const titleOf = (button) => button.dataset.title || jobOf(button.dataset.job)?.title || word("unnamed");

/** @param {HTMLElement} button */
const idOf = (button) => button.dataset.job ?? "";

/** @param {HTMLElement} button */
const encodedIdOf = (button) => encodeURIComponent(idOf(button));

const TITLE_LENGTH = 120;

const redrawList = () => find("fs-reload")?.click();

const failed = () => toast(word("action_failed"), "bad");

/** @type {Record<string, (button: HTMLElement) => unknown>} */
const actions = {
  toggle,
  unmap,
  mapAll,
  seek,
  separate,
  cancel,
  delete: remove,
  revoke,
  receipt,
  retry,
  rename,
  choose,
  chooseMore,
  choosePerson,
  removeOther,
  unfold,
  cancelBatch,
  retryBatch,
  abort,
  clear,
  print: () => window.print(),
  settings: openSettings,
  keys: openKeys,
  camera,
  runFirst,
  holdQueue,
  savePreset,
  dropPreset,
  view: watch,
  inspect: (button) => inspect(idOf(button)),
};

/** @param {HTMLElement} button */
function watch(button) {
  stepAside();
  view(idOf(button));
}

/** @param {HTMLElement} button */
async function cancel(button) {
  const sure = await ask({
    question: word("cancel_ask"),
    reason: word("cancel_why", { title: titleOf(button) }),
    yes: word("cancel_yes"),
    no: word("cancel_no"),
    mood: "bad",
  });
  if (!sure) return;
  log(idOf(button), "cancel asked for");
  const answer = await call("POST", `/api/cancel/${encodedIdOf(button)}`);
  log(idOf(button), answer.ok ? "cancelled" : `not cancelled: HTTP ${answer.status}`);
  if (answer.status === 400) toast(word("cancel_late"), "bad");
  else if (answer.status === 404) toast(errorText("job_not_found"), "bad");
  else if (!answer.ok) failed();
}

/** @param {HTMLElement} button */
const batchPath = (button) => `/api/batches/${encodeURIComponent(button.dataset.batch ?? "")}`;

/** @param {HTMLElement} button */
async function cancelBatch(button) {
  const sure = await ask({
    question: word("cancel_batch_ask"),
    reason: word("cancel_batch_why"),
    yes: word("cancel_batch_yes"),
    no: word("cancel_no"),
    mood: "bad",
  });
  if (!sure) return;
  const answer = await call("POST", `${batchPath(button)}/cancel`);
  if (answer.status === 400) toast(word("cancel_late"), "bad");
  else if (!answer.ok) failed();
  redrawList();
}

/** @param {HTMLElement} button */
async function retryBatch(button) {
  const stated = await ask({
    question: word("retry_batch_ask"),
    reason: word("consent"),
    yes: word("retry_yes"),
    no: word("dismiss"),
    mood: "good",
  });
  if (!stated) return;
  const answer = await call("POST", `${batchPath(button)}/retry`, { body: { consent: true } });
  if (answer.ok) toast(word("retried"), "good");
  else toast(refusalOf(answer), "bad");
  redrawList();
}

/** @param {HTMLElement} button */
async function remove(button) {
  const sure = await ask({
    question: word("delete_ask", { title: titleOf(button) }),
    reason: word("delete_why"),
    yes: word("delete_yes"),
    no: word("dismiss"),
    mood: "bad",
  });
  if (!sure) return;
  const answer = await call("DELETE", `/api/jobs/${encodedIdOf(button)}`);
  if (answer.ok) toast(word("deleted"), "good");
  else failed();
  redrawList();
}

/** @param {HTMLElement} button */
async function revoke(button) {
  const sure = await ask({
    question: word("revoke_ask", { title: titleOf(button) }),
    reason: word("revoke_why"),
    yes: word("revoke_yes"),
    no: word("dismiss"),
    mood: "bad",
  });
  if (!sure) return;
  const answer = await call("POST", `/api/jobs/${encodedIdOf(button)}/revoke`);
  if (answer.ok) {
    const count = answer.data.still_used_by.length;
    toast(word(count ? "revoked_shared" : "revoked", { count }), "good");
  } else failed();
  redrawList();
}

/**
 * Let a waiting task run before the user's other waiting tasks.
 *
 * @param {HTMLElement} button
 */
async function runFirst(button) {
  await move(idOf(button), { place: 1 }, word("moved_first"));
  redrawList();
}

/**
 * Start no other task after the running ones, or go on.
 *
 * @param {HTMLElement} button
 */
async function holdQueue(button) {
  const held = button.dataset.held === "true";
  const answer = await call("POST", held ? "/api/queue/resume" : "/api/queue/stop-after-current");
  if (!answer.ok) failed();
  refresh();
}

/** @param {HTMLElement} button */
async function rename(button) {
  const title = await askForText({
    question: word("rename_ask"),
    text: titleOf(button),
    most: TITLE_LENGTH,
    yes: word("rename_yes"),
    no: word("dismiss"),
  });
  if (!title || title === titleOf(button)) return;
  const answer = await call("POST", `/api/jobs/${encodedIdOf(button)}/title`, { body: { title } });
  if (!answer.ok) return failed();
  if (find("fs-reload")) redrawList();
  else location.reload();
}

/**
 * Save a receipt as JSON. This is no link, because a request for a receipt needs the token in a header.
 *
 * @param {HTMLElement} button
 */
async function receipt(button) {
  const answer = await call("GET", `/api/receipt/${encodedIdOf(button)}`);
  if (!answer.ok) return failed();
  const text = JSON.stringify(answer.data, null, 2);
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  make("a", { href: url, download: `receipt-${idOf(button)}.json` }).click();
  URL.revokeObjectURL(url);
}

/** @param {HTMLElement} button */
async function retry(button) {
  const stated = await ask({
    question: word("retry_ask", { title: titleOf(button) }),
    reason: word("consent"),
    yes: word("retry_yes"),
    no: word("dismiss"),
    mood: "good",
  });
  if (!stated) return;
  const known = await call("GET", `/api/status/${encodedIdOf(button)}`);
  if (!known.ok) return failed();
  const { type, source_files, target_file, face_mappings, options } = known.data;
  const body = { source_files, target_file, face_mappings, options, consent: true };
  const answer = await call("POST", `/api/process/${type}`, { body });
  if (answer.ok) toast(word("retried"), "good");
  else if (answer.status === 429) toast(refusalOf(answer), "bad");
  else failed();
}

export function watchButtons() {
  document.addEventListener("click", async (event) => {
    const button = nearest(event, "button[data-do]");
    if (!(button instanceof HTMLButtonElement) || button.disabled) return;
    try {
      await actions[button.dataset.do ?? ""](button);
    } catch (error) {
      console.error(error);
      failed();
    }
    refresh();
  });
}
