"""Describes faces with SFace, a network that was trained to tell people apart.

The network is that of OpenCV Zoo (Apache-2.0). It takes a face of 112 px, aligned by eyes, nose and mouth,
and returns 128 numbers whose direction stands for the person.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from faceswap.engine.face.align import ARCFACE_112, aligned
from faceswap.engine.face.landmarks import Found
from faceswap.engine.planes import F32, Planes, as_f32

_SIDE = 112
_EQUAL = 1.13
"""Distance between two directions at which they are equally likely to show one person or two people. It is
the length between two vectors of length 1 whose cosine is 0.36, the limit that OpenCV Zoo states."""


class Recogniser:
    """Turns faces into vectors, as `Appearance` does, more exactly but ten times as slowly. Not for use by
    two threads at once.
    """

    kind, length = "sface", 128
    look_every = 8

    def __init__(self, model: Path) -> None:
        self._network = cv2.dnn.readNetFromONNX(str(model))

    def __call__(self, planes: Planes, found: Found) -> F32:
        """(128,) float32."""
        picture = planes.crop_colours(aligned(found.landmarks, ARCFACE_112), _SIDE)
        self._network.setInput(picture.astype(np.float32).transpose(2, 0, 1)[None])
        vector = np.asarray(self._network.forward(), np.float32)[0]
        return as_f32(vector / ((float(np.linalg.norm(vector)) or 1) * _EQUAL))
