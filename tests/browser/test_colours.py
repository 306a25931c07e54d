"""The colours that Chromium shows of a video and of its result."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from faceswap.media import Coding, Limits, VideoReader, VideoWriter
from tests import colours

LIMITS = Limits()
FAR = 3
"""Out of 255, from what the original shows."""
_SHOW = """async (source) => {
  const video = document.createElement("video");
  video.muted = true;
  video.src = source;
  await new Promise((done, failed) => {
    video.requestVideoFrameCallback(done);
    video.onerror = () => failed(new Error("cannot be played"));
    video.play();
  });
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0);
  return [0, 1, 2, 3, 4, 5].map((number) => {
    const [row, column] = [Math.floor(number / 3), number % 3];
    const x = Math.floor(((2 * column + 1) * canvas.width) / 6);
    const y = Math.floor(((2 * row + 1) * canvas.height) / 4);
    return Array.from(context.getImageData(x, y, 1, 1).data.slice(0, 3));
  });
}"""


def shown(browser: Browser, path: Path) -> np.ndarray:
    """(6, 3): the chart's colours as a page gets them."""
    page = browser.new_page()
    try:
        kind = "webm" if path.suffix == ".webm" else "mp4"
        content = base64.b64encode(path.read_bytes()).decode()
        return np.array(page.evaluate(_SHOW, f"data:video/{kind};base64,{content}"))
    finally:
        page.close()


@pytest.mark.parametrize("name", [name for name in colours.FORMS if name != "ProRes"])
def test_a_result_looks_as_its_original(browser: Browser, name: str, tmp_path: Path) -> None:
    form = colours.FORMS[name]
    source = colours.write(tmp_path, form)
    expected = shown(browser, source) if form.shown else np.array(colours.CHART)
    for encoder in ("libx264", "libvpx-vp9"):
        result = tmp_path / f"{encoder}.mp4"
        with VideoReader(source, LIMITS) as reader, VideoWriter(result, reader, Coding(4, encoder)) as writer:
            for frame in reader.frames():
                writer.write(frame)
            writer.close()
        assert np.abs(shown(browser, result) - expected).max() <= FAR, encoder
