/* Times, which the server writes in UTC, in the time zone and the language of whoever looks. */

import { language } from "./words.js";

export function localise() {
  /** @type {NodeListOf<HTMLTimeElement>} */
  const times = document.querySelectorAll("time[datetime]:not([data-local])");
  for (const time of times) {
    const at = new Date(time.dateTime);
    /** @type {Intl.DateTimeFormatOptions} */
    const style =
      time.dataset.style === "exact" ? { timeStyle: "medium" } : { dateStyle: "medium", timeStyle: "short" };
    time.textContent = at.toLocaleString(language, style);
    time.title = at.toLocaleString();
    time.dataset.local = "true";
  }
}
