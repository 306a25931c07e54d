"""The pixels that the engine changes: 8-bit 4:2:0 planes, the form in videos, and square crops of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from faceswap.media import Colour

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]

_KR_KB = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}
"""Weights of red and blue in luma. Source: ITU-R BT.601, BT.709, BT.2020."""


@dataclass(frozen=True, slots=True)
class Region:
    """A square in a picture: centre and side in pixels. `angle`, in radians, turns its x axis clockwise."""

    x: float
    y: float
    side: float
    angle: float = 0.0

    def to_picture(self, size: int) -> F32:
        """(2, 3) matrix from pixels of a `size` x `size` crop to pixels of the picture."""
        scale = self.side / size
        c, s = math.cos(self.angle) * scale, math.sin(self.angle) * scale
        half = size / 2
        return np.array(
            [[c, -s, self.x - (c - s) * half], [s, c, self.y - (s + c) * half]],
            np.float32,
        )


@dataclass(frozen=True, slots=True)
class Planes:
    """Views of Y (H, W), U and V (H/2, W/2), uint8; H and W even. Writing to them changes the frame."""

    y: U8
    u: U8
    v: U8
    colour: Colour = field(default_factory=Colour)

    @property
    def width(self) -> int:
        return self.y.shape[1]

    @property
    def height(self) -> int:
        return self.y.shape[0]

    @classmethod
    def from_rgb(cls, picture: U8) -> Planes:
        """Convert an (H, W, 3) uint8 RGB picture with even H and W. The planes have full range and BT.601;
        chroma is averaged over 2 x 2 pixels."""
        luma, chroma = to_yuv(picture, Colour(full_range=True))
        small = cv2.resize(chroma, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        u, v = cv2.split(small)
        return cls(luma, as_u8(u), as_u8(v), Colour(full_range=True))

    def cut(self, x: int, y: int, width: int, height: int) -> Planes:
        """A view of a rectangle. All four numbers must be even."""
        half = (slice(y // 2, (y + height) // 2), slice(x // 2, (x + width) // 2))
        return Planes(self.y[y : y + height, x : x + width], self.u[half], self.v[half], self.colour)

    def shrunk(self, factor: int) -> Planes:
        """Planes averaged over `factor` x `factor` pixels. Rows and columns beyond a multiple of `2 * factor`
        are left out."""
        width, height = self.width // (2 * factor) * 2, self.height // (2 * factor) * 2
        whole = self.cut(0, 0, width * factor, height * factor)
        small = (width // 2, height // 2)
        return Planes(
            _averaged(whole.y, (width, height)),
            _averaged(whole.u, small),
            _averaged(whole.v, small),
            self.colour,
        )

    def crop_rgb(self, region: Region, size: int) -> U8:
        """Return `region` as (size, size, 3) uint8 RGB. Outside the picture, the pixels of its border repeat.

        A region much larger than the crop is averaged first, so that it does not alias. The colours are not
        exact. They are good enough for models that look for shapes; see `crop_colours` for exact ones.
        """
        planes, matrix = self._near(region, size)
        return planes._warp_rgb(matrix, size)

    def crop_colours(self, region: Region, size: int) -> U8:
        """As `crop_rgb`, but with the exact colours of the picture's colour space."""
        planes, matrix = self._near(region, size)
        packed = planes._warp(matrix, size)
        half = size // 2
        u, v = (_resized(part, (size, size)) for part in packed[size:].reshape(2, half, half))
        return to_picture(packed[:size], u, v, self.colour)

    def _near(self, region: Region, size: int) -> tuple[Planes, F32]:
        """The planes to take a crop from, and the (2, 3) matrix from the crop's pixels to theirs."""
        matrix = region.to_picture(size)
        planes = self
        factor = 1 << int(math.log2(max(1.0, min(16.0, region.side / size))))
        if factor > 1:
            reach = region.side * (abs(math.cos(region.angle)) + abs(math.sin(region.angle))) / 2
            step = 2 * factor
            x0 = max(0, int(region.x - reach)) // step * step
            y0 = max(0, int(region.y - reach)) // step * step
            x1 = x0 + (min(self.width, int(region.x + reach) + step) - x0) // step * step
            y1 = y0 + (min(self.height, int(region.y + reach) + step) - y0) // step * step
            if x1 > x0 and y1 > y0:
                planes = self.cut(x0, y0, x1 - x0, y1 - y0).shrunk(factor)
                matrix[:, 2] -= (x0, y0)
                # The centre of the shrunk pixel p is at factor * p + (factor - 1) / 2.
                matrix[:, 2] -= (factor - 1) / 2
                matrix /= factor
        return planes, matrix

    def _warp_rgb(self, matrix: F32, size: int) -> U8:
        packed = self._warp(matrix, size)
        if self.colour.full_range:
            cv2.convertScaleAbs(packed[:size], packed[:size], 219 / 255, 16)
        return as_u8(cv2.cvtColor(packed, cv2.COLOR_YUV2RGB_I420))

    def _warp(self, matrix: F32, size: int) -> U8:
        """A crop in the I420 layout, (size * 3 / 2, size) uint8: Y, then U and V of half the size."""
        half = size // 2
        packed = np.empty((size + half, size), np.uint8)
        chroma = packed[size:].reshape(2, half, half)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        border = cv2.BORDER_REPLICATE
        cv2.warpAffine(self.y, matrix, (size, size), packed[:size], flags, border)
        # Pixel c of the half-size crop is at 2c + 1/2 in the full crop. Chroma pixel p is at 2p + 1/2 in Y.
        linear = matrix[:, :2]
        halved = np.empty_like(matrix)
        halved[:, :2] = linear
        halved[:, 2] = (matrix[:, 2] + linear @ np.array([0.5, 0.5], np.float32) - 0.5) / 2
        cv2.warpAffine(self.u, halved, (half, half), chroma[0], flags, border)
        cv2.warpAffine(self.v, halved, (half, half), chroma[1], flags, border)
        return packed


