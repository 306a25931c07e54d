"""Faces are numbered as a client of the original API numbers them, which sorts them by itself."""

from __future__ import annotations

from functools import cmp_to_key

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceswap.engine.face.found import Face
from faceswap.engine.face.mapping import reading_order

Box = tuple[float, float, float, float]
"""Left, top, width and height in pixels."""


def numbered(boxes: list[Box]) -> list[Box]:
    return [boxes[index] for index in reading_order([Face(*box, 1.0) for box in boxes])]


def as_the_client_sorts(boxes: list[Box]) -> list[Box]:
    """JavaScript's `sort` and Python's are the same algorithm: both leave a list whose neighbours are in
    order as it is."""

    def compare(one: Box, other: Box) -> float:
        down = max(0, round(one[1])) - max(0, round(other[1]))
        return down if abs(down) > 20 else max(0, round(one[0])) - max(0, round(other[0]))

    return sorted(boxes, key=cmp_to_key(compare))


GROUPS: dict[str, list[Box]] = {
    "a couple, the left one lower by 48 px": [(120, 148, 150, 190), (420, 100, 150, 190)],
    "a couple, the left one lower by 20 px": [(120, 120, 150, 190), (420, 100, 150, 190)],
    "a family of four, two sit": [
        (105.4, 96.2, 88, 112),
        (292.7, 70.9, 91, 118),
        (175.1, 251.5, 80, 98),
        (361.8, 239.4, 74, 92),
    ],
    "a class in three rows on a stair": [
        *[(60 + 95 * number, 80 + 7 * (number % 3), 52, 66) for number in range(8)],
        *[(20 + 98 * number, 190 + 9 * (number % 2), 55, 70) for number in range(9)],
        *[(75 + 96 * number, 318 - 6 * (number % 4), 58, 74) for number in range(7)],
    ],
    "a slope: each is a little lower than the one to the right": [
        (80.0 * number, 200.0 - 15 * number, 70, 90) for number in range(4)
    ],
    "one who leans out of the picture": [(-12.4, -3.8, 140, 160), (210, 22, 120, 150)],
}


@pytest.mark.parametrize("boxes", GROUPS.values(), ids=GROUPS)
def test_the_numbers_are_the_client_s_own(boxes: list[Box]) -> None:
    """In whichever order the detector found the faces."""
    told = numbered(boxes)
    assert as_the_client_sorts(told) == told
    for found in (boxes[::-1], sorted(boxes), sorted(boxes, key=lambda box: box[2])):
        assert numbered(found) == told


def test_of_two_heads_48_px_apart_in_height_the_higher_one_is_the_first() -> None:
    assert numbered([(120, 148, 150, 190), (420, 100, 150, 190)]) == [
        (420, 100, 150, 190),
        (120, 148, 150, 190),
    ]


def test_an_order_that_fits_both_rules_stays() -> None:
    """By the client's rule alone, the faces of the slope could also begin with the highest one."""
    slope = GROUPS["a slope: each is a little lower than the one to the right"]
    assert numbered(slope) == sorted(slope)


@given(
    st.lists(
        st.tuples(*[st.floats(-50, 2000, allow_nan=False)] * 2, *[st.floats(8, 600, allow_nan=False)] * 2),
        max_size=24,
        unique=True,
    )
)
def test_no_group_is_numbered_otherwise_by_the_client(boxes: list[Box]) -> None:
    told = numbered(boxes)
    assert sorted(told) == sorted(boxes)
    assert as_the_client_sorts(told) == told
