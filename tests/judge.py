"""Measures a swap with models that the engine does not use: dlib's detector, 68 landmarks and recogniser.

Distances are Euclidean, between 128-dimensional descriptors. Below 0.6 two faces are the same person.
Source: http://dlib.net/face_recognition.py.html
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import av
import cv2
import dlib
import numpy as np
from PIL import Image

SAME_PERSON = 0.6


@dataclass(frozen=True)
class Seen:
    """The largest face of a picture: (68, 2) landmarks in pixels, and its descriptor."""

    landmarks: Any
    descriptor: Any

    def distance(self, other: Seen) -> float:
        return float(np.linalg.norm(self.descriptor - other.descriptor))

    def hull(self, shape: tuple[int, int], grow: float = 0.0) -> Any:
        """(H, W) bool: the convex hull of the face, forehead included, grown by `grow` of its height."""
        low, high = self.landmarks.min(0), self.landmarks.max(0)
        height = high[1] - low[1]
        # The 68 points end at the brows: mirror the jaw upwards for a forehead.
        forehead = self.landmarks[:17] * [1, -0.75] + [0, 1.75 * low[1] + 0.1 * height]
        points = np.concatenate([self.landmarks, forehead]).astype(np.int32)
        mask = np.zeros(shape, np.uint8)
        cv2.fillConvexPoly(mask, cv2.convexHull(points), 1)
        reach = int(grow * height)
        if reach:
            mask = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2))
        return mask > 0


@cache
def _models() -> tuple[Any, Any, Any]:
    # Found without importing the package, whose import needs setuptools.
    spec = importlib.util.find_spec("face_recognition_models")
    assert spec and spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / "models"
    return (
        dlib.get_frontal_face_detector(),
        dlib.shape_predictor(str(folder / "shape_predictor_68_face_landmarks.dat")),
        dlib.face_recognition_model_v1(str(folder / "dlib_face_recognition_resnet_model_v1.dat")),
    )


def look(picture: Any) -> Seen | None:
    """The largest face of an (H, W, 3) RGB picture, or None."""
    detector, predictor, recogniser = _models()
    boxes = detector(picture, 0) or detector(picture, 1)
    if not boxes:
        return None
    shape = predictor(picture, max(boxes, key=lambda box: box.area()))
    landmarks = np.array([[point.x, point.y] for point in shape.parts()], np.float64)
    return Seen(landmarks, np.array(recogniser.compute_face_descriptor(picture, shape, 1, 0.25)))


def look_at(path: Path) -> Seen | None:
    with Image.open(path) as image:
        return look(np.array(image.convert("RGB")))


def pictures(path: Path, step: int = 1) -> list[Any]:
    """Every `step`-th frame of a video, as stored, (H, W, 3) RGB."""
    with av.open(str(path)) as clip:
        return [
            frame.to_ndarray(format="rgb24")
            for number, frame in enumerate(clip.decode(video=0))
            if number % step == 0
        ]


@dataclass(frozen=True)
class Identity:
    """Means over the frames in which dlib finds a face."""

    frames: int
    to_source: float
    to_target: float
    target_to_source: float
    same_as_source: float
    """Share of frames whose distance to the source is below 0.6."""
    nearer_to_source: float
    """Share of frames nearer to the source than to the target's own frame."""


def identity(source: Path, target: Path, swapped: Path, step: int = 6) -> Identity:
    wanted = look_at(source)
    assert wanted is not None
    rows: list[tuple[float, float, float]] = []
    for before, after in zip(pictures(target, step), pictures(swapped, step), strict=True):
        old, new = look(before), look(after)
        if old and new:
            rows.append((new.distance(wanted), new.distance(old), old.distance(wanted)))
    table = np.array(rows)
    return Identity(
        len(rows),
        *(float(mean) for mean in table.mean(0)),
        same_as_source=float((table[:, 0] < SAME_PERSON).mean()),
        nearer_to_source=float((table[:, 0] < table[:, 1]).mean()),
    )


def landmark_error(target: Path, swapped: Path, step: int = 6) -> float:
    """How well expression and pose are kept: the mean distance of dlib's inner landmarks before and after the
    swap, in percent of the distance between the outer corners of the eyes."""
    errors: list[float] = []
    for before, after in zip(pictures(target, step), pictures(swapped, step), strict=True):
        old, new = look(before), look(after)
        if old and new:
            eyes = np.linalg.norm(old.landmarks[36] - old.landmarks[45])
            errors.append(float(np.linalg.norm(new.landmarks - old.landmarks, axis=1).mean() / eyes))
    return 100 * float(np.mean(errors))


def flicker(target: Path, swapped: Path, step: int = 4) -> float:
    """Change between frames within the face that motion does not explain, divided by that of the original."""
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    before, after = (
        [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in pictures(path)]
        for path in (target, swapped)
    )
    originals, swaps = [], []
    for number in range(1, len(before), step):
        seen = look(cv2.cvtColor(before[number], cv2.COLOR_GRAY2RGB))
        if seen is None:
            continue
        face = seen.hull(before[number].shape)
        moved = flow.calc(before[number], before[number - 1], None)
        y, x = np.indices(before[number].shape, np.float32)
        for frames, residues in ((before, originals), (after, swaps)):
            expected = cv2.remap(frames[number - 1], x + moved[..., 0], y + moved[..., 1], cv2.INTER_LINEAR)
            residues.append(float(cv2.absdiff(frames[number], expected)[face].mean()))
    return float(np.mean(swaps) / np.mean(originals))


def background_psnr(target: Path, swapped: Path, step: int = 6) -> float:
    """PSNR in dB outside the face and a margin around it, of the worst frame."""
    worst = np.inf
    for before, after in zip(pictures(target, step), pictures(swapped, step), strict=True):
        seen = look(before)
        outside = np.ones(before.shape[:2], bool) if seen is None else ~seen.hull(before.shape[:2], 0.15)
        error = float(((before.astype(np.float64) - after) ** 2)[outside].mean())
        worst = min(worst, 10 * np.log10(255**2 / max(error, 1e-9)))
    return worst
