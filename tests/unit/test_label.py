"""The visible label before encoding has the right place and height, and no other pixel changes."""

from __future__ import annotations

import numpy as np
import pytest

from faceswap import codec
from faceswap.engine.marks.label import (
    LEAST_SHARE,
    Labeller,
    LabelLook,
    find_label,
    opening_stamp,
    short_stamp,
)
from faceswap.engine.marks.marking import PLACES, STYLES, WORDS, Label, Marking
from faceswap.engine.planes import Planes
from faceswap.errors import InvalidRequest
from faceswap.media import Colour

QUARTER = [0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30]
"""Display matrix of a phone that is held upright. The stored pixel (x, y) is shown at (-y, x)."""
MIRRORED = [-65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30]
HALF = [-65536, 0, 0, 0, -65536, 0, 0, 0, 1 << 30]


def noise(width: int, height: int, seed: int = 0) -> Planes:
    rng = np.random.default_rng(seed)
    return Planes(
        rng.integers(16, 236, (height, width), np.uint8),
        rng.integers(16, 241, (height // 2, width // 2), np.uint8),
        rng.integers(16, 241, (height // 2, width // 2), np.uint8),
    )


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("words", WORDS)
def test_a_label_is_found_where_it_was_put_and_nowhere_else(words: str, place: str, style: str) -> None:
    label, planes = Label(words, place, style), noise(640, 360)
    assert find_label(planes.y, LabelLook(640, 360)) is None
    Labeller(label, LabelLook(640, 360), Colour()).stamp(planes, 0.0)
    found = find_label(planes.y, LabelLook(640, 360))
    assert found is not None
    assert (found[0].words, found[0].place) == (words, place)
    assert found[1] > 0.9


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    ("width", "height"), [(1280, 720), (320, 180), (176, 144), (64, 64), (30, 200), (2, 2)]
)
def test_no_sample_outside_the_box_changes(width: int, height: int, style: str) -> None:
    planes = noise(width, height)
    before = [plane.copy() for plane in (planes.y, planes.u, planes.v)]
    label, shown = Label(style=style), LabelLook(width, height)
    Labeller(label, shown, Colour()).stamp(planes, 0.0)
    rows, columns = opening_stamp(label, shown).box
    assert 0 <= rows.start < rows.stop <= height
    assert 0 <= columns.start < columns.stop <= width
    for number, (old, new) in enumerate(zip(before, (planes.y, planes.u, planes.v), strict=True)):
        half = 2 if number else 1
        outside = np.ones(old.shape, bool)
        outside[rows.start // half : rows.stop // half, columns.start // half : columns.stop // half] = False
        assert (old == new)[outside].all()
    assert (before[0] != planes.y).any() or width == 2


@pytest.mark.parametrize("height", [240, 360, 480, 720, 1080, 1440, 2160])
@pytest.mark.parametrize("words", WORDS)
def test_capitals_have_at_least_the_prescribed_share_of_the_short_side(height: int, words: str) -> None:
    for width in (height * 16 // 9 & ~1, height, height * 9 // 16 & ~1):
        short = min(width, height)
        for stamp in (
            opening_stamp(Label(words), LabelLook(width, height)),
            short_stamp(Label(words), LabelLook(width, height)),
        ):
            assert LEAST_SHARE * short <= stamp.ink_px < 0.08 * short + 4


def test_wide_pixels_count_as_they_are_shown() -> None:
    plain = opening_stamp(Label(), LabelLook(720, 1280))
    wide = opening_stamp(Label(), LabelLook(720, 1280, aspect=1.5))
    assert wide.ink_px >= LEAST_SHARE * 720 * 1.5 > plain.ink_px


@pytest.mark.parametrize(
    ("matrix", "upright"),
    [
        (QUARTER, lambda stored: np.rot90(stored, -1)),
        (HALF, lambda stored: np.rot90(stored, 2)),
        (MIRRORED, lambda stored: stored[:, ::-1]),
    ],
    ids=["turned", "upside down", "mirrored"],
)
@pytest.mark.parametrize("place", PLACES)
def test_it_stands_upright_in_the_same_corner_however_the_frame_is_stored(
    matrix: list[int], upright: object, place: str
) -> None:
    assert callable(upright)
    stored = np.full((360, 640), 90, np.uint8)
    chroma = np.full((180, 320), 128, np.uint8)
    label, shown = Label(place=place), LabelLook(640, 360, matrix)
    Labeller(label, shown, Colour()).stamp(Planes(stored, chroma, chroma.copy()), 0.0)
    on_screen = upright(stored)
    plain = np.full_like(on_screen, 90)
    half = np.full((plain.shape[0] // 2, plain.shape[1] // 2), 128, np.uint8)
    Labeller(label, LabelLook(plain.shape[1], plain.shape[0]), Colour()).stamp(
        Planes(plain, half, half.copy()), 0.0
    )
    assert (on_screen == plain).all()
    assert find_label(stored, shown) is not None


def test_the_words_shrink_to_a_mark_after_the_opening() -> None:
    shown, label = LabelLook(640, 360), Label(opening_s=2.5)
    labeller = Labeller(label, shown, Colour())
    for time_s, stamp in (
        (7.0, opening_stamp),
        (9.49, opening_stamp),
        (9.5, short_stamp),
        (60.0, short_stamp),
    ):
        planes = noise(640, 360)
        labeller.stamp(planes, time_s)  # Time counts from the first frame, whatever its timestamp.
        assert stamp(label, shown).likeness(planes.y) > 0.9, time_s
    mark = short_stamp(label, shown)
    assert mark.keep.size < 0.4 * opening_stamp(label, shown).keep.size


def test_a_run_that_goes_on_after_another_one_does_not_begin_with_the_words_again() -> None:
    shown, label = LabelLook(640, 360), Label(opening_s=2.5)
    labeller, planes = Labeller(label, shown, Colour(), begin_s=0.0), noise(640, 360)
    labeller.stamp(planes, 7.0)
    assert short_stamp(label, shown).likeness(planes.y) > 0.9


@pytest.mark.parametrize("background", [0, 90, 255])
@pytest.mark.parametrize("style", STYLES)
def test_letters_stand_out_from_any_background(background: int, style: str) -> None:
    picture = np.full((360, 640, 3), background, np.uint8)
    stamp = opening_stamp(Label(style=style), LabelLook(640, 360))
    stamp.on_rgb(picture)
    letters, around = stamp.luma > 0.99, (stamp.keep < 0.4) & (stamp.luma < 0.01)
    box = picture[stamp.box][..., 0] / 255
    light, dark = (float(np.median(box[part])) ** 2.2 for part in (letters, around))
    assert (light + 0.05) / (dark + 0.05) > 4.5  # contrast as WCAG 2 defines it


def test_an_order_that_says_nothing_of_the_label_gets_it() -> None:
    assert Marking.of({"aigc": "{}"}).label == Label()
    assert Marking.of({"aigc": "{}", "label": None}).label is None
    assert Marking.of(codec.encode(Marking(Label("zh", "top-left", "outline", 5.0), "x"))) == Marking(
        Label("zh", "top-left", "outline", 5.0), "x"
    )
    assert Label.of({"opening_s": 0}).opening_s == 2


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"aigc": ""},
        {"aigc": 3},
        {"aigc": "x", "label": 3},
        {"aigc": "x", "label": {"words": "none"}},
        {"aigc": "x", "label": {"place": "outside"}},
        {"aigc": "x", "label": {"opening_s": "long"}},
    ],
)
def test_a_marking_that_makes_no_sense_is_refused(raw: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        Marking.of(raw)
