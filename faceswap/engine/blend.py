"""Putting a source face onto the face of a frame: geometry, maps, light, and the blend, within one box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from cv2.typing import MatLike

from faceswap.engine.landmarks import face_height
from faceswap.engine.light import Light, Mood, match_light
from faceswap.engine.mesh import FaceMesh, draw
from faceswap.engine.photo import skin_weights
from faceswap.engine.planes import F32, U8, Planes, as_f32, as_u8
from faceswap.engine.shape import eye_openness, shape_offsets
from faceswap.engine.source import SourceFace, Texture, smooth_step
from faceswap.engine.topology import (
    LEFT_EYE,
    LEFT_IRIS,
    LIPS_INNER,
    MESH_POINTS,
    OVAL,
    RIGHT_EYE,
    RIGHT_IRIS,
)

_GRID = 128
"""Cells along the longer side of the box, on which maps and alpha are drawn."""
_LIGHT_GRID = 64
_MARGIN = 0.03
_SOFTNESS = 0.012
"""Standard deviation of the edge's blur, of the columns of the grid."""
_BLEED = 0.05
_DISPLACED_RINGS = 3
"""Steps along the mesh from a mouth or eye over which its displacement fades."""
_LID_RINGS = 2
"""Steps along the mesh from an eye up to which its lids come from the target when it is closed."""
_SMALLEST = 16
"""Boxes under so many pixels are left alone."""
_TURNED_AWAY = (48.0, 68.0)
"""Degrees of yaw over which the swap fades out: the far half of the texture is guesswork there."""
_FADE = 0.35
"""Share of the way to the wanted visibility that is gone with each frame."""
_BARELY = 0.02


@dataclass(slots=True)
class _TrackState:
    """What is remembered of one tracked face."""

    offsets: F32
    visible: float | None = None
    mood: Mood = field(default_factory=Mood)


@dataclass(frozen=True, slots=True)
class _Rectangle:
    """Even corners, in pixels."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True)
class _Box:
    """A rectangle of the frame with even corners."""

    x: int
    y: int
    width: int
    height: int

    def grid(self, longest: int) -> tuple[int, int]:
        """Columns and rows of a grid laid over it, at most `longest` cells a side, none below a pixel."""
        zoom = min(1.0, longest / max(self.width, self.height))
        return max(8, round(self.width * zoom)), max(8, round(self.height * zoom))

    def cells(self, points: F32, grid: tuple[int, int]) -> F32:
        """(N, 2) pixels as cells; centres at whole numbers in both."""
        zoom = np.array([grid[0] / self.width, grid[1] / self.height], np.float32)
        return (points - np.array([self.x - 0.5, self.y - 0.5], np.float32)) * zoom - np.float32(0.5)


@dataclass(frozen=True, slots=True)
class _Maps:
    """What is drawn of the mesh, float32 on a fine and a coarse grid over the box."""

    texture_x: F32
    texture_y: F32
    """Fine (h, w): where to read the texture, in its pixels."""
    alpha: F32
    """Fine (h, w)."""
    displaced: F32
    """Coarse (h, w, 2): from where in the target a pixel of the target is taken, as an offset in pixels. Lips
    and lids lie where the source's shape puts them; what they show inside moves along."""
    displaced_parts: tuple[_Rectangle, ...]
    """In pixels of the box: outside of these nothing is displaced."""
    skin: F32
    """Coarse (h, w): how much a cell may tell of the light."""


