"""The marks found in a file. `faceswap.provenance` decides what they mean. Loads no native library."""

from __future__ import annotations

from dataclasses import dataclass

from faceswap.engine.marks.marking import Label
from faceswap.media import FoundAigc
from faceswap.media.kinds import Kind
from faceswap.media.manifest import Manifest


@dataclass(frozen=True, slots=True)
class FoundLabel:
    """The visible label that was found in a picture. `likeness` is its correlation with the pixels, -1..1."""

    label: Label
    likeness: float


@dataclass(frozen=True, slots=True)
class FoundMarks:
    kind: Kind
    format: str
    sha256: str
    size_bytes: int
    manifest: Manifest | None
    aigc: FoundAigc
    """Its `count` is 0 if the file is not `readable`."""
    label: FoundLabel | None = None
    readable: bool = True
    """Whether the picture, or the first one of a video, could be decoded."""
