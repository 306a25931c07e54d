/* Finds and makes elements. */

/**
 * @param {string} id
 * @returns {HTMLElement | null}
 */
export const find = (id) => document.getElementById(id);

/**
 * An element that the page's Python always renders.
 *
 * @param {string} id
 * @returns {HTMLElement}
 */
export function part(id) {
  const element = find(id);
  if (!element) throw new Error(`#${id} is not on this page`);
  return element;
}

/** @returns {HTMLVideoElement | null} the player of the target, if the target is a video */
export const targetPlayer = () => document.querySelector("#fs-target-card video");

/** @param {number} time_s shows that moment of the target */
export function seekTarget(time_s) {
  const video = targetPlayer();
  if (!video) return;
  video.pause();
  video.currentTime = time_s;
}

/**
 * Make an element: `make("p", {className: "x"}, "text", child…)`. A string becomes text, never markup.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, unknown>} [properties] properties of the element; any other name becomes an attribute
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) Reflect.set(element, name, value);
    else element.setAttribute(name, String(value));
  }
  element.append(...children);
  return element;
}

/**
 * The element that an event began at, or its nearest ancestor that matches.
 *
 * @param {Event} event
 * @param {string} selector
 * @returns {HTMLElement | null}
 */
export function nearest(event, selector) {
  return event.target instanceof Element ? event.target.closest(selector) : null;
}

/**
 * The first match inside `root`, which must be there.
 *
 * @param {ParentNode} root
 * @param {string} selector
 * @returns {HTMLElement}
 */
export function inside(root, selector) {
  const element = root.querySelector(selector);
  if (!(element instanceof HTMLElement)) throw new Error(`${selector} is missing`);
  return element;
}
