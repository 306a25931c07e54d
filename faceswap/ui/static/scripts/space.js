/* Keeps the dock visible in a Space. A Space's frame is as high as its content, so its bottom may be out of sight. */

const TRIES = 40;
const EVERY_MS = 250;

/**
 * The object that a Space's page offers inside its frame. It belongs to iframe-resizer, not to Gradio.
 *
 * @typedef {{scrollTop: number, clientHeight: number, offsetTop: number}} PageInfo in pixels
 * @typedef {{getPageInfo?: (tell: (page: PageInfo) => void) => void}} ParentFrame
 */

/** Move the dock up by the height that is hidden below the window. The variable `--fs-lift` holds this height. */
export function stayInSight() {
  let tries = 0;
  const wait = setInterval(() => {
    const frame = /** @type {{parentIFrame?: ParentFrame}} */ (/** @type {unknown} */ (window)).parentIFrame;
    if (frame?.getPageInfo) {
      clearInterval(wait);
      frame.getPageInfo((page) => {
        const below = window.innerHeight - (page.scrollTop + page.clientHeight - page.offsetTop);
        document.documentElement.style.setProperty("--fs-lift", `${Math.max(0, below)}px`);
      });
    } else if (++tries > TRIES) clearInterval(wait);
  }, EVERY_MS);
}
