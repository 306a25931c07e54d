"""Draws the visible label, which says "made by AI", into the planes of each frame before it is encoded.

The font comes with this package (`fonts/label.otf`), because a machine may have no Chinese font. The height
of the letters is that of the drawn pixels, not of the font. It is at least `LEAST_SHARE` of the picture's
short side, unless the picture has no room for that. Only pixels in the label's box change.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from faceswap.engine.marks.marking import PLACES, STYLES, WORDS, Label, Style
from faceswap.engine.planes import F32, U8, Planes, as_f32
from faceswap.media import Colour, VideoReader

LEAST_SHARE = 0.05
"""Required height of the letters as a share of the picture's short side. Source: GB 45438-2025."""
SHARE = 0.053
"""The share that is drawn. It is larger than the required one, because an encoder blurs the edges."""
LEAST_INK_PX = 10
"""Smallest height of the letters in pixels. Smaller Chinese letters cannot be read."""
FOUND_AT = 0.6
"""Least correlation at which a label counts as found. A label that was encoded at the lowest quality has more
than 0.9. Each of 26 pictures without a label had less than 0.2."""

_FONT = Path(__file__).parent / "fonts" / "label.otf"
_FULL = {"both": ("人工智能合成", "AI-generated"), "zh": ("人工智能合成",), "en": ("AI-generated",)}
_SHORT = {"both": ("AI合成",), "zh": ("AI合成",), "en": ("AI-generated",)}
_NARROW = {"both": ("AI", "合成"), "zh": ("AI", "合成"), "en": ("AI-", "gener", "ated")}
"""Lines for pictures that are too narrow for the other texts."""
_CAP_EM = 0.733
"""Height of a Latin capital as a share of the font size. A Chinese character is higher."""
_LINE_EM, _PAD_X_EM, _PAD_Y_EM, _STROKE_EM = 1.12, 0.28, 0.2, 0.1
_PLATE = 0.68
"""Opacity of the plate. White letters on it have a contrast ratio of 6 even over a white picture."""
_MARGIN_SHARE = 0.02
_LEAST_EM_PX = 6
_AS_WELL = 0.05

U16 = npt.NDArray[np.uint16]
Matrix = Sequence[int]
"""A display matrix in the form of `VideoReader.display_matrix`."""


