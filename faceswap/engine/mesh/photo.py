"""Finds the parts of a photo that show the face."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from faceswap.engine.face.mesh import FaceMesh, draw
from faceswap.engine.face.topology import (
    LEFT_BROW,
    LEFT_EYE,
    LIPS_INNER,
    LIPS_OUTER,
    MESH_POINTS,
    NOSE_BASE,
    NOSTRILS,
    RIGHT_BROW,
    RIGHT_EYE,
)
from faceswap.engine.planes import F32, U8, as_u8, to_yuv
from faceswap.media import Colour

_VALIDITY_SIZE = 192
_BROW_COVERED = 0.3
"""Share of a brow that hair covers, above which none of it is used. Free brows have up to 0.25."""
_AROUND_BROW = 1.4
"""Size of what is left out with a brow, divided by the size of the brow."""
_PHOTO = Colour(full_range=True)


def skin_weights(mesh: FaceMesh) -> F32:
    """(468,) weights for measuring light: 1 on plain skin, less near the rim, 0 on the rim and features."""
    weights = np.ones(MESH_POINTS, np.float32)
    weights[[*RIGHT_EYE, *LEFT_EYE, *LIPS_INNER, *LIPS_OUTER, *RIGHT_BROW, *LEFT_BROW]] = 0
    weights[mesh.rings == 0] = 0
    weights[mesh.rings == 1] = 0.6
    weights[list(NOSTRILS)] = 0.2
    return weights


def find_validity(picture: U8, landmarks: F32, mesh: FaceMesh) -> U8:
    """Find the parts of a picture that show this face. Returns (h, w) uint8, smaller than the picture: 255
    where the face is visible, and 0 where hair, a hand or a microphone covers it.

    An area covers the face if its colour differs from the skin of the cheeks and it is connected to the
    outside of the face. The limit is strict on the forehead, where fringes are, and lenient below the nose,
    where beards are.
    """
    rows, columns = picture.shape[:2]
    zoom = _VALIDITY_SIZE / max(rows, columns)
    size = (max(8, int(columns * zoom)), max(8, int(rows * zoom)))
    small = as_u8(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
    colours = np.dstack(to_yuv(small, _PHOTO)).astype(np.float32)
    heights = landmarks[:MESH_POINTS, 1]
    brow_y = float(landmarks[[*RIGHT_BROW, *LEFT_BROW], 1].mean())
    nose_y = float(landmarks[NOSE_BASE, 1])
    skin = skin_weights(mesh)
    values = np.zeros((len(mesh.extended), 3), np.float32)
    values[: mesh.skirt.start, 0] = 1
    values[:MESH_POINTS, 1] = skin
    values[:MESH_POINTS, 2] = (mesh.rings >= 3) & (skin == 1) & (heights > brow_y)
    vertices = mesh.extend(landmarks)
    drawn = draw(vertices[:, :2] * np.float32(zoom), vertices[:, 2], mesh.drawn, values, size)
    face, certain = drawn[..., 0] > 0.5, drawn[..., 2] > 0.9
    if certain.sum() < 30:
        return np.full(face.shape, 255, np.uint8)
    different = _distance_from_skin(colours, certain) > _tolerance(size[1], brow_y * zoom, nose_y * zoom)
    on_feature = drawn[..., 1] <= 0.15
    inner = cv2.erode(face.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    bad = (different & face & ~(on_feature & inner)).astype(np.uint8)
    bad = as_u8(cv2.morphologyEx(bad, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)))
    _, labels = cv2.connectedComponents(bad | (~face).astype(np.uint8))
    bad[~np.isin(labels, np.unique(np.asarray(labels)[~face]))] = 0
    bad = as_u8(cv2.dilate(bad, np.ones((9, 9), np.uint8)))
    _cover_whole_brows(bad, landmarks * np.float32(zoom))
    valid = cv2.GaussianBlur(1 - bad.astype(np.float32), (0, 0), 3)
    return (np.clip(valid, 0, 1) * 255).astype(np.uint8)


def _cover_whole_brows(bad: U8, landmarks: F32) -> None:
    """Half a brow of one person beside half of another's looks painted, so a brow is visible whole or not
    at all. `bad` is 1 where the face is covered.
    """
    for ring in (RIGHT_BROW, LEFT_BROW):
        points = landmarks[list(ring), :2]
        brow, around = (
            cv2.fillConvexPoly(np.zeros_like(bad), cv2.convexHull(part.round().astype(np.int32)), 1)
            for part in (points, points.mean(0) + _AROUND_BROW * (points - points.mean(0)))
        )
        if bad[brow > 0].mean() > _BROW_COVERED:
            bad |= as_u8(around)


def _distance_from_skin(colours: F32, certain: npt.NDArray[np.bool_]) -> F32:
    """(h, w) distance of each colour from the median skin colour, in standard deviations of the skin's
    colours. Medians are used, so that outliers have no effect.
    """
    middle = np.median(colours[certain], 0)
    spread = np.maximum(1.4826 * np.median(np.abs(colours[certain] - middle), 0), (22, 5, 5))
    return np.sqrt((((colours - middle) / spread) ** 2).sum(2)).astype(np.float32)


def _tolerance(rows: int, brow_y: float, nose_y: float) -> F32:
    y = np.arange(rows)[:, None]
    return np.where(y < brow_y, 2.6, np.where(y < nose_y, 4.0, 5.5)).astype(np.float32)
