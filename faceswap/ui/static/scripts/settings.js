/* The sheet of settings: language, theme, notifications, sound. */

import { make } from "./dom.js";
import { showTheme } from "./gradio.js";
import { prefer, preferences } from "./preferences.js";
import { chime } from "./sound.js";
import { toast } from "./toasts.js";
import { word } from "./words.js";

/** Open the sheet. */
export function openSettings() {
  const close = make("button", { type: "button", value: "close" }, word("close"));
  const dialog = make(
    "dialog",
    { className: "fs-ask fs-settings" },
    make("h2", { id: "fs-question" }, word("settings")),
    choice("language", { auto: word("language_auto"), "zh-CN": word("language_zh"), en: word("language_en") }),
    choice("theme", { auto: word("theme_auto"), light: word("theme_light"), dark: word("theme_dark") }),
    toggle("notify", word("settings_notify")),
    toggle("sound", word("settings_sound")),
    toggle("keys", word("settings_keys")),
    make("div", { className: "fs-answers" }, make("button", { type: "button", "data-do": "keys" }, word("keys")), close),
  );
  dialog.setAttribute("aria-labelledby", "fs-question");
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target instanceof HTMLButtonElement) dialog.close();
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

/** Show the pages in the theme that the visitor chose. */
export const applyTheme = () => showTheme(preferences.theme);

/**
 * @param {"language" | "theme"} name
 * @param {Record<string, string>} options texts by value
 */
function choice(name, options) {
  const select = make(
    "select",
    { name },
    ...Object.entries(options).map(([value, text]) => make("option", { value }, text)),
  );
  select.value = preferences[name];
  select.addEventListener("change", () => {
    prefer({ [name]: select.value });
    if (name === "language") location.reload();
    else applyTheme();
  });
  return make("label", {}, make("span", {}, word(`settings_${name}`)), select);
}

/**
 * @param {"notify" | "sound" | "keys"} name
 * @param {string} text
 */
function toggle(name, text) {
  const box = make("input", { type: "checkbox", name, checked: preferences[name] });
  box.addEventListener("change", async () => {
    if (name === "notify" && box.checked && !(await mayNotify())) {
      box.checked = false;
      toast(word("notify_refused"), "bad");
    }
    prefer({ [name]: box.checked });
    if (name === "sound" && box.checked) chime();
  });
  return make("label", {}, box, make("span", {}, text));
}

const mayNotify = async () =>
  "Notification" in window && (await Notification.requestPermission().catch(() => "denied")) === "granted";