@dataclass(frozen=True, slots=True)
class LabelLook:
    """How a player shows the stored pixels. `matrix` turns and mirrors them. `aspect` is the width of a pixel
    over its height."""

    width: int
    """Width of the stored picture in pixels."""
    height: int
    matrix: Matrix | None = None
    aspect: float = 1.0

    @classmethod
    def of(cls, reader: VideoReader) -> LabelLook:
        """The look of a video. Call it after the first frame was decoded."""
        aspect = reader.stream.sample_aspect_ratio
        return cls(reader.width, reader.height, reader.display_matrix, float(aspect) if aspect else 1.0)

    @property
    def turned(self) -> bool:
        return self.matrix is not None and abs(self.matrix[0]) < abs(self.matrix[1])

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the shown picture, in stored pixels."""
        return (self.height, self.width) if self.turned else (self.width, self.height)

    @property
    def short_px(self) -> float:
        """Length of the short side. The unit is the height that a stored pixel has in the shown picture."""
        short = min(self.width * self.aspect, self.height)
        return short / self.aspect if self.turned else short

    def stored(self, picture: F32) -> F32:
        """Turn and mirror a picture that is upright on the screen into the orientation of the stored pixels.

        Source: ISO/IEC 14496-12, 6.2.2: (x, y) is shown at (ax + cy, bx + dy).
        """
        if self.matrix is None:
            return picture
        a, b, _, c, d = self.matrix[:5]
        if self.turned:
            return picture.T[:: -1 if c < 0 else 1, :: -1 if b < 0 else 1]
        return picture[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]

    def place(self, x: int, y: int, width: int, height: int) -> tuple[int, int]:
        """The top left corner, in the stored picture, of a box that is shown at (x, y) with this size."""
        if self.matrix is None:
            return x, y
        a, b, _, c, d = self.matrix[:5]
        whole_x, whole_y = self.size
        if self.turned:
            column = whole_y - y - height if b < 0 else y
            row = whole_x - x - width if c < 0 else x
            return column, row
        return (whole_x - x - width if a < 0 else x), (whole_y - y - height if d < 0 else y)


@dataclass(frozen=True, slots=True)
class Stamp:
    """One label that is ready to be drawn. Each pixel of the picture is multiplied by `keep`, and `luma` of
    white is added.

    `ink_px` is the height of its Latin capitals in pixels; Chinese letters are higher.
    """

    x: int
    y: int
    keep: F32
    """(h, w) 0..1, in the orientation of the stored pixels."""
    luma: F32
    """(h, w) 0..1, a share of white."""
    ink_px: float

    @property
    def box(self) -> tuple[slice, slice]:
        """The rows and columns of the label in the stored picture."""
        height, width = self.keep.shape
        return slice(self.y, self.y + height), slice(self.x, self.x + width)

    def on_rgb(self, picture: U8) -> None:
        """Draw the label into an (H, W, 3) uint8 picture, in place."""
        box = picture[self.box]
        box[:] = np.rint(box * self.keep[..., None] + 255 * self.luma[..., None]).astype(np.uint8)

    def likeness(self, picture: U8) -> float:
        """Correlation, -1..1, of this label with its box in `picture`, which is (H, W) luma or (H, W, 3)."""
        found = picture[self.box].astype(np.float32)
        if found.ndim == 3:
            found = found.mean(2)
        ours = self.keep < 0.5
        if found.shape != self.keep.shape or not ours.any():
            return 0.0
        wanted = (self.keep * 0.5 + self.luma)[ours]
        seen = found[ours]
        wanted, seen = wanted - wanted.mean(), seen - seen.mean()
        norm = float(np.linalg.norm(wanted) * np.linalg.norm(seen))
        return float(wanted @ seen) / norm if norm > 1e-6 else 0.0


class Labeller:
    """Draws a label on the frames of one video. Call `stamp` for each frame in order, from one thread."""

    def __init__(self, label: Label, shown: LabelLook, colour: Colour, begin_s: float | None = None) -> None:
        """`begin_s` is when the video begins. None means with the first frame that is stamped: not for a run
        that goes on after the frames of another one."""
        self._opening = _Fixed(opening_stamp(label, shown), colour)
        self._rest = _Fixed(short_stamp(label, shown), colour)
        self._until_s = label.opening_s
        self._begin_s = begin_s

    def stamp(self, planes: Planes, time_s: float) -> None:
        """Draw the label into writable planes, in place. `time_s` is the time of the frame."""
        if self._begin_s is None:
            self._begin_s = time_s
        opening = time_s - self._begin_s < self._until_s
        (self._opening if opening else self._rest).put_on(planes)


class _Fixed:
    """A stamp as integers, for I420 planes of one colour space."""

    def __init__(self, stamp: Stamp, colour: Colour) -> None:
        black, white = (0, 255) if colour.full_range else (16, 235)
        self._box = stamp.box
        self._half = tuple(slice(part.start // 2, part.stop // 2) for part in stamp.box)
        self._keep = np.rint(stamp.keep * 256).astype(np.uint16)
        self._luma = np.rint(((1 - stamp.keep) * black + stamp.luma * (white - black)) * 256 + 127).astype(
            np.uint16
        )
        height, width = stamp.keep.shape
        kept = stamp.keep.reshape(height // 2, 2, width // 2, 2).mean((1, 3))
        self._kept_chroma = np.rint(kept * 256).astype(np.uint16)
        self._grey = np.rint((1 - kept) * 128 * 256 + 127).astype(np.uint16)

    def put_on(self, planes: Planes) -> None:
        _mix(planes.y[self._box], self._keep, self._luma)
        _mix(planes.u[self._half], self._kept_chroma, self._grey)
        _mix(planes.v[self._half], self._kept_chroma, self._grey)


def _mix(plane: U8, keep: U16, add: U16) -> None:
    mixed = plane * keep
    mixed += add
    mixed >>= 8
    plane[:] = mixed


def opening_stamp(label: Label, shown: LabelLook) -> Stamp:
    """The stamp with all the words, or with the short or narrow text if the picture has no room for them."""
    return _stamp(label, shown, (_FULL[label.words], _SHORT[label.words]))


def short_stamp(label: Label, shown: LabelLook) -> Stamp:
    return _stamp(label, shown, (_SHORT[label.words],))


def find_label(picture: U8, shown: LabelLook, label: Label | None = None) -> tuple[Label, float] | None:
    """Find the label in a picture or in the first picture of a video. Returns it with its likeness.

    Returns None when there is none.

    `picture` is (H, W) luma or (H, W, 3), with the stored pixels. The function looks for `label` only, or for
    every possible label when it is None.
    """
    candidates = [label] if label else list(_every_label())
    stamps = [(found, opening_stamp(found, shown)) for found in candidates]
    scored = [(found, stamp.likeness(picture), stamp.keep.size) for found, stamp in stamps]
    best = max(score for _, score, _ in scored)
    if best < FOUND_AT:
        return None
    # One label may be a part of another one. Of those that fit equally well, the largest is the right one.
    found, score, _ = max((each for each in scored if each[1] > best - _AS_WELL), key=lambda each: each[2])
    return found, score


def _every_label() -> Iterator[Label]:
    for words in WORDS:
        for place in PLACES:
            for style in STYLES:
                yield Label(words, place, style)


def _stamp(label: Label, shown: LabelLook, choices: Sequence[tuple[str, ...]]) -> Stamp:
    width, height = shown.size
    margin = _even(max(2.0, _MARGIN_SHARE * min(width, height))) if min(width, height) >= 16 else 0
    room = max(2, width - 2 * margin) & ~1, max(2, height - 2 * margin) & ~1
    ink = max(math.ceil(SHARE * shown.short_px), LEAST_INK_PX)
    em = math.ceil(ink / _CAP_EM)
    drawn = next(
        (found for lines in choices if _fits(found := _drawn(lines, em, label.style), room)),
        None,
    )
    while drawn is None:
        smaller = _drawn(_NARROW[label.words], em, label.style)
        if _fits(smaller, room) or em <= _LEAST_EM_PX:
            drawn = replace(
                smaller, keep=smaller.keep[: room[1], : room[0]], luma=smaller.luma[: room[1], : room[0]]
            )
        else:
            em -= 1
    rows, columns = drawn.keep.shape
    x = margin if label.place.endswith("left") else (width - margin - columns) & ~1
    y = margin if label.place.startswith("top") else (height - margin - rows) & ~1
    x, y = shown.place(x, y, columns, rows)
    return Stamp(x, y, shown.stored(drawn.keep), shown.stored(drawn.luma), drawn.ink_px)


@dataclass(frozen=True, slots=True)
class _Drawn:
    keep: F32
    luma: F32
    ink_px: float


def _fits(drawn: _Drawn, room: tuple[int, int]) -> bool:
    return drawn.keep.shape[1] <= room[0] and drawn.keep.shape[0] <= room[1]


@lru_cache(maxsize=64)
def _drawn(lines: tuple[str, ...], em: int, style: Style) -> _Drawn:
    """Draw lines of text, upright, into a box with even width and height. `em` is the font size in pixels."""
    font = ImageFont.truetype(str(_FONT), em, layout_engine=ImageFont.Layout.BASIC)
    pad_x, pad_y, step = math.ceil(_PAD_X_EM * em), math.ceil(_PAD_Y_EM * em), math.ceil(_LINE_EM * em)
    boxes = [font.getbbox(line, anchor="ls") for line in lines]
    width = _even(max(right - left for left, _, right, _ in boxes) + 2 * pad_x)
    above, below = -boxes[0][1], boxes[-1][3]
    height = _even(above + step * (len(lines) - 1) + below + 2 * pad_y)
    letters, dark = (Image.new("L", (width, height)) for _ in range(2))
    if style == "plate":
        dark.paste(round(255 * _PLATE), (0, 0, width, height))
    stroke = max(1, round(_STROKE_EM * em))
    for number, (line, (left, _, right, _)) in enumerate(zip(lines, boxes, strict=True)):
        at = ((width - (right - left)) // 2 - left, pad_y + above + step * number)
        ImageDraw.Draw(letters).text(at, line, font=font, fill=255, anchor="ls")
        if style == "outline":
            ImageDraw.Draw(dark).text(at, line, font=font, fill=255, anchor="ls", stroke_width=stroke)
    ink, plate = (as_f32(layer) / np.float32(255) for layer in (letters, dark))
    keep = as_f32((1 - ink) * (1 - plate))
    return _Drawn(keep, as_f32(ink), -font.getbbox("A", anchor="ls")[1])


def _even(size: float) -> int:
    return math.ceil(size / 2) * 2
