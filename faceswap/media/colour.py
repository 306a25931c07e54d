"""How the numbers in a video's planes become colours: one decision for decoder, engine, encoder and browser.

What a file states is believed. What it does not state is read as browsers read it, and the result always
states it, with matrix, primaries and transfer together: browsers ignore one without the others.
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
_UNNAMED = (0, _UNSPECIFIED)
"""Of primaries and transfer."""
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
_USUAL: Mapping[int, tuple[int, int, int]] = {
    _BT709: (_BT709, 1, 1),
    _BT470BG: (_SMPTE170M, 6, 6),  # the same numbers; its own primaries would change what browsers show
    _SMPTE170M: (_SMPTE170M, 6, 6),
    _BT2020: (_BT2020, 9, 14),
    _BT2020_CONSTANT: (_BT2020_CONSTANT, 9, 14),
}
"""Matrix, primaries and transfer for a matrix that stands alone."""
_FROM_RGB = (_SMPTE170M, 1, 1)
"""Of RGB. Chromium shows blue more exactly with this matrix than with that of BT.709."""
_SWSCALE = {_FCC: 4, _BT470BG: 5, _SMPTE170M: 5, _SMPTE240M: 7, _BT2020: 9, _BT2020_CONSTANT: 9}
"""The scaler has numbers of its own; BT.709 is 1."""
_HD_HEIGHT = 720
"""From this height on an unnamed matrix is BT.709, below it BT.601. Source: Chromium, `ffmpeg_common.cc`."""
_ALWAYS_BT601 = ("vp9", "av1")
"""Codecs in which an unnamed matrix is BT.601 whatever the height. Source: the same, and seen in Chromium."""
_STATES_NOTHING = "vp8"
"""Its decoder names a matrix that no file states."""

PIX_FMT = "yuv420p"
"""Of every frame, whatever its range."""
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
    frames_know: bool = True
    """Whether a frame's own matrix is one that the file states."""

    @classmethod
    def of(cls, first: av.VideoFrame, codec: str) -> ColourPlan:
        """Decide by the first decoded frame: headers can be silent or wrong. `codec` is FFmpeg's name."""
        matrix, full = int(first.colorspace), is_full_range(first)
        primaries, transfer = int(first.color_primaries), int(first.color_trc)
        if codec == _STATES_NOTHING:
            matrix = _UNSPECIFIED
        if _is_rgb(first):
            full, usual = False, _FROM_RGB
        elif matrix in _CONVERTED:
            usual = _USUAL[_BT709]
        elif matrix in _USUAL:
            usual = _USUAL[matrix]
        else:
            usual = _USUAL[_SMPTE170M if codec in _ALWAYS_BT601 or first.height < _HD_HEIGHT else _BT709]
        if primaries in _UNNAMED:
            matrix, primaries = usual[:2]
        elif matrix not in _MATRICES or _is_rgb(first):
            matrix = usual[0]
        transfer = usual[2] if transfer in _UNNAMED else transfer
        tags = Tags(FULL_RANGE if full else LIMITED_RANGE, matrix, primaries, transfer)
        return cls(tags, codec != _STATES_NOTHING)

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
                format=PIX_FMT,
                src_colorspace=None if rgb else self._scaler_matrix(int(frame.colorspace)),
                dst_colorspace=self._scaler_matrix(self.tags.matrix),
                src_color_range=FULL_RANGE if rgb or is_full_range(frame) else LIMITED_RANGE,
                dst_color_range=self.tags.colour_range,
            )
        frame.colorspace, frame.color_range = self.tags.matrix, self.tags.colour_range
        return frame

    def _fits(self, frame: av.VideoFrame, width: int, height: int) -> bool:
        return (
            frame.format.name == PIX_FMT
            and (frame.width, frame.height) == (width, height)
            and is_full_range(frame) == (self.tags.colour_range == FULL_RANGE)
            and self._scaler_matrix(int(frame.colorspace)) == self._scaler_matrix(self.tags.matrix)
        )

    def _scaler_matrix(self, matrix: int) -> int:
        if not self.frames_know or matrix not in (*_MATRICES, *_CONVERTED):
            matrix = self.tags.matrix  # it does not say, so it is read as the first frame was
        return _SWSCALE.get(matrix, _BT709)


def is_full_range(frame: av.VideoFrame) -> bool:
    """Whether luma uses 0..255; a frame that does not say so uses 16..235."""
    return frame.format.name.startswith("yuvj") or int(frame.color_range) == FULL_RANGE


def _is_rgb(frame: av.VideoFrame) -> bool:
    return frame.format.is_rgb or frame.format.name.startswith(_WITHOUT_CHROMA)
