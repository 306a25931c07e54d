"""Keeps a small picture of what was swapped last, so that a page can show what a run does and has made."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
from cv2.typing import MatLike

from faceswap.engine.files import whole_or_not_at_all
from faceswap.engine.planes import U8, as_u8
from faceswap.media import Frame

_EVERY_S = 2.0
_LONGEST_PX = 320
_JPEG_QUALITY = 80


class LatestFrame:
    """Writes one frame every two seconds, as JPEG of up to 320 pixels a side."""

    def __init__(self, path: Path, quarter_turns: int) -> None:
        """`quarter_turns`: how often the frames are turned counter-clockwise when they are shown."""
        self._path = path
        self._quarter_turns = quarter_turns
        self._next_s = 0.0

    def take(self, frame: Frame) -> None:
        """Write the frame, if it is time for one. It has its label already."""
        if time.monotonic() < self._next_s:
            return
        self._next_s = time.monotonic() + _EVERY_S
        width, height = frame.video.width, frame.video.height
        scale = min(1.0, _LONGEST_PX / max(width, height))
        small = frame.video.reformat(
            width=max(2, round(width * scale)), height=max(2, round(height * scale)), format="bgr24"
        ).to_ndarray()
        _write(self._path, np.ascontiguousarray(np.rot90(small, self._quarter_turns)))


def write_small(path: Path, picture: U8) -> None:
    """Write a picture, (H, W, 3) uint8 RGB, as such a JPEG."""
    scale = min(1.0, _LONGEST_PX / max(picture.shape[:2]))
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    small = as_u8(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
    _write(path, np.ascontiguousarray(small[:, :, ::-1]))


def _write(path: Path, bgr: MatLike) -> None:
    _, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    with suppress(OSError), whole_or_not_at_all(path) as part:  # a full disk must not end the run here
        part.write_bytes(jpeg.tobytes())
