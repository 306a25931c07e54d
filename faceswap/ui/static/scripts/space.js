/* Inside a Space's frame, which grows with its content: its bottom edge may be out of sight. */

const TRIES = 40;
const EVERY_MS = 250;

/**
 * What the script of a Space's page offers inside the frame. It is iframe-resizer's, not Gradio's.
 *
 * @typedef {{scrollTop: number, clientHeight: number, offsetTop: number}} PageInfo in pixels
 * @typedef {{getPageInfo?: (tell: (page: PageInfo) => void) => void}} ParentFrame
 */

/** Lift the dock by what is hidden below the window's edge, in the variable `--fs-lift`. */
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
