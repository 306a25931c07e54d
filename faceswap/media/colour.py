"""How the numbers in a video's planes become colours: one decision for decoder, engine, encoder and browser.

A video that does not say which matrix it uses is read as browsers read it, and the result always says it.
The numbers are FFmpeg's AVColorRange, AVColorSpace, AVColorPrimaries and AVColorTransferCharacteristic, which
are those of ITU-T H.273 but for the range.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import av

Matrix = Literal["bt601", "bt709", "bt2020"]

LIMITED_RANGE, FULL_RANGE = 1, 2
_UNSPECIFIED = 2
"""Of matrix, primaries and transfer; 0 is reserved for the last two."""
_BT709, _FCC, _BT470BG, _SMPTE170M, _SMPTE240M, _BT2020, _BT2020_CONSTANT = 1, 4, 5, 6, 7, 9, 10
_MATRICES: Mapping[int, Matrix] = {
    _BT709: "bt709",
    _BT470BG: "bt601",
    _SMPTE170M: "bt601",
    _BT2020: "bt2020",
    _BT2020_CONSTANT: "bt2020",
}
_CONVERTED = (_FCC, _SMPTE240M)
"""Rare matrices, which are converted to BT.709."""
_PRIMARIES_AND_TRANSFER: Mapping[int, tuple[int, int]] = {
    _BT709: (1, 1),
    _BT470BG: (5, 6),
    _SMPTE170M: (6, 6),
    _BT2020: (9, 14),
    _BT2020_CONSTANT: (9, 14),
}
"""What belongs to a matrix where the file names the matrix only."""
_SWSCALE = {_FCC: 4, _BT470BG: 5, _SMPTE170M: 5, _SMPTE240M: 7, _BT2020: 9, _BT2020_CONSTANT: 9}
"""The scaler has numbers of its own; BT.709 is 1."""
_HD_HEIGHT = 720
"""From this height on an unnamed matrix is BT.709, below it BT.601. Source: Chromium, `ffmpeg_common.cc`."""

_EIGHT_BIT_420 = ("yuv420p", "yuvj420p")
_WITHOUT_CHROMA = ("pal8", "gray", "mono", "ya8", "ya16")
"""Beginnings of the names of formats whose values are those of a screen, as RGB is."""


@dataclass(frozen=True, slots=True)
class Colour:
    """How Y, U and V are meant."""

    full_range: bool = False
    """False: luma 16..235 and chroma 16..240; True: 0..255."""
    matrix: Matrix = "bt601"


@dataclass(frozen=True, slots=True)
class Tags:
    """What a file states about its colours; see the top of this module for the numbers."""

    colour_range: int
    matrix: int
    primaries: int
    transfer: int


@dataclass(frozen=True, slots=True)
class ColourPlan:
    """The form that every frame of a video gets, and what its result states."""

    tags: Tags
    pix_fmt: str
    """`yuv420p` or `yuvj420p`."""

    @classmethod
    def of(cls, first: av.VideoFrame) -> ColourPlan:
        """Decide by the first decoded frame: headers can be silent or wrong."""
        matrix, full = int(first.colorspace), is_full_range(first)
        if _is_rgb(first):
            matrix, full = _BT709, False
        elif matrix in _CONVERTED:
            matrix = _BT709
        elif matrix not in _MATRICES:
            matrix = _BT709 if first.height >= _HD_HEIGHT else _SMPTE170M
        primaries, transfer = int(first.color_primaries), int(first.color_trc)
        usual = _PRIMARIES_AND_TRANSFER[matrix]
        tags = Tags(
            FULL_RANGE if full else LIMITED_RANGE,
            matrix,
            primaries if primaries not in (0, _UNSPECIFIED) else usual[0],
            transfer if transfer not in (0, _UNSPECIFIED) else usual[1],
        )
        name = first.format.name
        return cls(tags, name if name in _EIGHT_BIT_420 else "yuv420p")

    @property
    def colour(self) -> Colour:
        return Colour(self.tags.colour_range == FULL_RANGE, _MATRICES[self.tags.matrix])

    def applied(self, frame: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
        """`frame` in this form and size; the same object where nothing has to change but its tags."""
        if not self._fits(frame, width, height):
            rgb = _is_rgb(frame)
            frame = frame.reformat(
                width=width,
                height=height,
                format=self.pix_fmt,
                src_colorspace=None if rgb else self._scaler_matrix(int(frame.colorspace)),
                dst_colorspace=self._scaler_matrix(self.tags.matrix),
                src_color_range=FULL_RANGE if rgb or is_full_range(frame) else LIMITED_RANGE,
                dst_color_range=self.tags.colour_range,
            )
        frame.colorspace, frame.color_range = self.tags.matrix, self.tags.colour_range
        return frame

    def _fits(self, frame: av.VideoFrame, width: int, height: int) -> bool:
        matrix = int(frame.colorspace)
        return (
            frame.format.name == self.pix_fmt
            and (frame.width, frame.height) == (width, height)
            and is_full_range(frame) == (self.tags.colour_range == FULL_RANGE)
            and (matrix not in (*_MATRICES, *_CONVERTED) or _same(matrix, self.tags.matrix))
        )

    def _scaler_matrix(self, matrix: int) -> int:
        if matrix not in (*_MATRICES, *_CONVERTED):
            matrix = self.tags.matrix  # it does not say, so it is read as the first frame was
        return _SWSCALE.get(matrix, _BT709)


def limited(frame: av.VideoFrame) -> av.VideoFrame:
    """A full-range 4:2:0 frame with luma 16..235, for encoders that know no other range."""
    matrix = _SWSCALE.get(int(frame.colorspace), _BT709)
    made = frame.reformat(
        format="yuv420p",
        src_colorspace=matrix,
        dst_colorspace=matrix,
        src_color_range=FULL_RANGE,
        dst_color_range=LIMITED_RANGE,
    )
    made.colorspace, made.color_range = frame.colorspace, LIMITED_RANGE
    return made


def is_full_range(frame: av.VideoFrame) -> bool:
    """Whether luma uses 0..255; a frame that does not say so uses 16..235."""
    return frame.format.name.startswith("yuvj") or int(frame.color_range) == FULL_RANGE


def _is_rgb(frame: av.VideoFrame) -> bool:
    return frame.format.is_rgb or frame.format.name.startswith(_WITHOUT_CHROMA)


def _same(one: int, other: int) -> bool:
    return _MATRICES.get(one) == _MATRICES.get(other)