def to_picture(luma: U8, u: U8, v: U8, colour: Colour) -> U8:
    """Convert luma, U and V, each (H, W) uint8, to (H, W, 3) uint8 RGB. It is the inverse of `to_yuv`."""
    kr, kb = _KR_KB[colour.matrix]
    luma_gain, chroma_gain, black = (1.0, 1.0, 0.0) if colour.full_range else (255 / 219, 255 / 224, 16.0)
    red_v, blue_u = 2 * (1 - kr) * chroma_gain, 2 * (1 - kb) * chroma_gain
    green_u, green_v = -blue_u * kb / (1 - kr - kb), -red_v * kr / (1 - kr - kb)
    matrix = np.array([[luma_gain, 0, red_v], [luma_gain, green_u, green_v], [luma_gain, blue_u, 0]])
    offsets = -matrix @ np.array([black, 128, 128])
    return as_u8(cv2.transform(cv2.merge((luma, u, v)), np.column_stack([matrix, offsets])))


def to_yuv(picture: U8, colour: Colour) -> tuple[U8, U8]:
    """Convert an (H, W, 3) uint8 RGB picture to luma, (H, W), and chroma, (H, W, 2) as U, V."""
    kr, kb = _KR_KB[colour.matrix]
    luma_row = np.array([kr, 1 - kr - kb, kb])
    u_row = (np.array([0.0, 0.0, 1.0]) - luma_row) / (2 * (1 - kb))
    v_row = (np.array([1.0, 0.0, 0.0]) - luma_row) / (2 * (1 - kr))
    luma_gain, chroma_gain, black = (1.0, 1.0, 0.0) if colour.full_range else (219 / 255, 224 / 255, 16.0)
    matrix = np.zeros((3, 4), np.float64)
    matrix[0, :3], matrix[0, 3] = luma_row * luma_gain, black
    matrix[1, :3], matrix[1, 3] = u_row * chroma_gain, 128
    matrix[2, :3], matrix[2, 3] = v_row * chroma_gain, 128
    y, u, v = cv2.split(cv2.transform(picture, matrix))
    return as_u8(y), as_u8(cv2.merge((u, v)))


def to_rgb(planes: Planes) -> F32:
    """Convert full-range BT.601 planes to (H, W, 3) float32 RGB, which is not clipped."""
    size = (planes.width, planes.height)
    u, v = (_resized(plane, size).astype(np.float32) for plane in (planes.u, planes.v))
    return rgb_of(planes.y.astype(np.float32), u, v)


def rgb_of(luma: F32, u: F32, v: F32) -> F32:
    """Convert full-range BT.601 luma, U and V, each (H, W), to (H, W, 3) float32 RGB, not clipped."""
    kr, kb = _KR_KB["bt601"]
    red = luma + 2 * (1 - kr) * (v - 128)
    blue = luma + 2 * (1 - kb) * (u - 128)
    green = (luma - kr * red - kb * blue) / (1 - kr - kb)
    return np.stack([red, green, blue], 2).astype(np.float32)


def _resized(plane: U8, size: tuple[int, int]) -> U8:
    return as_u8(cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR))


def _averaged(plane: U8, size: tuple[int, int]) -> U8:
    return as_u8(cv2.resize(plane, size, interpolation=cv2.INTER_AREA))


def as_u8(array: object) -> U8:
    """Return an array of uint8. It gives OpenCV's results an exact type; an array of uint8 is not copied."""
    return np.asarray(array, np.uint8)


def as_f32(array: object) -> F32:
    """Return an array of float32. Other types are converted; an array of float32 is not copied."""
    return np.asarray(array, np.float32)


def even(picture: U8) -> U8:
    """A view of a picture with an even number of rows and columns: an odd last one is left out."""
    return picture[: picture.shape[0] & ~1, : picture.shape[1] & ~1]
