"""Keeping the target's own mouth, whatever swaps the rest of the face."""

from __future__ import annotations

import cv2
import numpy as np

from faceswap.engine.planes import F32, U8, Planes, as_f32, as_u8
from faceswap.engine.topology import LIPS_OUTER, MOUTH_CORNERS
from faceswap.engine.video import FaceSwapper

_GROWN = 1.3
"""The kept part over the lips, in each direction from their middle."""
_SOFTNESS = 0.07
"""Standard deviation of the edge's blur, of the mouth's width."""
_SMALLEST = 4


class OwnMouth:
    """A `FaceSwapper` after which lips and what is between them are the target's again, with a soft edge."""

    def __init__(self, swapper: FaceSwapper) -> None:
        self._swapper = swapper
        self._lips = list(LIPS_OUTER)

    def knows(self, track: int) -> bool:
        return self._swapper.knows(track)

    def meet(self, track: int, resting: F32) -> None:
        self._swapper.meet(track, resting)

    def forget(self, tracks: set[int]) -> None:
        self._swapper.forget(tracks)

    def swap(self, planes: Planes, track: int, landmarks: F32) -> bool:
        lips = landmarks[self._lips, :2]
        grown = as_f32(lips.mean(0) + _GROWN * (lips - lips.mean(0)))
        blur = _SOFTNESS * float(np.linalg.norm(np.subtract(*landmarks[list(MOUTH_CORNERS), :2])))
        (left, top), (right, bottom) = (grown.min(0) - 3 * blur).tolist(), (grown.max(0) + 3 * blur).tolist()
        x, y = max(0, int(left)) & ~1, max(0, int(top)) & ~1
        width = min(planes.width, (int(right) + 2) & ~1) - x
        height = min(planes.height, (int(bottom) + 2) & ~1) - y
        if min(width, height) < _SMALLEST:
            return self._swapper.swap(planes, track, landmarks)
        place = planes.cut(x, y, width, height)
        own = [plane.copy() for plane in (place.y, place.u, place.v)]
        changed = self._swapper.swap(planes, track, landmarks)
        if changed:
            mask = _mask(grown - np.array([x, y], np.float32), (width, height), blur)
            small = as_f32(cv2.resize(mask, (width // 2, height // 2), interpolation=cv2.INTER_AREA))
            for plane, before, share in zip(
                (place.y, place.u, place.v), own, (mask, small, small), strict=True
            ):
                _mix(plane, before, share)
        return changed


def _mask(points: F32, size: tuple[int, int], blur: float) -> F32:
    """1 within the hull of the points, 0 well outside."""
    mask = np.zeros(size[::-1], np.float32)
    cv2.fillConvexPoly(mask, cv2.convexHull(points.round().astype(np.int32)), 1.0)
    return as_f32(cv2.GaussianBlur(mask, (0, 0), max(0.8, blur)))


def _mix(plane: U8, before: U8, share: F32) -> None:
    mixed = plane + share * (before.astype(np.float32) - plane)
    plane[:] = as_u8(np.rint(mixed))
