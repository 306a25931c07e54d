"""Decides which source goes onto which face of the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from faceswap.engine.face.found import Face
from faceswap.errors import UnknownFace

ONLY = ""
"""The key of a source that goes onto the largest face, or onto all faces."""
_SAME_ROW_PX = 20
"""For clients of the original API, two faces are in one row if their tops differ by no more than this."""


def face_id(number: int) -> str:
    return f"face_{number}"


def reading_order(boxes: Sequence[Face]) -> list[int]:
    """Indices of the boxes from top to bottom, and in each row from left to right.

    Heads in a row are never quite level, so two rules decide what a row is. First, the highest box that is
    left begins a row, and each box whose vertical middle lies between its top and its bottom belongs to it.
    Then a box moves forward while it and the box before it are in the wrong order for a client of the
    original API. Such a client sorts the faces of an answer by itself and numbers them anew, so the order
    must be one that its sort leaves as it is. An order that obeys both rules stays.
    """
    ordered: list[int] = []
    for index in _by_rows(boxes):
        place = len(ordered)
        while place and _is_before(boxes[index], boxes[ordered[place - 1]]):
            place -= 1
        ordered.insert(place, index)
    return ordered


def _by_rows(boxes: Sequence[Face]) -> list[int]:
    left = sorted(range(len(boxes)), key=lambda index: (boxes[index].y, boxes[index].x))
    ordered: list[int] = []
    while left:
        top, bottom = boxes[left[0]].y, boxes[left[0]].y + boxes[left[0]].height
        row = {index for index in left if top <= boxes[index].y + boxes[index].height / 2 <= bottom}
        ordered += sorted(row, key=lambda index: boxes[index].x)
        left = [index for index in left if index not in row]
    return ordered


def _is_before(one: Face, other: Face) -> bool:
    """Whether a client of the original API puts one face before the other. It compares whole pixels, as an
    answer has them. This is no total order: three faces may each be before the next one in a circle.
    """
    (x, y), (other_x, other_y) = ((max(0, round(box.x)), max(0, round(box.y))) for box in (one, other))
    return y < other_y if abs(y - other_y) > _SAME_ROW_PX else x < other_x


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


def number_of(face: str) -> int:
    """The number of a face, of its id."""
    return int(face.removeprefix("face_"))


def picked(boxes: Sequence[Face], selector: str, reference: str) -> list[int]:
    """Which faces of a picture get the only source: indices of `boxes`, which are in the order of their size.

    Raises:
        UnknownFace: there is no face `reference`, and the selector is `reference`.
    """
    match selector:
        case "all":
            return list(range(len(boxes)))
        case "first":
            return reading_order(boxes)[:1]
        case "reference":
            order = reading_order(boxes)
            if number_of(reference) >= len(order):
                raise UnknownFace(face=reference)
            return [order[number_of(reference)]]
        case _:
            return list(range(len(boxes)))[:1]
