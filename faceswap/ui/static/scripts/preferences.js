/* What a visitor chose in the settings. The browser keeps it. */

const KEPT = "faceswap-settings";

/**
 * @typedef {object} Preferences
 * @property {"auto" | "zh-CN" | "en"} language "auto" is the browser's
 * @property {"auto" | "light" | "dark"} theme "auto" is the system's
 * @property {boolean} notify tell by a notification, and in the tab's title, while the page is not looked at
 * @property {boolean} sound play a sound when a task ends
 * @property {boolean} keys single keys act, see `keys.js`
 */

/** @type {Preferences} */
const FIRST = { language: "auto", theme: "auto", notify: false, sound: false, keys: true };

/** @type {Preferences} */
export const preferences = { ...FIRST, ...JSON.parse(localStorage.getItem(KEPT) || "{}") };

/** @param {Partial<Preferences>} changed */
export function prefer(changed) {
  Object.assign(preferences, changed);
  localStorage.setItem(KEPT, JSON.stringify(preferences));
}
