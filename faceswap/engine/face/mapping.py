"""Decides which source goes onto which face of the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from faceswap.engine.face.found import Face
from faceswap.errors import UnknownFace

ONLY = ""
"""The key of a source that goes onto the largest face, or onto all faces."""


def face_id(number: int) -> str:
    return f"face_{number}"


def reading_order(boxes: Sequence[Face]) -> list[int]:
    """Indices of the boxes from top to bottom, and in each row from left to right.

    The highest box that is left begins a row. Each box whose vertical middle lies between the top and the
    bottom of that box belongs to the same row, because heads in a row are never quite level.
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
    """Which of the faces 0..`faces` - 1 get a source: maps the number of a face to a key of `sources`.

    Raises:
        UnknownFace: a source is for a face that does not exist.
    """
    known = {face_id(number): number for number in range(faces)}
    for face in sources:
        if face not in known:
            raise UnknownFace(face=face)
    return {known[face]: face for face in sources}
