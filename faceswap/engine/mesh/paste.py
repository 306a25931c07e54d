"""Puts a new face onto the face of a frame: inside one box, lit as the frame is, with a soft mask. Every
engine pastes its faces with this module."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from cv2.typing import MatLike

from faceswap.engine.face.mesh import FaceMesh
from faceswap.engine.face.topology import MESH_POINTS
from faceswap.engine.mesh.detail import match_detail
from faceswap.engine.mesh.eyes import OwnEyes, tone_eyes
from faceswap.engine.mesh.light import Light, Tone, match_light, smooth_step
from faceswap.engine.mesh.source import Texture
from faceswap.engine.planes import F32, U8, Planes, as_f32, as_u8
from faceswap.engine.swapper import Cover

FINE_GRID = 128
"""Cells along the longer side of the box in the grid on which maps and alpha are drawn."""
LIGHT_GRID = 64
_MARGIN = 0.03
_SOFTNESS = 0.012
"""Standard deviation of the blur of the edge, as a share of the columns of the grid."""
_BLEED = 0.05
_SMALLEST = 16
"""A face is not swapped if a side of its box is shorter than this, in pixels."""
_FADE = 0.35
"""Share of the remaining change of visibility that is made in each frame."""
BARELY = 0.02
"""A swap that is less visible than this is not drawn."""


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A rectangle in pixels. All its values are even."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of the frame, in pixels. All its values are even."""

    x: int
    y: int
    width: int
    height: int

    def grid(self, longest: int) -> tuple[int, int]:
        """Columns and rows of a grid over the box: at most `longest`, and no more than the box has pixels."""
        zoom = min(1.0, longest / max(self.width, self.height))
        return max(8, round(self.width * zoom)), max(8, round(self.height * zoom))

    def cells(self, points: F32, grid: tuple[int, int]) -> F32:
        """Convert (N, 2) pixels of the frame to cells. The centres of both are whole numbers."""
        zoom = np.array([grid[0] / self.width, grid[1] / self.height], np.float32)
        return (points - np.array([self.x - 0.5, self.y - 0.5], np.float32)) * zoom - np.float32(0.5)


@dataclass(frozen=True, slots=True)
class Maps:
    """What is drawn of the mesh: float32 on a fine and on a coarse grid over the box."""

    texture_x: F32
    texture_y: F32
    """Fine (h, w): where to read the texture, in pixels of the texture."""
    alpha: F32
    """Fine (h, w) 0..1: how much of the new face is shown."""
    displaced: F32
    """Coarse (h, w, 2): offset in pixels to the place in the target from which a pixel of the target is read.
    The source's shape moves lips and lids, and what is visible between them moves with them."""
    displaced_parts: tuple[Rectangle, ...]
    """In pixels of the box. Outside of these rectangles nothing is displaced."""
    skin: F32
    """Coarse (h, w) 0..1: how much weight a cell has when the light is measured."""
    own_eyes: OwnEyes | None = None
    """The target's eyes, if they show through."""

    def uncovered(self, box: Box, cover: Cover | None) -> Maps:
        """The maps with which the light is measured only where nothing covers the face."""
        if cover is None:
            return self
        rows, columns = self.skin.shape
        covered = cover.on(box.x, box.y, box.width, box.height, (columns, rows))
        return replace(self, skin=as_f32(self.skin * (1 - covered)))


def box_around(planes: Planes, *outlines: F32) -> Box | None:
    """The box around all given (N, 3) landmarks, inside the frame; None if it is tiny. It is more than the
    box around the ovals, because the nose of a head that is turned away reaches beyond its oval.
    """
    faces = np.concatenate([points[:MESH_POINTS, :2] for points in outlines])
    (x0, y0), (x1, y1) = faces.min(0).tolist(), faces.max(0).tolist()
    margin = _MARGIN * max(x1 - x0, y1 - y0) + 2
    left, top = max(0, int(x0 - margin)) & ~1, max(0, int(y0 - margin)) & ~1
    right = min(planes.width, (int(x1 + margin) + 2) & ~1)
    bottom = min(planes.height, (int(y1 + margin) + 2) & ~1)
    if right - left < _SMALLEST or bottom - top < _SMALLEST:
        return None
    return Box(left, top, right - left, bottom - top)


def rim_weights(mesh: FaceMesh) -> F32:
    """(468,) alpha of a face's points: 0 on the oval, 0.75 next to it, 1 elsewhere."""
    return np.where(mesh.rings == 0, 0, np.where(mesh.rings == 1, 0.75, 1)).astype(np.float32)


def faded(before: float | None, yaw: float, turned_away: tuple[float, float]) -> float:
    """How visible a swap is in the next frame, 0..1. It fades out between the two `turned_away` angles, in
    degrees of yaw.
    """
    wanted = smooth_step(abs(yaw), turned_away[1], turned_away[0])
    return wanted if before is None else before + _FADE * (wanted - before)


def softened(alpha: MatLike, usable: U8) -> F32:
    """(h, w) alpha with a soft edge. It is 0 where `usable`, (h, w) 0..255, is 0."""
    blurred = as_f32(cv2.GaussianBlur(alpha, (0, 0), max(0.8, _SOFTNESS * alpha.shape[1])))
    # The blur spreads alpha beyond the oval. This makes it 0 there again.
    inside = np.maximum(blurred - _BLEED, 0)
    return as_f32(cv2.multiply(inside, usable, scale=1 / 255 / (1 - _BLEED), dtype=cv2.CV_32F))


