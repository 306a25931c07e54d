"""Turns a photo of a face into a texture of the whole face, as if it were unrolled, whichever way the head is
turned in the photo. The half that the photo hides is the mirror image of the other half."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from cv2.typing import MatLike

from faceswap.engine.face.mesh import FaceMesh, Pose, draw
from faceswap.engine.face.topology import (
    CHIN_BOTTOM,
    EYE_INNER_CORNER,
    FOREHEAD_TOP,
    LEFT_EYE,
    LEFT_IRIS,
    LIPS_INNER,
    LIPS_OUTER,
    MESH_POINTS,
    RIGHT_EYE,
    RIGHT_IRIS,
)
from faceswap.engine.mesh.light import Tone, match_light, smooth_step
from faceswap.engine.mesh.photo import skin_weights
from faceswap.engine.planes import F32, U8, as_f32, as_u8, rgb_of, to_yuv
from faceswap.media import Colour

_GRID = 320
"""Rows and columns of the grid on which positions and visibility are computed."""
_DEPTH_GRID = 320
"""Cells along the longer side of the photo in its depth map."""
_LIGHT_GRID = 64
_MARGIN = 0.06
"""Margin around the unrolled face, as a share of the texture's side. The skirt of the mesh is drawn there."""
_DENSITY = 1.1
"""Pixels of the texture for each pixel of the photo, where the face is seen straight on."""
_LARGEST = 2048
_LIPS_INSET = 0.35
"""Share of a lip's width that is left out at its inner rim."""
_HIDDEN = (0.03, 0.06)
"""Skin is hidden if other skin lies before it by more than this, as a share of the face's height."""
_SEEN = (0.02, 0.25)
"""Cosine between the skin and the camera from which skin near the rim can be used."""
_INNER_RINGS = 3
"""So many edges from the rim, skin is used at any angle."""
_SEEN_WELL = (0.15, 0.40)
"""Cosine from which skin needs no other half. Landmarks on the rim of a turned head are inexact, so that skin
seen at a small angle may be the background."""
_BETTER = 0.2
"""The other half is used where its cosine is larger by this."""
_SEAM = 0.015
"""Standard deviation of the blur of the seam, as a share of the texture's side."""
_STEP = 0.04
"""An edge is a step in depth by this share of the face's height between neighbouring cells."""
_NEAR_EDGE = (0.01, 0.04)
"""Skin nearer to an edge than the first is not used if the other half is better; beyond the second it is."""
_BANDS = 5
_USABLE = (0.1, 0.6)
"""The texture is shown if the halves that it is blended from are usable to this share."""
_MOSTLY = 0.9
"""Share of the other half from which the own half counts as background."""
_LEAST_SHARE = 0.05
"""If no cell takes a larger share from its twin, nothing is mirrored."""
_NOWHERE = 1e6
_FULL_RANGE = Colour(full_range=True)


@dataclass(frozen=True, slots=True)
class FaceTexture:
    """A face without pose.

    `picture` is (S, S, 3) uint8 RGB. `validity` is (h, w) uint8, smaller than the picture: 255 where the
    picture shows the face. `points` (V, 2) are the places of the extended vertices in it, 0..1. `height` is
    the distance from forehead to chin in pixels.
    """

    picture: U8
    validity: U8
    points: F32
    height: float


def bake(picture: U8, landmarks: F32, validity: U8, mesh: FaceMesh, pose: Pose) -> FaceTexture:
    """Make the texture of a face from a photo.

    Each cell of the texture is looked up in the photo. It counts as seen if no other part of the face is
    nearer to the camera there, if it faces the camera, and if `validity` says that nothing covers it. A cell
    that is not seen gets the mirror image of its twin on the other half, lit as its surroundings are. The
    halves are blended in frequency bands, so that no seam shows.

    Args:
        picture: (H, W, 3) uint8 RGB.
        landmarks: (478, 3) of the face, in pixels of `picture`.
        validity: (h, w) from `find_validity`.
        pose: that of `landmarks`.
    """
    unrolled = _unrolled(mesh)
    height = float(unrolled[CHIN_BOTTOM, 1] - unrolled[FOREHEAD_TOP, 1])
    height_px = float(np.linalg.norm(mesh.points[FOREHEAD_TOP] - mesh.points[CHIN_BOTTOM])) * pose.scale
    side = max(16, min(_LARGEST, round(_DENSITY * height_px / height)))
    cells = _look_up(picture, landmarks, validity, mesh, pose, unrolled)
    x, y = cv2.split(cv2.resize(cells.places, (side, side), interpolation=cv2.INTER_LINEAR))
    own = as_u8(cv2.remap(picture, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE))
    share = _share_of_twin(cells.quality)
    usable = smooth_step(as_f32(cells.usable * (1 - share) + cells.usable[:, ::-1] * share), *_USABLE)
    if float(share.max()) > _LEAST_SHARE:
        alike = as_f32(cells.skin * np.minimum(cells.quality, cells.quality[:, ::-1]))
        twin = as_u8(own[:, ::-1])
        own = _blended(own, _lit_as(_filled(own, twin, share), twin, alike), share)
    return FaceTexture(own, as_u8((usable * 255).clip(0, 255)), unrolled, height * side)


