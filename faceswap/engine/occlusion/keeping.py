"""Keeps what lies before a face, with any engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from faceswap.engine.mesh.paste import box_around
from faceswap.engine.occlusion.view import FaceView, Occluder
from faceswap.engine.planes import F32, U8, Planes, as_f32, as_u8
from faceswap.engine.swapper import Cover, FaceInFrame, FaceSwapper, SwapperAround, swap_together

_GRID = 224
"""Cells along the longer side of the box in the grid of the mask. A thin rim of glasses needs so many."""
_WIDER = 1.1
"""Size of the area in which occluders are kept, divided by the size of the face."""
_NOTHING = 0.02


class KeepingOccluders(SwapperAround):
    """A `BatchSwapper` that runs another swapper and then puts back the pixels of what lies before each face.

    The mask is made once for each face, before it is swapped. The other swapper gets it too, so that it does
    not measure the light of the face on a microphone.
    """

    def __init__(self, swapper: FaceSwapper, occluders: Sequence[Occluder]) -> None:
        super().__init__(swapper)
        self._occluders = occluders

    def drop_tracks(self, tracks: set[int]) -> None:
        super().drop_tracks(tracks)
        for occluder in self._occluders:
            occluder.drop_tracks(tracks)

    def swap_all(self, faces: Sequence[FaceInFrame]) -> list[bool]:
        faces = [replace(face, cover=self._cover(face)) for face in faces]
        kept = [_Kept.of(face.planes, face.cover) if face.cover else None for face in faces]
        changed = swap_together(self._swapper, faces)
        for pixels, swapped in zip(kept, changed, strict=True):
            if pixels is not None and swapped:
                pixels.put_back()
        return changed

    def _cover(self, face: FaceInFrame) -> Cover | None:
        middle = face.landmarks.mean(0)
        # The source's shape may be wider than the target's.
        box = box_around(face.planes, face.landmarks, as_f32(middle + _WIDER * (face.landmarks - middle)))
        if box is None:
            return None
        view = FaceView(face.planes, face.track, face.landmarks, box, box.grid(_GRID))
        masks = [mask for occluder in self._occluders if (mask := occluder.cover(view)) is not None]
        if not masks:
            return None
        return Cover(box.x, box.y, box.width, box.height, as_f32(np.clip(np.max(masks, 0), 0, 1)))


@dataclass(frozen=True, slots=True)
class _Kept:
    """The pixels of a part of a frame before the swap, and how much of each to put back."""

    place: Planes
    before: list[U8]
    shares: list[F32]

    @classmethod
    def of(cls, planes: Planes, cover: Cover) -> _Kept | None:
        """Copy the part of the frame that is covered. None if nothing is."""
        rows, columns = (np.nonzero((cover.mask > _NOTHING).any(axis))[0] for axis in (1, 0))
        if not len(rows):
            return None
        top, bottom = _pixels(rows, cover.height / cover.mask.shape[0], cover.height)
        left, right = _pixels(columns, cover.width / cover.mask.shape[1], cover.width)
        x, y, width, height = cover.x + left, cover.y + top, right - left, bottom - top
        place = planes.cut(x, y, width, height)
        share = cover.on(x, y, width, height, (width, height))
        small = as_f32(cv2.resize(share, (width // 2, height // 2), interpolation=cv2.INTER_AREA))
        return cls(place, [plane.copy() for plane in (place.y, place.u, place.v)], [share, small, small])

    def put_back(self) -> None:
        planes = (self.place.y, self.place.u, self.place.v)
        for plane, before, share in zip(planes, self.before, self.shares, strict=True):
            rest = cv2.multiply(plane, 1 - share, dtype=cv2.CV_32F)
            plane[:] = as_u8(cv2.add(rest, cv2.multiply(before, share, dtype=cv2.CV_32F), dtype=cv2.CV_8U))


def _pixels(cells: npt.NDArray[np.intp], size: float, end: int) -> tuple[int, int]:
    """The first and the last pixel, both even, that these cells and their neighbours cover."""
    return max(0, int((cells[0] - 1) * size) & ~1), min(end, int((cells[-1] + 2) * size + 2) & ~1)
