"""Finds hands and their 21 landmarks. LiteRT runs MediaPipe's models on crops of a frame's planes."""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from faceswap.engine.face.litert import LiteGraph, sigmoid
from faceswap.engine.planes import F32, Planes, Region, as_f32

_PALMS, _LANDMARKS = "hand_detector.tflite", "hand_landmarks_detector.tflite"
_PALMS_SIZE, _LANDMARKS_SIZE = 192, 224
_SCORE_NEEDED = 0.3
_MOST = 4
"""At most so many palms are returned from one search."""
_APART = 0.5
"""Palms are different if their centres are further apart than this share of a palm."""
_FROM_PALM, _TOWARDS_FINGERS = 2.6, 0.5
"""Side of a hand's region and its shift towards the fingers, in sides of the palm's box.
Source: `palm_detection_detection_to_roi.pbtxt` of MediaPipe."""
_STEADY = (0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18)
_FROM_LANDMARKS, _UPWARDS = 2.0, 0.1
"""Side of the region in the next frame and its shift towards the fingers, in extents of these points.
Source: `hand_landmark_landmarks_to_roi.pbtxt` of MediaPipe."""

WRIST, THUMB_ROOT, INDEX_ROOT, MIDDLE_ROOT, RING_ROOT, LITTLE_ROOT = 0, 1, 5, 9, 13, 17
FINGERS = ((0, 1, 2, 3, 4), (0, 5, 6, 7, 8), (9, 10, 11, 12), (13, 14, 15, 16), (0, 17, 18, 19, 20))


@dataclass(frozen=True, slots=True)
class Hand:
    """`points` are (21, 2) in pixels of the frame. `presence` 0..1 is how sure the model is."""

    points: F32
    presence: float

    @property
    def region(self) -> Region:
        """Where to look for this hand in the next frame. Its fingers point up in this region."""
        roots = self.points[[INDEX_ROOT, MIDDLE_ROOT, MIDDLE_ROOT, RING_ROOT]].mean(0)
        angle = _angle_of(roots - self.points[WRIST])
        turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]], np.float32)
        upright = self.points[list(_STEADY)] @ turn.T
        low, high = upright.min(0), upright.max(0)
        extent = float((high - low).max())
        x, y = (turn.T @ ((low + high) / 2 - np.array([0, _UPWARDS * extent], np.float32))).tolist()
        return Region(x, y, extent * _FROM_LANDMARKS, angle)


class HandModel:
    """Runs the palm detector and the hand landmark model. Not for use by two threads at once."""

    def __init__(self, model: Path) -> None:
        """`model` is `hand_landmarker.task`."""
        with zipfile.ZipFile(model) as bundle:
            self._palms = LiteGraph(bundle.read(_PALMS))
            self._landmarks = LiteGraph(bundle.read(_LANDMARKS))
        self._anchors = _anchors()

    def search(self, planes: Planes, view: Region) -> list[Region]:
        """Find palms in a part of the frame. Returns the regions in which `find` looks for their hands."""
        answer = self._palms(planes.crop_rgb(view, _PALMS_SIZE), 1 / 255, 0)
        scores = sigmoid(answer["Identity_1"].reshape(-1))
        raw = answer["Identity"].reshape(-1, 18)
        matrix = view.to_picture(_PALMS_SIZE)
        pixels = view.side / _PALMS_SIZE
        taken: list[tuple[F32, float]] = []
        found: list[Region] = []
        for index in np.argsort(-scores):
            if scores[index] < _SCORE_NEEDED or len(found) == _MOST:
                break
            centre, side = raw[index, :2] + self._anchors[index], float(raw[index, 2:4].max())
            if any(np.hypot(*(centre - other)) < _APART * max(side, size) for other, size in taken):
                continue
            taken.append((centre, side))
            wrist, middle = (raw[index, at : at + 2] + self._anchors[index] for at in (4, 8))
            angle = _angle_of(matrix[:, :2] @ (middle - wrist))
            up = np.array([math.sin(angle), -math.cos(angle)])
            x, y = matrix[:, :2] @ centre + matrix[:, 2] + _TOWARDS_FINGERS * side * pixels * up
            found.append(Region(float(x), float(y), side * pixels * _FROM_PALM, angle))
        return found

    def find(self, planes: Planes, region: Region) -> Hand:
        """Find the landmarks of the hand that fills `region`."""
        answer = self._landmarks(planes.crop_rgb(region, _LANDMARKS_SIZE), 1 / 255, 0)
        points = answer["Identity"].reshape(21, 3)[:, :2]
        matrix = region.to_picture(_LANDMARKS_SIZE)
        return Hand(as_f32(points @ matrix[:, :2].T + matrix[:, 2]), float(answer["Identity_1"].ravel()[0]))


def _angle_of(up: npt.NDArray[np.floating[Any]]) -> float:
    """The angle of a region in which this vector points up."""
    return math.atan2(float(up[1]), float(up[0])) + math.pi / 2


def _anchors() -> F32:
    """(2016, 2) centres of the palm detector's anchors, in pixels of its input. A grid of 24 x 24 cells has
    two anchors in each cell, and one of 12 x 12 has six.

    Source: `palm_detection_cpu.pbtxt` of MediaPipe.
    """
    grids: list[F32] = []
    for cells, anchors in ((24, 2), (12, 6)):
        middles = (np.arange(cells, dtype=np.float32) + 0.5) * (_PALMS_SIZE / cells)
        across, down = np.meshgrid(middles, middles)
        grids.append(as_f32(np.repeat(np.stack([across.ravel(), down.ravel()], 1), anchors, 0)))
    return np.concatenate(grids)
