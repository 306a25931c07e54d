"""Describes how a face looks, as numbers that tell apart the people of one picture or video.

It uses no learned weights. The face is unrolled onto the texture coordinates of the canonical mesh, which
removes pose and expression. The difference of each place from its surroundings is then divided by the
contrast there, which removes the effect of the light. The result is a grid of 16 x 16 numbers that shows
where eyes, brows, nostrils, lips, folds and beard are. Two more numbers give the tint of the skin.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from faceswap.engine.face.landmarks import Found
from faceswap.engine.face.mesh import FaceMesh, draw
from faceswap.engine.face.topology import MESH_POINTS
from faceswap.engine.planes import F32, U8, Planes, as_f32, as_u8

_CROP = 128
_UNROLLED = 64
_GRID = 16
LOOK = _GRID * _GRID + 2
"""How many numbers describe a face."""
_SURROUNDINGS = 8.0
"""Standard deviation of the blur that averages the surroundings of a place, in unrolled pixels."""
_LEAST_CONTRAST = 4.0
_SEEN = 0.15
"""Skin counts as visible when the cosine between its normal and the view direction is above this."""
_CHEEKS = slice(20, 40), slice(10, 54)
"""Rows and columns of the unrolled face that give the tint: from eyes to nostrils, without the ears."""
_PATTERN_SCALE, _TINT_SCALE = 0.54, 20.0
"""Root mean square differences of pattern and tint at which two looks are equally likely to show one person
or two people. Tint is in units of CIELAB. Measured on nine people in the tests' media, by
`python -m benchmarks.people`."""


class Appearance:
    """Turns faces into vectors. At a distance of about 1, two vectors are equally likely to show one person
    or two people. Not for use by two threads at once.
    """

    kind, length = "unrolled", LOOK
    look_every = 3

    def __init__(self, mesh: FaceMesh) -> None:
        self._mesh = mesh
        across_and_down = np.column_stack([mesh.uv[:, 0], 1 - mesh.uv[:, 1]])
        self._places = (across_and_down * _UNROLLED - 0.5).astype(np.float32)
        self._depths = np.zeros(MESH_POINTS, np.float32)
        self._triangles = np.ascontiguousarray(mesh.triangles.reshape(-1, 1, 3))

    def __call__(self, planes: Planes, found: Found) -> F32:
        """(`LOOK`,) float32: the 16 x 16 pattern row by row from the top left, then two numbers of tint."""
        unrolled, seen = self._unrolled(planes, found)
        pattern = _pattern(cv2.cvtColor(unrolled, cv2.COLOR_RGB2GRAY).astype(np.float32), seen)
        lab = as_u8(cv2.cvtColor(unrolled, cv2.COLOR_RGB2LAB))[_CHEEKS].reshape(-1, 3)
        tint = np.median(lab[:, 1:].astype(np.float32), 0) - 128
        return as_f32(np.concatenate([pattern.ravel() / (_GRID * _PATTERN_SCALE), tint / _TINT_SCALE]))

    def _unrolled(self, planes: Planes, found: Found) -> tuple[U8, npt.NDArray[np.bool_]]:
        """(64, 64, 3) uint8 RGB of the unrolled face, and (64, 64) bool: where the face is visible."""
        region = found.region
        to_picture = region.to_picture(_CROP)
        values = np.zeros((MESH_POINTS, 3), np.float32)
        points = found.landmarks[:MESH_POINTS, :2] - to_picture[:, 2]
        values[:, :2] = points @ np.linalg.inv(to_picture[:, :2]).T
        values[:, 2] = self._mesh.normals @ self._mesh.pose(found.landmarks).rotation[2]
        drawn = draw(self._places, self._depths, self._triangles, values, (_UNROLLED, _UNROLLED))
        x, y, facing = cv2.split(drawn)
        crop = planes.crop_rgb(region, _CROP)
        return as_u8(cv2.remap(crop, x, y, cv2.INTER_LINEAR)), np.asarray(facing) > _SEEN


def _pattern(luma: F32, seen: npt.NDArray[np.bool_]) -> F32:
    """(16, 16) contrast against the surroundings. Places that are not visible get the mirrored value."""
    weight = seen.astype(np.float32)
    around = as_f32(_blurred(weight) + 1e-3)
    detail = as_f32((luma - _blurred(as_f32(luma * weight)) / around) * weight)
    detail = as_f32(detail / (np.sqrt(_blurred(as_f32(detail * detail)) / around) + _LEAST_CONTRAST))
    detail = as_f32(np.where(seen, detail, detail[:, ::-1]))
    return as_f32(cv2.resize(detail, (_GRID, _GRID), interpolation=cv2.INTER_AREA))


def _blurred(plane: F32) -> F32:
    return as_f32(cv2.GaussianBlur(plane, (0, 0), _SURROUNDINGS))
