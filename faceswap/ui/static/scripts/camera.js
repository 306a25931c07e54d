/* Takes the source's picture with a camera. */

import { make } from "./dom.js";
import { toast } from "./toasts.js";
import { word } from "./words.js";

const WISHED = { video: { facingMode: "user", width: { ideal: 1280 }, height: { ideal: 960 } } };

/**
 * Let the user take a picture. The camera is off again when the dialog closes.
 *
 * @returns {Promise<File | null>} a PNG, or null when the user left or the camera cannot be used
 */
export async function photograph() {
  /** @type {MediaStream} */
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia(WISHED);
  } catch (error) {
    const refused = error instanceof DOMException && error.name === "NotAllowedError";
    toast(word(refused ? "camera_refused" : "camera_missing"), "bad");
    return null;
  }
  const video = make("video", { autoplay: true, muted: true, playsInline: true, srcObject: stream });
  const picture = make("canvas", { hidden: true });
  /** @param {string} value @param {string} text */
  const button = (value, text) => make("button", { type: "button", value }, text);
  const leave = button("", word("dismiss"));
  const take = button("take", word("camera_take"));
  const again = button("again", word("camera_again"));
  const use = button("use", word("camera_use"));
  for (const each of [take, use]) each.dataset.mood = "good";
  const dialog = make(
    "dialog",
    { className: "fs-ask fs-camera" },
    make("h2", { id: "fs-question" }, word("camera")),
    video,
    picture,
    make("div", { className: "fs-answers" }, leave, again, take, use),
  );
  dialog.setAttribute("aria-labelledby", "fs-question");
  /** @param {boolean} taken */
  const show = (taken) => {
    video.hidden = take.hidden = taken;
    picture.hidden = again.hidden = use.hidden = !taken;
    (taken ? use : take).focus();
  };
  take.addEventListener("click", () => {
    picture.width = video.videoWidth;
    picture.height = video.videoHeight;
    picture.getContext("2d")?.drawImage(video, 0, 0);
    show(true);
  });
  again.addEventListener("click", () => show(false));
  use.addEventListener("click", () => dialog.close("use"));
  leave.addEventListener("click", () => dialog.close(""));
  document.body.append(dialog);
  dialog.showModal();
  show(false);
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  for (const track of stream.getTracks()) track.stop();
  dialog.remove();
  if (dialog.returnValue !== "use") return null;
  /** @type {Blob | null} */
  const blob = await new Promise((resolve) => picture.toBlob(resolve, "image/png"));
  return blob && new File([blob], "camera.png", { type: "image/png" });
}