@dataclass(frozen=True, slots=True)
class _Cells:
    """What the photo shows of each cell of the texture, on a coarse grid."""

    places: F32
    """(h, w, 2) where the cell is in the photo, in pixels."""
    quality: F32
    """(h, w) cosine between the skin and the camera, 0 where the photo does not show this cell."""
    usable: F32
    """(h, w) 0..1: whether the photo can be used for this cell, if its twin is no better."""
    skin: F32
    """(h, w) 0..1: whether the cell is plain skin."""


def _unrolled(mesh: FaceMesh) -> F32:
    """(V, 2) places of the extended vertices in the texture, 0..1. Both halves are mirror images."""
    points = np.empty((LEFT_IRIS + 5, 2), np.float32)
    points[:MESH_POINTS] = mesh.uv
    for iris, ring in ((RIGHT_IRIS, RIGHT_EYE), (LEFT_IRIS, LEFT_EYE)):
        points[iris : iris + 5] = mesh.uv[list(ring)].mean(0)
    middle = np.array([0.5, (mesh.uv[:, 1].min() + mesh.uv[:, 1].max()) / 2], np.float32)
    return as_f32(0.5 + (mesh.extend(points) - middle) * (1 - 2 * _MARGIN))


def _look_up(picture: U8, landmarks: F32, validity: U8, mesh: FaceMesh, pose: Pose, unrolled: F32) -> _Cells:
    grid = (_GRID, _GRID)
    cells = as_f32(unrolled * _GRID - 0.5)
    flat = np.zeros(len(cells), np.float32)
    vertices = mesh.extend(_without_teeth(landmarks))
    nearest = float(vertices[:, 2].min())
    values = as_f32(vertices - np.array([0, 0, nearest], np.float32))
    x, y, depth = cv2.split(draw(cells, flat, mesh.drawn, values, grid))
    values = np.zeros((len(cells), 3), np.float32)
    values[:, 0] = (mesh.normals @ pose.rotation[2])[_on_skin(mesh)]
    values[:MESH_POINTS, 1] = skin_weights(mesh)
    values[:, 2] = (mesh.rings / _INNER_RINGS).clip(0, 1)[_on_skin(mesh)]
    facing, skin, inner = cv2.split(draw(cells, flat, mesh.drawn, values, grid))

    rows, columns = picture.shape[:2]
    front, zoom = _depth_map(vertices, mesh, (columns, rows))
    height = float(np.linalg.norm(mesh.points[FOREHEAD_TOP] - mesh.points[CHIN_BOTTOM])) * pose.scale
    behind = (depth + nearest - _read(front, x, y, zoom)) / height
    certain = _read(_away_from_edges(front, height, zoom), x, y, zoom)
    zoom = float(validity.shape[1] / columns)
    uncovered = _read(as_f32(validity / np.float32(255)), x, y, zoom)
    visible = 1 - smooth_step(as_f32(behind), *_HIDDEN)
    return _Cells(
        places=as_f32(cv2.merge((x, y))),
        quality=as_f32(facing * visible * uncovered * certain),
        usable=as_f32(uncovered * np.maximum(inner, smooth_step(as_f32(facing), *_SEEN) * visible)),
        skin=as_f32(skin),
    )


def _on_skin(mesh: FaceMesh) -> npt.NDArray[np.intp]:
    """(V,) point of the mesh of each extended vertex: an iris counts as the inner corner of its eye."""
    points = mesh.extended.copy()
    for iris, ring in ((RIGHT_IRIS, RIGHT_EYE), (LEFT_IRIS, LEFT_EYE)):
        points[points == iris] = ring[EYE_INNER_CORNER]
    return points


def _depth_map(vertices: F32, mesh: FaceMesh, size: tuple[int, int]) -> tuple[F32, float]:
    """Depth of the nearest part of the face at each cell of the photo, and the cells per pixel. `size` is
    (width, height) of the photo. It is very large where there is no face.
    """
    zoom = min(1.0, _DEPTH_GRID / max(size))
    grid = (max(8, round(size[0] * zoom)), max(8, round(size[1] * zoom)))
    values = np.ones((len(vertices), 3), np.float32)
    values[:, 0] = vertices[:, 2]
    drawn = draw(as_f32(vertices[:, :2] * zoom), vertices[:, 2], mesh.drawn, values, grid)
    depth = np.where(drawn[..., 1] > 0, drawn[..., 0], np.float32(_NOWHERE))
    return as_f32(depth), zoom


