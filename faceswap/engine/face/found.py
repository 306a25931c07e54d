"""Faces as they are told to others: boxes without pixels and without landmarks. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Face:
    """A face as a detection shows it: a box in pixels of the picture as stored, and `confidence` 0..1."""

    x: float
    y: float
    width: float
    height: float
    confidence: float


@dataclass(frozen=True, slots=True)
class DetectedFace:
    """One face of a picture, or one person of a video where that face is seen best.

    The box is in whole pixels of the picture or frame as shown, clipped to it; `confidence` 0..1.
    """

    id: str
    """`face_0`, `face_1`… from top to bottom, in each row from left to right."""
    x: int
    y: int
    width: int
    height: int
    confidence: float
    preview: str
    """JPEG of the face, base64, at most 128 px on its longer side."""
    at_s: float | None = None
    """When a video shows the face so; None for a picture."""
