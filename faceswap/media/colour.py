"""Decides how the values in a video's planes become colours. Decoder, engine and encoder use this decision.

If a file states its colours, the app believes it. If it does not, the app reads the values as browsers do.
The result always states its range, matrix, primaries and transfer. It states the last three together, because
browsers ignore one of them without the others.

The numbers are those of FFmpeg's AVColorRange, AVColorSpace, AVColorPrimaries and
AVColorTransferCharacteristic. All but the range are also the numbers of ITU-T H.273.
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
"""Numbers of primaries or transfer that mean that the file does not state them."""
_BT709, _FCC, _BT470BG, _SMPTE170M, _SMPTE240M, _BT2020, _BT2020_CONSTANT = 1, 4, 5, 6, 7, 9, 10
_MATRICES: Mapping[int, Matrix] = {
    _BT709: "bt709",
    _BT470BG: "bt601",
    _SMPTE170M: "bt601",
    _BT2020: "bt2020",
    _BT2020_CONSTANT: "bt2020",
}
_CONVERTED = (_FCC, _SMPTE240M)
"""Rare matrices. The app converts such videos to BT.709."""
_USUAL: Mapping[int, tuple[int, int, int]] = {
    _BT709: (_BT709, 1, 1),
    _BT470BG: (_SMPTE170M, 6, 6),  # the same matrix; with its own primaries, browsers show other colours
    _SMPTE170M: (_SMPTE170M, 6, 6),
    _BT2020: (_BT2020, 9, 14),
    _BT2020_CONSTANT: (_BT2020_CONSTANT, 9, 14),
}
"""Matrix, primaries and transfer of the result, by the matrix of the file, if the file states only that."""
_FROM_RGB = (_SMPTE170M, 1, 1)
"""Matrix, primaries and transfer of the result when the file is RGB. With this matrix Chromium shows blue
more exactly than with the matrix of BT.709."""
_SWSCALE = {_FCC: 4, _BT470BG: 5, _SMPTE170M: 5, _SMPTE240M: 7, _BT2020: 9, _BT2020_CONSTANT: 9}
"""The scaler's own number for each matrix. The number for BT.709 is 1."""
_HD_HEIGHT = 720
"""A matrix that the file does not state is BT.709 from this height on, and BT.601 below it.

Source: Chromium, `ffmpeg_common.cc`."""
_ALWAYS_BT601 = ("vp9", "av1")
"""Codecs in which a matrix that the file does not state is BT.601 at any height.

Source: Chromium, `ffmpeg_common.cc`, and what Chromium shows."""
_STATES_NOTHING = "vp8"
"""The codec whose files cannot state a matrix, although its decoder reports one."""

PIX_FMT = "yuv420p"
"""Pixel format of every frame, for both ranges."""
_WITHOUT_CHROMA = ("pal8", "gray", "mono", "ya8", "ya16")
"""Beginnings of the names of formats without chroma planes, which the app converts as it converts RGB."""


@dataclass(frozen=True, slots=True)
class Colour:
    """The range and the matrix of Y, U and V."""

    full_range: bool = False
    """False: luma 16..235 and chroma 16..240; True: 0..255."""
    matrix: Matrix = "bt601"


@dataclass(frozen=True, slots=True)
class Tags:
    """What a result states about its colours. The top of this module explains the numbers."""

    colour_range: int
    matrix: int
    primaries: int
    transfer: int


@dataclass(frozen=True, slots=True)
class ColourPlan:
    """The form to which every frame of a video is converted, and what the result states about its colours."""

    tags: Tags
    frames_know: bool = True
    """Whether the matrix of a frame is one that the file states."""

    @classmethod
    def of(cls, first: av.VideoFrame, codec: str) -> ColourPlan:
        """The plan for a video, from its first decoded frame. `codec` is FFmpeg's name.

        A header may leave the colours out or state them wrongly, so the frame decides.
        """
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
        """`frame` in the form of this plan, with this size in pixels.

        If only its tags need to change, this returns the same object.
        """
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
            matrix = self.tags.matrix  # the frame does not state a matrix: use the first frame's
        return _SWSCALE.get(matrix, _BT709)


def is_full_range(frame: av.VideoFrame) -> bool:
    """Whether luma uses 0..255. A frame that states no range uses 16..235."""
    return frame.format.name.startswith("yuvj") or int(frame.color_range) == FULL_RANGE


def _is_rgb(frame: av.VideoFrame) -> bool:
    return frame.format.is_rgb or frame.format.name.startswith(_WITHOUT_CHROMA)
