"""Measures the shape of a face without its pose: how open eyes and mouth are, where the eyes look, and how
to give it the shape of another face."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from faceswap.engine.face.mesh import FaceMesh, Pose
from faceswap.engine.face.topology import (
    EYE_INNER_CORNER,
    INNER_LIP_MIDDLES,
    INNER_MOUTH_CORNERS,
    LEFT_BROW,
    LEFT_EYE,
    LEFT_EYE_LIDS,
    LEFT_IRIS,
    LIPS_INNER,
    LIPS_OUTER,
    MOUTH_CORNERS,
    NOSE,
    OVAL,
    RIGHT_BROW,
    RIGHT_EYE,
    RIGHT_EYE_LIDS,
    RIGHT_IRIS,
)
from faceswap.engine.planes import F32

MOUTH_OPEN = 0.35
"""A mouth whose openness is above this is wide open. Smiles that show teeth have 0.2 to 0.3."""

_TRANSFERRED = 0.5
"""Share of the source's shape that the target gets. A larger share looks more like the source, but at some
point no longer fits the target's head."""
_LARGEST_OFFSET = 0.22
"""Largest length of an offset, as a share of the distance between the outer eye corners."""
_BROWS_TRANSFERRED = 0.8


def _openness(landmarks: F32, middles: tuple[int, int], corners: tuple[int, int]) -> float:
    gap = landmarks[middles[0], :2] - landmarks[middles[1], :2]
    width = landmarks[corners[0], :2] - landmarks[corners[1], :2]
    return float(np.hypot(*gap) / (np.hypot(*width) + 1e-6))


def eye_openness(landmarks: F32) -> tuple[float, float]:
    """Height over width of the right and of the left eye: about 0.3 when open, under 0.1 when closed."""
    return (
        _openness(landmarks, RIGHT_EYE_LIDS, (RIGHT_EYE[0], RIGHT_EYE[EYE_INNER_CORNER])),
        _openness(landmarks, LEFT_EYE_LIDS, (LEFT_EYE[0], LEFT_EYE[EYE_INNER_CORNER])),
    )


def gaze_apart(one: F32, other: F32) -> float:
    """How much the gaze of two faces differs, in widths of an eye. It is the mean of both eyes, so that both
    eyes get the same value.
    """
    apart = [
        float(np.hypot(*(_gaze(one, ring, iris) - _gaze(other, ring, iris))))
        for ring, iris in ((RIGHT_EYE, RIGHT_IRIS), (LEFT_EYE, LEFT_IRIS))
    ]
    return sum(apart) / len(apart)


def _gaze(landmarks: F32, ring: Sequence[int], iris: int) -> F32:
    """(2,) offset of the iris from the middle of an eye, in widths of the eye: along and across the line
    between the eye's corners.
    """
    outer, inner = landmarks[ring[0], :2], landmarks[ring[EYE_INNER_CORNER], :2]
    width = float(np.hypot(*(inner - outer))) + 1e-6
    along = (inner - outer) / width
    offset = (landmarks[iris, :2] - (outer + inner) / 2) / width
    return np.array([offset @ along, along[0] * offset[1] - along[1] * offset[0]], np.float32)


def mouth_openness(landmarks: F32) -> float:
    """Height over width of the gap between the lips."""
    return _openness(landmarks, INNER_LIP_MIDDLES, INNER_MOUTH_CORNERS)


def resting_shape(faces: Sequence[tuple[F32, Pose]]) -> F32:
    """(468, 3) shape of a face at rest, without pose: the median of the calmer half of some views of it.

    A view is calm if the mouth is closed and the face is turned to the camera. `faces` are landmarks with
    their pose.
    """
    unrest = [mouth_openness(landmarks) + abs(float(pose.rotation[2, 0])) for landmarks, pose in faces]
    calm: list[int] = np.argsort(unrest)[: max(3, len(unrest) // 2)].tolist()
    shapes = [faces[number][1].to_neutral(faces[number][0]) for number in calm]
    return np.median(shapes, 0).astype(np.float32)


def shape_offsets(mesh: FaceMesh, source: F32, target: F32) -> F32:
    """(468, 3) offsets in canonical units that move the target's resting shape towards that of the source.

    Each eye and the lips move and grow as a whole, so that the target's lids and lips keep their expression.
    Brows and nose take the source's form. The oval stays, because the target's head around it stays.
    """
    difference = source - target
    fixed: list[int] = []
    offsets: list[F32] = []
    for ring, (one, other) in (
        (RIGHT_EYE, (RIGHT_EYE[0], RIGHT_EYE[EYE_INNER_CORNER])),
        (LEFT_EYE, (LEFT_EYE[0], LEFT_EYE[EYE_INNER_CORNER])),
        (tuple(sorted({*LIPS_INNER, *LIPS_OUTER})), MOUTH_CORNERS),
    ):
        part = list(ring)
        widths = np.linalg.norm(source[one] - source[other]), np.linalg.norm(target[one] - target[other])
        growth = float(np.clip(widths[0] / (widths[1] + 1e-6), 0.82, 1.22))
        middle = target[part].mean(0)
        fixed += part
        offsets.append((source[part].mean(0) - middle) + (growth - 1) * (target[part] - middle))
    for part, share in ((RIGHT_BROW + LEFT_BROW, _BROWS_TRANSFERRED), (NOSE, 1.0)):
        fixed += part
        offsets.append(difference[list(part)] * share)
    fixed += OVAL
    offsets.append(np.zeros((len(OVAL), 3), np.float32))
    moved = np.concatenate(offsets)
    limit = _LARGEST_OFFSET * float(np.linalg.norm(target[RIGHT_EYE[0]] - target[LEFT_EYE[0]]))
    lengths = np.linalg.norm(moved, axis=1, keepdims=True)
    moved *= np.minimum(1, limit / (lengths + 1e-6))
    return mesh.spread(fixed, moved) * _TRANSFERRED