class Blender:
    """Swaps one source face onto any number of tracked faces. Not for use by two threads at once."""

    def __init__(self, source: SourceFace, mesh: FaceMesh) -> None:
        self._source = source
        self._mesh = mesh
        self._tracks: dict[int, _TrackState] = {}
        self._skin = skin_weights(mesh)
        self._rim = np.where(mesh.rings == 0, 0, np.where(mesh.rings == 1, 0.75, 1)).astype(np.float32)
        self._right_ring, self._left_ring = list(RIGHT_EYE), list(LEFT_EYE)
        self._oval = list(OVAL)
        count = len(mesh.extended)
        self._texture_values = np.zeros((count, 3), np.float32)
        self._coarse_values = np.zeros((count, 3), np.float32)
        self._coarse_values[:MESH_POINTS, 2] = self._skin
        self._openings = [_Opening(mesh, ring) for ring in (LIPS_INNER, RIGHT_EYE + LEFT_EYE)]
        self._lids = [_near(mesh, ring, _LID_RINGS) for ring in (RIGHT_EYE, LEFT_EYE)]
        weights = np.ones((LEFT_IRIS + 1, 1), np.float32)
        weights[:MESH_POINTS, 0] = np.max([opening.weights for opening in self._openings], 0)
        self._displacement = weights[mesh.extended]

    def knows(self, track: int) -> bool:
        return track in self._tracks

    def meet(self, track: int, resting: F32) -> None:
        """Begin to swap a face whose resting shape, (468, 3) without pose, is `resting`."""
        self._tracks[track] = _TrackState(shape_offsets(self._mesh, self._source.neutral, resting))

    def forget(self, tracks: set[int]) -> None:
        for track in tracks:
            self._tracks.pop(track, None)

    def swap(self, planes: Planes, track: int, landmarks: F32) -> bool:
        """Write the source face over a face that was met before. `planes` must be writable; pixels outside
        the box around the face's oval stay as they are. False when nothing was drawn: turned away, or tiny.
        """
        state = self._tracks[track]
        pose = self._mesh.pose(landmarks)
        wanted = smooth_step(abs(pose.yaw), _TURNED_AWAY[1], _TURNED_AWAY[0])
        before = wanted if state.visible is None else state.visible
        state.visible = before + _FADE * (wanted - before)
        shaped = landmarks[:MESH_POINTS] + pose.to_picture(state.offsets)
        box = self._box(planes, landmarks, shaped)
        if box is None or state.visible < _BARELY:
            return False
        facing = self._mesh.normals @ pose.rotation[2]
        texture = self._source.texture(face_height(landmarks), planes.colour)
        maps = self._maps(box, landmarks, shaped, facing, state.visible, texture)
        target = planes.cut(box.x, box.y, box.width, box.height)
        light = self._light(target, maps, texture, state.mood)
        _write(target, maps, light, texture)
        return True

    def _box(self, planes: Planes, landmarks: F32, shaped: F32) -> _Box | None:
        ovals = np.concatenate([landmarks[self._oval, :2], shaped[self._oval, :2]])
        (x0, y0), (x1, y1) = ovals.min(0).tolist(), ovals.max(0).tolist()
        margin = _MARGIN * max(x1 - x0, y1 - y0) + 2
        left, top = max(0, int(x0 - margin)) & ~1, max(0, int(y0 - margin)) & ~1
        right = min(planes.width, (int(x1 + margin) + 2) & ~1)
        bottom = min(planes.height, (int(y1 + margin) + 2) & ~1)
        if right - left < _SMALLEST or bottom - top < _SMALLEST:
            return None
        return _Box(left, top, right - left, bottom - top)

    def _maps(
        self, box: _Box, landmarks: F32, shaped: F32, facing: F32, visible: float, texture: Texture
    ) -> _Maps:
        mesh, source = self._mesh, self._source
        own = mesh.extend(landmarks)
        moved = np.concatenate([shaped, landmarks[MESH_POINTS:]])
        for iris, ring in ((RIGHT_IRIS, self._right_ring), (LEFT_IRIS, self._left_ring)):
            moved[iris, :2] += (shaped[ring, :2] - landmarks[ring, :2]).mean(0)
            moved[iris, 2] = shaped[ring, 2].mean()
        vertices = mesh.extend(moved)

        values = self._texture_values
        rows, columns = texture.luma.shape
        np.multiply(source.texture_points, np.array([columns, rows], np.float32), out=values[:, :2])
        values[:, :2] -= 0.5
        seen = np.minimum(source.facing, smooth_step(facing, 0.02, 0.30))
        values[:MESH_POINTS, 2] = self._rim * seen * visible
        for part, lids, now, then in zip(
            (mesh.right_eye, mesh.left_eye),
            self._lids,
            eye_openness(landmarks),
            source.eye_openness,
            strict=True,
        ):
            # A closed lid comes from the target: the source's open eye has none to show.
            opened = smooth_step(now / max(then, 0.05), 0.30, 0.55)
            values[part, 2] = opened * visible
            values[:MESH_POINTS, 2] *= 1 - (1 - opened) * lids
        fine = box.grid(_GRID)
        drawn = draw(box.cells(vertices[:, :2], fine), vertices[:, 2], mesh.drawn, values, fine)
        x, y, alpha = cv2.split(drawn)
        usable = _remapped(texture.validity, x, y)
        alpha = cv2.GaussianBlur(alpha, (0, 0), max(0.8, _SOFTNESS * fine[0]))
        # The blur bleeds over the oval; what is left there after this is nothing.
        alpha = np.maximum(as_f32(alpha) - _BLEED, 0)
        alpha = cv2.multiply(alpha, usable, scale=1 / 255 / (1 - _BLEED), dtype=cv2.CV_32F)

        values = self._coarse_values
        np.subtract(own[:, :2], vertices[:, :2], out=values[:, :2])
        values[:, :2] *= self._displacement
        coarse = box.grid(_LIGHT_GRID)
        drawn = draw(box.cells(vertices[:, :2], coarse), vertices[:, 2], mesh.drawn, values, coarse)
        usable = cv2.resize(usable, coarse, interpolation=cv2.INTER_AREA)
        skin = cv2.multiply(drawn[..., 2], usable, scale=1 / 255, dtype=cv2.CV_32F)
        parts = tuple(opening.rectangle(vertices, box) for opening in self._openings)
        return _Maps(as_f32(x), as_f32(y), as_f32(alpha), drawn[..., :2], parts, as_f32(skin))

    def _light(self, target: Planes, maps: _Maps, fine: Texture, mood: Mood) -> Light:
        """On the coarse grid."""
        rows, columns = maps.skin.shape

        def small(plane: U8 | F32) -> F32:
            image: MatLike = plane
            step = int(plane.shape[0] / (3 * rows))
            if step > 1:  # a few pixels of each cell tell its light
                size = (plane.shape[1] // step, plane.shape[0] // step)
                image = cv2.resize(image, size, interpolation=cv2.INTER_NEAREST)
            return as_f32(cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA))

        texture = self._source.coarse_texture(float(rows), target.colour)
        zoom_x, zoom_y = np.divide(texture.luma.shape[::-1], fine.luma.shape[::-1]).astype(np.float32)
        x = (small(maps.texture_x) + np.float32(0.5)) * zoom_x - np.float32(0.5)
        y = (small(maps.texture_y) + np.float32(0.5)) * zoom_y - np.float32(0.5)
        u, v = cv2.split(_remapped(texture.chroma, x, y))
        return match_light(
            (small(target.y), small(target.u), small(target.v)),
            (as_f32(_remapped(texture.luma, x, y)), as_f32(u), as_f32(v)),
            maps.skin,
            _black(target),
            mood,
        )


