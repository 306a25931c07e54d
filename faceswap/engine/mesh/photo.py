"""Prepares a photo of a face: finds the parts that show the face, and fills others from its other half."""

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
from faceswap.engine.mesh.light import Tone, match_light
from faceswap.engine.planes import F32, U8, as_f32, as_u8, rgb_of, to_yuv
from faceswap.media import Colour

_VALIDITY_SIZE = 192
_MENDING_SIZE = 256
_LIGHT_SIZE = 64
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
    bad = cv2.dilate(bad, np.ones((9, 9), np.uint8))
    valid = cv2.GaussianBlur(1 - bad.astype(np.float32), (0, 0), 3)
    return (np.clip(valid, 0, 1) * 255).astype(np.uint8)


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


def mend(picture: U8, landmarks: F32, facing: F32, validity: U8, mesh: FaceMesh) -> tuple[U8, F32, U8]:
    """Fill the parts of a face that are covered or turned away in a photo. They get the mirror image of the
    other half, lit as the half that is filled.

    Args:
        facing: (468,) how well each point is visible in the photo, 0..1.
        validity: (h, w) from `find_validity`.

    Returns:
        The filled picture, and its `facing` and `validity`.
    """
    rows, columns = picture.shape[:2]
    zoom = _MENDING_SIZE / max(rows, columns)
    size = (max(8, int(columns * zoom)), max(8, int(rows * zoom)))
    vertices = mesh.extend(landmarks)
    twins = mesh.extend(landmarks[mesh.twins])
    positions = vertices[:, :2] * np.float32(zoom)
    count = len(vertices)
    values = np.zeros((count, 3), np.float32)
    values[:, :2] = twins[:, :2]
    values[:MESH_POINTS, 2] = skin_weights(mesh)
    x, y, skin = cv2.split(draw(positions, vertices[:, 2], mesh.drawn, values, size))
    seen = np.concatenate([facing, np.ones(len(landmarks) - MESH_POINTS, np.float32)])
    values = np.ones((count, 3), np.float32)
    values[:, 0], values[:, 1] = seen[mesh.extended], seen[mesh.twins][mesh.extended]
    drawn = draw(positions, vertices[:, 2], mesh.drawn, values, size)

    usable = cv2.resize(validity, size).astype(np.float32) / 255
    own = usable * drawn[..., 0]
    other = cv2.remap(usable, x * np.float32(zoom), y * np.float32(zoom), cv2.INTER_LINEAR) * drawn[..., 1]
    share = other * (1 - own) * (drawn[..., 2] > 0)
    if float(share.max()) < 0.05:
        return picture, facing, validity

    whole = (columns, rows)
    full_x, full_y = cv2.resize(x, whole), cv2.resize(y, whole)
    mirrored = cv2.remap(picture, full_x, full_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    lit = _lit_as(picture, as_u8(mirrored), as_f32(skin * own * other))
    part = cv2.resize(share, whole)[..., None]
    mended = (picture * (1 - part) + lit * part).clip(0, 255).astype(np.uint8)
    complete = 1 - (1 - own) * (1 - other)
    covered = np.where(drawn[..., 2] > 0, np.maximum(complete, usable), usable)
    return (
        mended,
        np.maximum(facing, facing[mesh.twins[:MESH_POINTS]]),
        (covered * 255).clip(0, 255).astype(np.uint8),
    )


def _lit_as(target: U8, source: U8, weight: F32) -> F32:
    """(H, W, 3) float32: `source`, lit as `target` is lit. Both are (H, W, 3) uint8 RGB."""
    rows, columns = target.shape[:2]
    zoom = _LIGHT_SIZE / max(rows, columns)
    small = (max(8, int(columns * zoom)), max(8, int(rows * zoom)))

    def planes(picture: U8) -> tuple[F32, F32, F32]:
        luma, chroma = to_yuv(as_u8(cv2.resize(picture, small, interpolation=cv2.INTER_AREA)), _PHOTO)
        return luma.astype(np.float32), chroma[..., 0].astype(np.float32), chroma[..., 1].astype(np.float32)

    weight = np.asarray(cv2.resize(weight, small, interpolation=cv2.INTER_AREA), np.float32)
    light = match_light(planes(target), planes(source), weight, 0.0, Tone())
    luma, chroma = to_yuv(source, _PHOTO)
    gain, lift, chroma_gain, lift_u, lift_v = (
        np.asarray(cv2.resize(part, (columns, rows)), np.float32)
        for part in (light.gain, light.lift, light.chroma_gain, light.lift_u, light.lift_v)
    )
    return rgb_of(
        luma * gain + lift, chroma[..., 0] * chroma_gain + lift_u, chroma[..., 1] * chroma_gain + lift_v
    )
