"""A chart of six colours as a video, in the forms that cameras, screens and programs write it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests import awkward

CHART = ((40, 180, 40), (200, 50, 40), (50, 60, 210), (230, 210, 60), (150, 60, 170), (128, 128, 128))
"""Red, green and blue of each patch, three in a row."""

LIMITED, FULL = 1, 2
BT709, UNSPECIFIED, BT470BG, BT601, BT2020 = 1, 2, 5, 6, 9
_SCALER = {BT709: 1, BT470BG: 5, BT601: 5, BT2020: 9}


@dataclass(frozen=True)
class Form:
    """How the chart is stored: `matrix` and `full` say what the numbers mean, `tags` what the file states.

    `shown` is whether Chromium plays it as it is meant.
    """

    name: str
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    matrix: int = BT709
    full: bool = False
    tags: tuple[int, int, int, int] | None = None
    height: int = 720
    encoder: Mapping[str, str] = field(default_factory=dict)
    shown: bool = True


_VP9 = {"deadline": "realtime", "cpu-used": "8", "crf": "4"}
_GOOD = {"crf": "4"}

FORMS = {
    "untagged RGB, 720p": Form("a.mov", "qtrle", "rgb24", shown=False),
    "untagged RGB, 360p": Form("a.mov", "qtrle", "rgb24", height=360, shown=False),
    "RGB with alpha": Form("a.mov", "qtrle", "argb", shown=False),
    "RGB as H.264": Form("a.mp4", "libx264rgb", "bgr24", encoder=_GOOD, shown=False),
    "untagged, 720p": Form("a.mp4", encoder=_GOOD),
    "untagged, 360p": Form("a.mp4", matrix=BT601, height=360, encoder=_GOOD),
    "untagged VP8": Form(
        "a.webm", "libvpx", encoder={"deadline": "realtime", "b": "8M", "qmin": "0", "qmax": "2"}
    ),
    "untagged VP9": Form("a.webm", "libvpx-vp9", matrix=BT601, encoder=_VP9),
    "untagged AV1": Form("a.mp4", "libsvtav1", matrix=BT601, encoder={"preset": "12", "crf": "10"}),
    "BT.709, 360p": Form("a.mp4", tags=(LIMITED, 1, 1, 1), height=360, encoder=_GOOD),
    "BT.601, 720p": Form("a.mp4", matrix=BT601, tags=(LIMITED, 6, 6, 6), encoder=_GOOD),
    "BT.601 alone, 720p": Form(
        "a.mp4", matrix=BT601, tags=(LIMITED, BT470BG, 2, 2), encoder=_GOOD, shown=False
    ),
    "BT.709, full range": Form("a.mp4", full=True, tags=(FULL, 1, 1, 1), encoder=_GOOD),
    "full range as old programs write it": Form(
        "a.mp4", pix_fmt="yuvj420p", full=True, tags=(FULL, 1, 1, 1), encoder=_GOOD
    ),
    "full range alone": Form("a.mp4", full=True, tags=(FULL, 2, 2, 2), encoder=_GOOD, shown=False),
    "BT.601, full range": Form(
        "a.mp4", matrix=BT601, full=True, tags=(FULL, 6, 6, 6), height=360, encoder=_GOOD
    ),
    "full-range VP9": Form("a.webm", "libvpx-vp9", full=True, tags=(FULL, 1, 1, 1), encoder=_VP9),
    "4:4:4": Form("a.mp4", pix_fmt="yuv444p", tags=(LIMITED, 1, 1, 1), encoder=_GOOD),
    "4:4:4, full range": Form("a.mp4", pix_fmt="yuv444p", full=True, tags=(FULL, 1, 1, 1), encoder=_GOOD),
    "ten bits": Form("a.mp4", pix_fmt="yuv420p10le", tags=(LIMITED, 1, 1, 1), encoder=_GOOD),
    "ProRes": Form("a.mov", "prores_ks", "yuv422p10le", tags=(LIMITED, 1, 1, 1), shown=False),
    "motion JPEG": Form(
        "a.avi", "mjpeg", "yuvj422p", matrix=BT601, full=True, encoder={"qmin": "1"}, shown=False
    ),
}


def chart(height: int) -> np.ndarray:
    """(H, W, 3) RGB, 16:9."""
    width = height * 16 // 9
    picture = np.zeros((height, width, 3), np.uint8)
    for number, colour in enumerate(CHART):
        row, column = divmod(number, 3)
        across = slice(column * width // 3, (column + 1) * width // 3)
        picture[row * height // 2 : (row + 1) * height // 2, across] = colour
    return picture


def patches(picture: np.ndarray) -> np.ndarray:
    """(6, 3): the mean colour in the middle of each patch."""
    height, width = picture.shape[:2]
    found = []
    for number in range(len(CHART)):
        row, column = divmod(number, 3)
        y, x = (2 * row + 1) * height // 4, (2 * column + 1) * width // 6
        found.append(picture[y - 8 : y + 8, x - 8 : x + 8].reshape(-1, 3).mean(0))
    return np.array(found)


def write(folder: Path, form: Form) -> Path:
    """Eight frames of the chart."""
    frames = awkward.flat_frames(chart(form.height), 8, form.pix_fmt, _SCALER[form.matrix], form.full)
    return awkward.write(
        folder / form.name,
        frames,
        codec=form.codec,
        pix_fmt=form.pix_fmt,
        tags=form.tags,
        encoder=dict(form.encoder),
    )