def _near(mesh: FaceMesh, ring: Sequence[int], steps: int) -> F32:
    """(468,) 1 on a ring of points, falling to 0 `steps` edges away."""
    return np.clip(1 - mesh.distance_from(ring) / steps, 0, 1).astype(np.float32)


class _Opening:
    """The mouth or the eyes: rings in the mesh through which the target itself is seen."""

    def __init__(self, mesh: FaceMesh, ring: Sequence[int]) -> None:
        self.weights = _near(mesh, ring, _DISPLACED_RINGS)
        """(468,) how far a point takes part in the displacement."""
        self._reached = np.nonzero(self.weights)[0]

    def rectangle(self, vertices: F32, box: _Box) -> _Rectangle:
        """Around what is displaced, in pixels of the box, with the cells that interpolation mixes in."""
        points = vertices[self._reached, :2]
        (left, top), (right, bottom) = points.min(0).tolist(), points.max(0).tolist()
        cell = 2 * max(box.width, box.height) / _LIGHT_GRID + 2
        return _Rectangle(
            min(box.width, max(0, int(left - box.x - cell) & ~1)),
            min(box.height, max(0, int(top - box.y - cell) & ~1)),
            max(0, min(box.width, int(right - box.x + cell + 2) & ~1)),
            max(0, min(box.height, int(bottom - box.y + cell + 2) & ~1)),
        )