def light_of(target: Planes, maps: Maps, fine: Texture, coarse: Texture, tone: Tone) -> Light:
    """Find how to light `fine` as the target is lit, on the coarse grid. `coarse` is the same texture at
    about the size of that grid.
    """
    rows, columns = maps.skin.shape

    def small(plane: U8 | F32) -> F32:
        image: MatLike = plane
        step = int(plane.shape[0] / (3 * rows))
        if step > 1:  # a few pixels of each cell are enough
            size = (plane.shape[1] // step, plane.shape[0] // step)
            image = cv2.resize(image, size, interpolation=cv2.INTER_NEAREST)
        return as_f32(cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA))

    zoom_x, zoom_y = np.divide(coarse.luma.shape[::-1], fine.luma.shape[::-1]).astype(np.float32)
    x = (small(maps.texture_x) + np.float32(0.5)) * zoom_x - np.float32(0.5)
    y = (small(maps.texture_y) + np.float32(0.5)) * zoom_y - np.float32(0.5)
    u, v = cv2.split(remapped(coarse.chroma, x, y))
    return match_light(
        (small(target.y), small(target.u), small(target.v)),
        (as_f32(remapped(coarse.luma, x, y)), as_f32(u), as_f32(v)),
        maps.skin,
        black_of(target),
        tone,
    )


def write(target: Planes, maps: Maps, light: Light, texture: Texture, tone: Tone | None = None) -> None:
    """Write (1 - alpha) * displaced target + alpha * lit texture into `target`.

    Luma is computed at full size and chroma at half, in float32, and rounded once. If `tone` is given, the
    texture gets the target's sharpness and grain.
    """
    rows, columns = maps.alpha.shape
    fine = (columns, rows)
    black = black_of(target)
    kept = as_f32(1 - maps.alpha)
    constant = as_f32(light.lift + black * (1 - light.gain))
    luma = [maps.alpha * _resized(part, fine) for part in (light.gain, constant)]
    chroma = [maps.alpha * _resized(part, fine) for part in (light.chroma_gain, light.lift_u, light.lift_v)]
    displaced = _displaced(target, maps)
    if tone is not None and maps.own_eyes is not None:
        colours = texture.luma, texture.chroma
        tone_eyes(target, displaced, maps.own_eyes, colours, light, tone, black)

    size = (target.width, target.height)
    x, y, gain, constant, kept_y = (
        _resized(part, size) for part in (maps.texture_x, maps.texture_y, *luma, kept)
    )
    face: U8 | F32 = remapped(texture.luma, x, y)
    if tone is not None:
        detailed = match_detail(face, target.y, gain, _resized(maps.skin, size), tone)
        face = detailed.luma
        if detailed.grain is not None:
            constant = as_f32(constant + detailed.grain * (1 - kept_y))
    _blend(target.y, displaced.y, face, gain, constant, kept_y)

    size = (target.width // 2, target.height // 2)
    x, y, gain, lift_u, lift_v, kept_uv = (
        _resized(part, size) for part in (maps.texture_x, maps.texture_y, *chroma, kept)
    )
    u, v = cv2.split(remapped(texture.chroma, x, y))
    _blend(target.u, displaced.u, u, gain, lift_u, kept_uv)
    _blend(target.v, displaced.v, v, gain, lift_v, kept_uv)


def _displaced(target: Planes, maps: Maps) -> Planes:
    """A copy of the target whose mouth and eyes are displaced."""
    copy = Planes(target.y.copy(), target.u.copy(), target.v.copy(), target.colour)
    x, y = cv2.split(maps.displaced)
    size = (target.width, target.height)
    offsets = _resized(as_f32(x), size), _resized(as_f32(y), size)
    half = (target.width // 2, target.height // 2)
    half_offsets = _resized(as_f32(x / 2), half), _resized(as_f32(y / 2), half)
    for part in maps.displaced_parts:
        if part.right <= part.left or part.bottom <= part.top:
            continue
        place = slice(part.top, part.bottom), slice(part.left, part.right)
        copy.y[place] = remapped(target.y, *_points(offsets, place))
        place = slice(part.top // 2, part.bottom // 2), slice(part.left // 2, part.right // 2)
        points = _points(half_offsets, place)
        copy.u[place] = remapped(target.u, *points)
        copy.v[place] = remapped(target.v, *points)
    return copy


def _points(offsets: tuple[F32, F32], place: tuple[slice, slice]) -> tuple[F32, F32]:
    """The x and y in a plane from which the pixels of `place` are read."""
    rows, columns = place
    across = np.arange(columns.start, columns.stop, dtype=np.float32)
    down = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None]
    return offsets[0][place] + across, offsets[1][place] + down


def _blend(plane: U8, base: U8, face: MatLike, gain: F32, constant: F32, kept: F32) -> None:
    """plane = face * gain + constant + base * kept."""
    lit = cv2.add(cv2.multiply(face, gain, dtype=cv2.CV_32F), constant)
    rest = cv2.multiply(base, kept, dtype=cv2.CV_32F)
    cv2.add(lit, rest, plane, dtype=cv2.CV_8U)


def black_of(planes: Planes) -> float:
    return 0.0 if planes.colour.full_range else 16.0


def remapped(image: U8, x: MatLike, y: MatLike) -> U8:
    return as_u8(cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def _resized(grid: F32, size: tuple[int, int]) -> F32:
    return as_f32(cv2.resize(grid, size, interpolation=cv2.INTER_LINEAR))
