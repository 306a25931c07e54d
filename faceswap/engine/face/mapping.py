"""Which source goes onto which face of the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from faceswap.engine.face.found import Face
from faceswap.errors import UnknownFace

ONLY = ""
"""The key of the source that goes onto the largest face, or onto all."""


def face_id(number: int) -> str:
    return f"face_{number}"


def reading_order(boxes: Sequence[Face]) -> list[int]:
    """Indices from top to bottom, in each row from left to right. A face belongs to the row of the highest
    one left when the middle of its height lies within that one's: heads in a row are never quite level.
    """
    left = sorted(range(len(boxes)), key=lambda index: (boxes[index].y, boxes[index].x))
    ordered: list[int] = []
    while left:
        top, bottom = boxes[left[0]].y, boxes[left[0]].y + boxes[left[0]].height
        row = {index for index in left if top <= boxes[index].y + boxes[index].height / 2 <= bottom}
        ordered += sorted(row, key=lambda index: boxes[index].x)
        left = [index for index in left if index not in row]
    return ordered


def chosen(faces: int, sources: Mapping[str, object]) -> dict[int, str]:
    """Which of so many numbered faces get a source, as numbers and keys of `sources`.

    Raises:
        UnknownFace: a source is for a face that is not there.
    """
    known = {face_id(number): number for number in range(faces)}
    for face in sources:
        if face not in known:
            raise UnknownFace(face=face)
    return {known[face]: face for face in sources}