def _write(target: Planes, maps: _Maps, light: Light, texture: Texture) -> None:
    """target = (1 - alpha) * target, displaced, + alpha * texture, lit: in full size for luma, half for
    chroma, in float32, rounded once.
    """
    rows, columns = maps.alpha.shape
    fine = (columns, rows)
    black = _black(target)
    kept = as_f32(1 - maps.alpha)
    constant = as_f32(light.lift + black * (1 - light.gain))
    luma = [maps.alpha * _resized(part, fine) for part in (light.gain, constant)]
    chroma = [maps.alpha * _resized(part, fine) for part in (light.chroma_gain, light.lift_u, light.lift_v)]
    displaced = _displaced(target, maps)

    size = (target.width, target.height)
    x, y, gain, constant, kept_y = (
        _resized(part, size) for part in (maps.texture_x, maps.texture_y, *luma, kept)
    )
    _blend(target.y, displaced.y, _remapped(texture.luma, x, y), gain, constant, kept_y)

    size = (target.width // 2, target.height // 2)
    x, y, gain, lift_u, lift_v, kept_uv = (
        _resized(part, size) for part in (maps.texture_x, maps.texture_y, *chroma, kept)
    )
    u, v = cv2.split(_remapped(texture.chroma, x, y))
    _blend(target.u, displaced.u, u, gain, lift_u, kept_uv)
    _blend(target.v, displaced.v, v, gain, lift_v, kept_uv)


def _displaced(target: Planes, maps: _Maps) -> Planes:
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
        copy.y[place] = _remapped(target.y, *_points(offsets, place))
        place = slice(part.top // 2, part.bottom // 2), slice(part.left // 2, part.right // 2)
        points = _points(half_offsets, place)
        copy.u[place] = _remapped(target.u, *points)
        copy.v[place] = _remapped(target.v, *points)
    return copy


def _points(offsets: tuple[F32, F32], place: tuple[slice, slice]) -> tuple[F32, F32]:
    """Where the pixels of a place in a plane are read from it."""
    rows, columns = place
    across = np.arange(columns.start, columns.stop, dtype=np.float32)
    down = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None]
    return offsets[0][place] + across, offsets[1][place] + down


def _blend(plane: U8, base: U8, face: MatLike, gain: F32, constant: F32, kept: F32) -> None:
    """plane = face * gain + constant + base * kept."""
    lit = cv2.add(cv2.multiply(face, gain, dtype=cv2.CV_32F), constant)
    rest = cv2.multiply(base, kept, dtype=cv2.CV_32F)
    cv2.add(lit, rest, plane, dtype=cv2.CV_8U)


def _black(planes: Planes) -> float:
    return 0.0 if planes.colour.full_range else 16.0


def _remapped(image: U8, x: MatLike, y: MatLike) -> U8:
    return as_u8(cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def _resized(grid: F32, size: tuple[int, int]) -> F32:
    return as_f32(cv2.resize(grid, size, interpolation=cv2.INTER_LINEAR))
