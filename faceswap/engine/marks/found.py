"""The marks found in a file. `faceswap.provenance` decides what they mean. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from faceswap.engine.marks.marking import Label
from faceswap.media import FoundAigc
from faceswap.media.kinds import Kind
from faceswap.media.manifest import Manifest


@dataclass(frozen=True, slots=True)
class FoundLabel:
    """The visible label of an opening picture, and how well the picture shows it, -1..1."""

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
    """`count` 0 where the file is not `readable`."""
    label: FoundLabel | None = None
    readable: bool = True
    """Whether the picture, or the first one of a video, could be decoded."""
