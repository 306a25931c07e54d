"""Tells when a hand may have come near a face, at almost no cost."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from faceswap.engine.planes import F32, U8, Planes, Region, as_f32, as_u8

_SIDE = 48
"""Cells along a side of the thumbnail."""
_CHEEKS = (50, 280, 205, 425)
_LIKE_SKIN = (70, 8, 8)
"""A cell has the colour of the face's skin if its Y, U and V differ from it by less than these."""
_CAME = 0.02
"""A hand may have come if the share of cells with the colour of skin has grown by more than this."""
_TRIES = 4
"""After skin has come, a hand is searched for in so many frames."""
_WITHIN = 15
"""A hand is searched for at least once in so many frames."""
_LOOKED_EVERY = 6
_CHANGED_LUMA, _CHANGED_SHARE = 14, 0.05
"""In one of `_LOOKED_EVERY` frames, a search begins if this share of the cells differs by more than so much
luma from the last search. Hands may wear gloves."""


@dataclass(frozen=True, slots=True)
class _Look:
    """(S, S) luma of the surroundings, and the share of cells with the colour of the cheeks."""

    luma: U8
    skin: float

    @classmethod
    def of(cls, planes: Planes, around: Region, landmarks: F32) -> _Look:
        to_luma = around.to_picture(_SIDE)
        parts = [
            _sampled(planes.y, to_luma),
            *(_sampled(one, as_f32(to_luma / 2)) for one in (planes.u, planes.v)),
        ]
        inverse = as_f32(cv2.invertAffineTransform(to_luma))
        cells = (landmarks[list(_CHEEKS), :2] @ inverse[:, :2].T + inverse[:, 2]).round().astype(int)
        columns, rows = cells.clip(0, _SIDE - 1).T
        like = np.ones((_SIDE, _SIDE), bool)
        for part, limit in zip(parts, _LIKE_SKIN, strict=True):
            like &= np.abs(part.astype(np.int16) - int(np.median(part[rows, columns]))) < limit
        return cls(parts[0], float(like.mean()))


def _sampled(plane: U8, matrix: F32) -> U8:
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    return as_u8(cv2.warpAffine(plane, matrix, (_SIDE, _SIDE), flags=flags, borderMode=cv2.BORDER_REPLICATE))


class Surroundings:
    """Watches the surroundings of one face from frame to frame."""

    def __init__(self) -> None:
        self._before: _Look | None = None
        """When a hand was last searched for."""
        self._frames = 0
        """Since then."""
        self._tries = 0

    def may_show_a_hand(self, planes: Planes, around: Region, landmarks: F32) -> bool:
        """Whether to search for a hand in this frame, in the square `around` the face."""
        now = _Look.of(planes, around, landmarks)
        before = self._before
        self._frames += 1
        if before is not None and now.skin - before.skin > _CAME:
            self._tries += 1
            if self._tries < _TRIES:
                return True
        elif before is not None and self._frames < _WITHIN:
            if self._frames % _LOOKED_EVERY:
                return False
            changed = np.asarray(cv2.absdiff(now.luma, before.luma)) > _CHANGED_LUMA
            if changed.mean() < _CHANGED_SHARE:
                return False
        self._before, self._frames, self._tries = now, 0, 0
        return True
