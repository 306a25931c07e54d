"""Data types of faces for other modules: boxes without pixels and landmarks. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

SourceNote = Literal[
    "source_turned",
    "source_small",
    "source_mouth_open",
    "source_lit_from_side",
    "source_glasses",
    "source_covered",
    "source_not_human",
]
"""What about a photo will show in a swap with it."""
SOURCE_NOTES: tuple[SourceNote, ...] = get_args(SourceNote)
NOT_HUMAN: SourceNote = "source_not_human"
"""The photo shows no human face, although the detector found one. It is refused as a source."""


@dataclass(frozen=True, slots=True)
class Face:
    """The box of a detected face, in pixels of the picture as stored. `confidence` is 0..1."""

    x: float
    y: float
    width: float
    height: float
    confidence: float


@dataclass(frozen=True, slots=True)
class DetectedFace:
    """One face of a picture, or one person of a video in the frame that shows them best.

    The box is in whole pixels of the picture or frame as shown, and clipped to it. `confidence` is 0..1.
    """

    id: str
    """`face_0`, `face_1`… numbered from top to bottom, and in each row from left to right."""
    x: int
    y: int
    width: int
    height: int
    confidence: float
    preview: str
    """JPEG of the face in base64, at most 128 px on its longer side."""
    at_s: float | None = None
    """Time in seconds of the frame that the box and the preview are from; None for a picture."""