def _away_from_edges(front: F32, height: float, zoom: float) -> F32:
    """(h, w) 0 at the edges of a depth map, where the background or another part of the face begins, and 1 a
    few cells away from them. `height` is that of the face in pixels, `zoom` the cells per pixel.

    Landmarks are not exact. Beside an edge they may mean what is behind it.
    """
    before = np.asarray(cv2.erode(front, np.ones((3, 3), np.uint8)))
    smooth = ((front < _NOWHERE) & (front - before < _STEP * height)).astype(np.uint8)
    distance = as_f32(cv2.distanceTransform(smooth, cv2.DIST_L2, 3))
    return smooth_step(distance, _NEAR_EDGE[0] * height * zoom, _NEAR_EDGE[1] * height * zoom)


def _read(grid: F32, x: MatLike, y: MatLike, zoom: float) -> F32:
    """Values of a grid at places x, y of the photo. `zoom` is its cells per pixel of the photo."""
    at = [as_f32((np.asarray(one, np.float32) + 0.5) * zoom - 0.5) for one in (x, y)]
    return as_f32(cv2.remap(grid, at[0], at[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def _share_of_twin(quality: F32) -> F32:
    """(h, w) 0..1: how much of each cell comes from its twin."""
    worse = 1 - smooth_step(quality, *_SEEN_WELL)
    gain = smooth_step(as_f32(quality[:, ::-1] - quality), 0.0, _BETTER)
    return as_f32(cv2.GaussianBlur(worse * gain, (0, 0), _SEAM * _GRID))


def _lit_as(target: U8, source: U8, weight: F32) -> U8:
    """(S, S, 3) `source`, lit as `target` is lit. `weight` (h, w) is 1 on skin that both show."""
    side = target.shape[0]

    def planes(picture: U8) -> tuple[F32, F32, F32]:
        small = cv2.resize(picture, (_LIGHT_GRID, _LIGHT_GRID), interpolation=cv2.INTER_AREA)
        luma, chroma = to_yuv(as_u8(small), _FULL_RANGE)
        return as_f32(luma), as_f32(chroma[..., 0]), as_f32(chroma[..., 1])

    weight = as_f32(cv2.resize(weight, (_LIGHT_GRID, _LIGHT_GRID), interpolation=cv2.INTER_AREA))
    light = match_light(planes(target), planes(source), weight, 0.0, Tone())
    luma, chroma = to_yuv(source, _FULL_RANGE)
    gain, lift, chroma_gain, lift_u, lift_v = (
        as_f32(cv2.resize(part, (side, side)))
        for part in (light.gain, light.lift, light.chroma_gain, light.lift_u, light.lift_v)
    )
    u, v = (as_f32(chroma[..., plane] * chroma_gain + lifted) for plane, lifted in ((0, lift_u), (1, lift_v)))
    return rgb_of(as_f32(luma * gain + lift), u, v).clip(0, 255).astype(np.uint8)


def _blended(one: U8, other: U8, share: F32) -> U8:
    """`one`, with a share of `other`, blended in frequency bands: fine details change over a short way, light
    and colour over a long way.

    Source: Burt and Adelson, "A multiresolution spline with application to image mosaics", 1983.
    """
    side = one.shape[0]
    mask = as_u8((cv2.resize(share, (side, side)) * 255).clip(0, 255))
    # Coarse bands reach far. Where one half shows the background, it must show the other half instead.
    one, other = _filled(one, other, share), _filled(other, one, as_f32(share[:, ::-1]))
    blender = cv2.detail.MultiBandBlender(0, _BANDS)
    blender.prepare((0, 0, side, side))
    blender.feed(one.astype(np.int16), as_u8(255 - mask), (0, 0))
    blender.feed(other.astype(np.int16), mask, (0, 0))
    blended, _ = blender.blend(np.empty(0), np.empty(0))
    return as_u8(np.asarray(blended).clip(0, 255))


def _filled(one: U8, other: U8, share: F32) -> U8:
    """A copy of `one` that shows `other` where most of the blend comes from `other`."""
    side = one.shape[0]
    mostly = as_u8(cv2.resize(share, (side, side)) > _MOSTLY)[..., None]
    return np.where(mostly, other, one)


def _without_teeth(landmarks: F32) -> F32:
    """Move the inner rim of the lips outwards. Landmarks are only exact to about a pixel. Without the move,
    the teeth of a smile would appear on closed lips.
    """
    inner, outer = list(LIPS_INNER), list(LIPS_OUTER)
    moved = landmarks.copy()
    moved[inner] += _LIPS_INSET * (landmarks[outer] - landmarks[inner])
    return moved
