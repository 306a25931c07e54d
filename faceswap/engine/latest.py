"""Keeps a small picture of a video's latest swapped frame, so that a page can show what a run is doing."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np

from faceswap.engine.files import whole_or_not_at_all
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
        picture = np.ascontiguousarray(np.rot90(small, self._quarter_turns))
        _, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        with (
            suppress(OSError),
            whole_or_not_at_all(self._path) as part,
        ):  # a full disk must not end the run here
            part.write_bytes(jpeg.tobytes())
