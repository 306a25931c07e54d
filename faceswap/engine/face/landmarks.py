"""Finds faces and their 478 landmarks. LiteRT runs MediaPipe's models on crops of a frame's planes."""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from faceswap.engine.face.found import Face
from faceswap.engine.face.litert import LiteGraph, sigmoid
from faceswap.engine.face.topology import CHIN_BOTTOM, FOREHEAD_TOP, LEFT_EYE, MESH_POINTS, OVAL, RIGHT_EYE
from faceswap.engine.planes import F32, Planes, Region, as_f32

_DETECTOR, _LANDMARKS = "face_detector.tflite", "face_landmarks_detector.tflite"
_DETECTOR_SIZE, _LANDMARKS_SIZE = 128, 256
_SCORE_NEEDED = 0.5
_PRESENCE_NEEDED = 0.7
_OVERLAP_OF_ONE_FACE = 0.3
_MARGIN = 1.5
"""Side of the landmark model's region, divided by the side of the face."""
_APART = 0.28
"""Smallest distance between the centres of two faces' regions, divided by the larger side."""
_TILE = 0.6
"""Side of a tile, divided by the shorter side of the picture."""


@dataclass(frozen=True, slots=True)
class Found:
    """One face with its landmarks.

    `landmarks` are (478, 3) float32: x and y in pixels (y down), and z in the same unit (smaller is nearer).
    The last ten are the irises. `presence` 0..1 is how sure the model is that this is a face.
    """

    landmarks: F32
    presence: float

    @property
    def region(self) -> Region:
        """Where to look for this face in the next frame."""
        return region_of(self.landmarks)

    @property
    def height(self) -> float:
        """Distance from the top of the forehead to the bottom of the chin, in pixels."""
        return face_height(self.landmarks)

    @property
    def face(self) -> Face:
        x0, y0 = self.landmarks[list(OVAL), :2].min(0).tolist()
        x1, y1 = self.landmarks[list(OVAL), :2].max(0).tolist()
        return Face(x0, y0, x1 - x0, y1 - y0, self.presence)


def face_height(landmarks: F32) -> float:
    return float(np.linalg.norm(landmarks[FOREHEAD_TOP, :2] - landmarks[CHIN_BOTTOM, :2]))


def region_of(landmarks: F32) -> Region:
    """The square around a face that the landmark model needs, rotated so that the face is upright in it."""
    across = landmarks[LEFT_EYE[0], :2] - landmarks[RIGHT_EYE[0], :2]
    angle = math.atan2(across[1], across[0])
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]], np.float32)
    upright = landmarks[:MESH_POINTS, :2] @ turn.T
    low, high = upright.min(0), upright.max(0)
    x, y = (turn.T @ ((low + high) / 2)).tolist()
    return Region(x, y, float((high - low).max()) * _MARGIN, angle)


