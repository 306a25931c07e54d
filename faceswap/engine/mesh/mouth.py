"""Keeps the target's own mouth, with any engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from faceswap.engine.face.topology import LIPS_OUTER, MOUTH_CORNERS
from faceswap.engine.planes import F32, U8, Planes, as_f32, as_u8
from faceswap.engine.swapper import FaceInFrame, SwapperAround, swap_together

_GROWN = 1.3
"""Size of the kept part, divided by the size of the lips. It grows from the middle of the lips."""
_SOFTNESS = 0.07
"""Standard deviation of the blur of the edge, as a share of the mouth's width."""
_SMALLEST = 4


class OwnMouth(SwapperAround):
    """A `BatchSwapper` that runs another swapper and then puts back the target's lips and what is between
    them, with a soft edge.
    """

    def swap_all(self, faces: Sequence[FaceInFrame]) -> list[bool]:
        kept = [_Kept.of(face.planes, face.landmarks) for face in faces]
        changed = swap_together(self._swapper, faces)
        for mouth, swapped in zip(kept, changed, strict=True):
            if mouth is not None and swapped:
                mouth.put_back()
        return changed


@dataclass(frozen=True, slots=True)
class _Kept:
    """The pixels of a mouth before the swap, and where to put them back."""

    place: Planes
    before: list[U8]
    shares: list[F32]

    @classmethod
    def of(cls, planes: Planes, landmarks: F32) -> _Kept | None:
        """Copy the mouth. Returns None if it is too small or outside the frame."""
        lips = landmarks[list(LIPS_OUTER), :2]
        grown = as_f32(lips.mean(0) + _GROWN * (lips - lips.mean(0)))
        blur = _SOFTNESS * float(np.linalg.norm(np.subtract(*landmarks[list(MOUTH_CORNERS), :2])))
        (left, top), (right, bottom) = (grown.min(0) - 3 * blur).tolist(), (grown.max(0) + 3 * blur).tolist()
        x, y = max(0, int(left)) & ~1, max(0, int(top)) & ~1
        width = min(planes.width, (int(right) + 2) & ~1) - x
        height = min(planes.height, (int(bottom) + 2) & ~1) - y
        if min(width, height) < _SMALLEST:
            return None
        place = planes.cut(x, y, width, height)
        mask = _mask(grown - np.array([x, y], np.float32), (width, height), blur)
        small = as_f32(cv2.resize(mask, (width // 2, height // 2), interpolation=cv2.INTER_AREA))
        return cls(place, [plane.copy() for plane in (place.y, place.u, place.v)], [mask, small, small])

    def put_back(self) -> None:
        planes = (self.place.y, self.place.u, self.place.v)
        for plane, before, share in zip(planes, self.before, self.shares, strict=True):
            _mix(plane, before, share)


def _mask(points: F32, size: tuple[int, int], blur: float) -> F32:
    """(H, W) mask: 1 inside the convex hull of the points, 0 far outside. `size` is (width, height)."""
    mask = np.zeros(size[::-1], np.float32)
    cv2.fillConvexPoly(mask, cv2.convexHull(points.round().astype(np.int32)), 1.0)
    return as_f32(cv2.GaussianBlur(mask, (0, 0), max(0.8, blur)))


def _mix(plane: U8, before: U8, share: F32) -> None:
    mixed = plane + share * (before.astype(np.float32) - plane)
    plane[:] = as_u8(np.rint(mixed))
