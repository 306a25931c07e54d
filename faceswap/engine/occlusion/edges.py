"""Moves the edge of a rough mask to the edges of the picture."""

from __future__ import annotations

import cv2
import numpy as np

from faceswap.engine.occlusion.view import FaceView
from faceswap.engine.planes import F32, as_f32

_REACH = 5
"""Half the side of the window of the filter, in cells."""
_SMOOTH = 30.0**2
"""Edges of the picture much weaker than this, in squared levels of luma, do not hold the mask."""


def snapped(mask: F32, view: FaceView) -> F32:
    """The mask with its edges moved by a few cells to the edges of the luma below it.

    Source: He, Sun, Tang, "Guided Image Filtering", 2010.
    """
    box = view.box
    place = view.planes.cut(box.x, box.y, box.width, box.height)
    guide = as_f32(cv2.resize(place.y, view.grid, interpolation=cv2.INTER_AREA))
    window = (2 * _REACH + 1, 2 * _REACH + 1)
    means = cv2.blur(cv2.merge((guide, mask, guide * mask, guide * guide)), window)
    luma, share, both, square = cv2.split(means)
    slope = (both - luma * share) / (square - luma * luma + _SMOOTH)
    slopes = cv2.blur(cv2.merge((slope, share - slope * luma)), window)
    filtered = slopes[..., 0] * guide + slopes[..., 1]
    return as_f32(np.clip((filtered - 0.2) / 0.4, 0, 1))