class Landmarker:
    """Runs the face detector and the landmark model. Not for use by two threads at once.

    Each model computes in one thread, because a second one makes the landmark model slower.
    """

    def __init__(self, model: Path) -> None:
        with zipfile.ZipFile(model) as bundle:
            self._detector = LiteGraph(bundle.read(_DETECTOR))
            self._landmarks = LiteGraph(bundle.read(_LANDMARKS))
        self._anchors = _anchors()

    def detect(self, planes: Planes, upright: float = 0.0) -> list[tuple[float, Region]]:
        """Find faces that measure at least about 1/8 of the frame, as (score, region), best first.

        `upright` is the clockwise angle in radians from the x axis of the picture as stored to its x axis as
        shown.
        """
        return self._detect(planes, whole(planes, upright))

    def detect_within(self, planes: Planes, view: Region) -> list[tuple[float, Region]]:
        """As `detect`, in a part of the frame: finds faces that measure at least about 1/8 of `view`."""
        return self._detect(planes, view)

    def detect_small(self, planes: Planes, upright: float = 0.0) -> list[tuple[float, Region]]:
        """As `detect`, but also searches overlapping tiles, in which a small face is large enough."""
        found = self.detect(planes, upright)
        side = _TILE * min(planes.width, planes.height)
        for y in _tile_centres(planes.height, side):
            for x in _tile_centres(planes.width, side):
                found += self._detect(planes, Region(x, y, side, upright))
        found.sort(key=lambda scored: -scored[0])
        return _without_repeats(found)

    def find(self, planes: Planes, region: Region) -> Found:
        """Find the landmarks of the face that fills `region` except for its margin."""
        crop = planes.crop_rgb(region, _LANDMARKS_SIZE)
        answer = self._landmarks(crop, 1 / 255, 0)
        raw = answer["Identity"].reshape(-1, 3)
        matrix = region.to_picture(_LANDMARKS_SIZE)
        landmarks = np.empty_like(raw)
        landmarks[:, :2] = raw[:, :2] @ matrix[:, :2].T + matrix[:, 2]
        landmarks[:, 2] = raw[:, 2] * (region.side / _LANDMARKS_SIZE)
        return Found(landmarks, sigmoid(float(answer["Identity_1"].ravel()[0])))

    def find_all(self, planes: Planes, upright: float = 0.0, *, small: bool = True) -> list[Found]:
        """Find all faces of a still picture, largest first. Without `small`, small ones are missed, and it
        takes a twentieth of the time.
        """
        faces: list[Found] = []
        detect = self.detect_small if small else self.detect
        for _, region in detect(planes, upright):
            first = self.find(planes, region)
            if first.presence < _PRESENCE_NEEDED:
                continue
            second = self.find(planes, first.region)  # a region from landmarks fits better than a detection's
            if second.presence >= _PRESENCE_NEEDED and not any(
                same_face(second.region, f.region) for f in faces
            ):
                faces.append(second)
        return sorted(faces, key=lambda found: -found.height)

    def _detect(self, planes: Planes, view: Region) -> list[tuple[float, Region]]:
        crop = planes.crop_rgb(view, _DETECTOR_SIZE)
        answer = self._detector(crop, 1 / 127.5, -1)
        scores = sigmoid(answer["classificators"].reshape(-1))
        likely = np.nonzero(scores >= _SCORE_NEEDED)[0]
        if not len(likely):
            return []
        scores = scores[likely]
        raw = answer["regressors"].reshape(-1, 16)[likely]
        anchors = self._anchors[likely]
        centres = raw[:, :2] + anchors
        half = raw[:, 2:4] / 2
        boxes = as_f32(np.concatenate([centres - half, centres + half], 1))
        eyes = raw[:, 4:8].reshape(-1, 2, 2) + anchors[:, None]
        matrix = view.to_picture(_DETECTOR_SIZE)
        found: list[tuple[float, Region]] = []
        for members in _clusters(boxes, scores):
            weight = (scores[members] / scores[members].sum())[:, None]
            box = (boxes[members] * weight).sum(0)
            right_eye, left_eye = (eyes[members] * weight[:, :, None]).sum(0) @ matrix[:, :2].T + matrix[:, 2]
            x, y = matrix[:, :2] @ ((box[:2] + box[2:]) / 2) + matrix[:, 2]
            side = float((box[2:] - box[:2]).max()) * view.side / _DETECTOR_SIZE * _MARGIN
            across = left_eye - right_eye
            region = Region(float(x), float(y), side, math.atan2(across[1], across[0]))
            found.append((float(scores[members].max()), region))
        return found


def whole(planes: Planes, upright: float = 0.0) -> Region:
    """A square that holds the whole frame. Its crop has bars where the frame is not square."""
    return Region(planes.width / 2, planes.height / 2, max(planes.width, planes.height), upright)


def same_face(one: Region, other: Region) -> bool:
    """Whether two regions are so close to each other that they show the same face."""
    return math.hypot(one.x - other.x, one.y - other.y) < _APART * max(one.side, other.side)


def _anchors() -> F32:
    """(896, 2) centres of the detector's anchors, in pixels of its input. A grid of 16 x 16 cells has two
    anchors in each cell, and one of 8 x 8 has six.

    Source: `face_detection_short_range.pbtxt` of MediaPipe.
    """
    centres: list[tuple[float, float]] = []
    for cells, anchors in ((16, 2), (8, 6)):
        step = _DETECTOR_SIZE / cells
        for row in range(cells):
            for column in range(cells):
                centres += [((column + 0.5) * step, (row + 0.5) * step)] * anchors
    return np.array(centres, np.float32)


def _clusters(boxes: F32, scores: F32) -> list[np.ndarray[Any, np.dtype[np.bool_]]]:
    """Group boxes (N, 4) x0, y0, x1, y1 that show the same face. Returns one (N,) bool mask for each face,
    best first.

    This is non-maximum suppression that keeps the suppressed boxes as members of their group, because the
    weighted mean of a group is steadier than its best box alone.
    """
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    used = np.zeros(len(scores), bool)
    clusters: list[np.ndarray[Any, np.dtype[np.bool_]]] = []
    for best in np.argsort(-scores):
        if used[best]:
            continue
        corner0 = np.maximum(boxes[best, :2], boxes[:, :2])
        corner1 = np.minimum(boxes[best, 2:], boxes[:, 2:])
        shared = np.clip(corner1 - corner0, 0, None).prod(1)
        members = (shared / (area + area[best] - shared) > _OVERLAP_OF_ONE_FACE) & ~used
        members[best] = True
        used |= members
        clusters.append(members)
    return clusters


def _tile_centres(length: int, side: float) -> list[float]:
    count = max(2, math.ceil(length / side * 1.3))
    return np.linspace(side / 2, length - side / 2, count).tolist()


def _without_repeats(found: list[tuple[float, Region]]) -> list[tuple[float, Region]]:
    kept: list[tuple[float, Region]] = []
    for score, region in found:
        if not any(same_face(region, other) for _, other in kept):
            kept.append((score, replace(region)))
    return kept
