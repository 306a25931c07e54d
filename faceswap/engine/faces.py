"""The faces of a picture, numbered, each with a small picture of its own for people to choose from."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from faceswap.engine.swap import detect_faces
from faceswap.media import RGB, Limits, read_picture

PREVIEW_PX = 128
_PREVIEW_MARGIN = 0.25
"""Added on each side of the box, in parts of it: a box ends at the hairline."""
_JPEG_QUALITY = 85


@dataclass(frozen=True, slots=True)
class NumberedFace:
    """A box in whole pixels of the picture as shown, clipped to it, and `confidence` 0..1."""

    id: str
    x: int
    y: int
    width: int
    height: int
    confidence: float
    preview: str
    """JPEG of at most `PREVIEW_PX` on its longer side, base64."""


def numbered_faces(path: Path, limits: Limits, model: Path) -> list[NumberedFace]:
    """`face_0`, `face_1`… from top to bottom, then left to right, by the boxes' top left corners.

    The same picture gives the same numbers each time.

    Raises:
        BadMedia: damaged, no picture of a supported format, or over the limits.
    """
    cv2.setNumThreads(1)
    picture = read_picture(path, limits)
    height, width = picture.shape[:2]
    boxes = sorted(
        (y0, x0, y1, x1, face.confidence)
        for face in detect_faces(picture, model)
        for x0, x1 in [_clipped(face.x, face.width, width)]
        for y0, y1 in [_clipped(face.y, face.height, height)]
    )
    return [
        NumberedFace(
            id=f"face_{index}",
            x=x0,
            y=y0,
            width=x1 - x0,
            height=y1 - y0,
            confidence=round(min(1.0, max(0.0, confidence)), 3),
            preview=_preview(picture, x0, y0, x1, y1),
        )
        for index, (y0, x0, y1, x1, confidence) in enumerate(boxes)
    ]


def _clipped(start: float, length: float, limit: int) -> tuple[int, int]:
    """First and last+1 pixel within 0..limit, at least one."""
    first = min(max(0, round(start)), limit - 1)
    return first, max(first + 1, min(limit, round(start + length)))


def _preview(picture: RGB, x0: int, y0: int, x1: int, y1: int) -> str:
    across, down = round((x1 - x0) * _PREVIEW_MARGIN), round((y1 - y0) * _PREVIEW_MARGIN)
    crop = picture[max(0, y0 - down) : y1 + down, max(0, x0 - across) : x1 + across]
    scale = min(1.0, PREVIEW_PX / max(crop.shape[:2]))
    size = max(1, round(crop.shape[1] * scale)), max(1, round(crop.shape[0] * scale))
    small = cv2.resize(np.ascontiguousarray(crop[:, :, ::-1]), size, interpolation=cv2.INTER_AREA)
    _, jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return base64.b64encode(jpeg.tobytes()).decode()
