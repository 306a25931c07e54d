"""Hair, microphones and other things before a face whose colour is not that of its skin."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from faceswap.engine.face.mesh import FaceMesh, draw
from faceswap.engine.face.topology import LEFT_BROW, MESH_POINTS, NOSE_BASE, RIGHT_BROW
from faceswap.engine.mesh.photo import skin_weights
from faceswap.engine.occlusion.view import FaceView
from faceswap.engine.planes import F32, as_f32, as_u8

_GRID = 96
"""Cells along the longer side of the box."""
_FEWEST, _SAMPLED = 60, 3
"""Fewest cells of skin that are enough, and which of them are used: one in so many."""
_LEAST_SPREAD = (20.0, 4.5, 4.5)
"""Smallest standard deviations of the skin's Y, U and V. With less, a shadow on even skin would be hair."""
_BRIGHTER = 0.5
"""What is brighter than the skin counts for less than what is darker, because skin shines."""
_TOLERANCE = (2.4, 3.6, 5.5)
"""Largest distances from the colour of the skin, in standard deviations: on the forehead, where fringes are;
between brows and nose; and below the nose, where beards are."""
_EVERY = 2
"""The colours are looked at in one of so many frames. The mask moves with the face in between."""
_EASE = 0.5
"""Share of the remaining change of the mask that is made each time."""
_FEATURE = 0.15
_INSIDE = 7
"""Side of the square by which the face is eroded: a feature inside it may have any colour."""
_SQUARE = np.ones((3, 3), np.uint8)
_SOFTNESS = 1.5
_SHOWN = (0.25, 0.75)


@dataclass(slots=True)
class _State:
    frame: int = 0
    mask: F32 | None = None
    """(h, w) averaged over the frames."""
    shown: F32 | None = None
    """The same with soft edges; None if nothing covers the face."""


class OtherThanSkin:
    """An `Occluder` that finds areas which reach into the face from outside and differ from its skin."""

    def __init__(self, mesh: FaceMesh) -> None:
        self._mesh = mesh
        self._skin = skin_weights(mesh)
        self._cheeks = (mesh.rings >= 3) & (self._skin == 1)
        self._values = np.zeros((len(mesh.extended), 3), np.float32)
        self._values[: mesh.skirt.start, 0] = 1
        self._values[:MESH_POINTS, 1] = self._skin
        self._tracks: dict[int, _State] = {}

    def drop_tracks(self, tracks: set[int]) -> None:
        for track in tracks:
            self._tracks.pop(track, None)

    def cover(self, view: FaceView) -> F32 | None:
        state = self._tracks.setdefault(view.track, _State())
        if state.frame % _EVERY == 0:
            self._look(view, state)
        state.frame += 1
        if state.shown is None:
            return None
        return as_f32(cv2.resize(state.shown, view.grid, interpolation=cv2.INTER_LINEAR))

    def _look(self, view: FaceView, state: _State) -> None:
        grid = view.box.grid(_GRID)
        now = self._different(view, grid)
        if state.mask is not None:
            before = as_f32(cv2.resize(state.mask, grid, interpolation=cv2.INTER_LINEAR))
            now = as_f32(before + _EASE * (now - before))
        state.mask, state.shown = now, None
        if float(now.max(initial=0)) > _SHOWN[0]:
            soft = cv2.GaussianBlur(now, (0, 0), _SOFTNESS)
            state.shown = as_f32(np.clip((soft - _SHOWN[0]) / (_SHOWN[1] - _SHOWN[0]), 0, 1))

    def _different(self, view: FaceView, grid: tuple[int, int]) -> F32:
        """(h, w) 1 where something that is not skin reaches in from outside, else 0."""
        heights = view.landmarks[:MESH_POINTS, 1]
        brows = float(view.landmarks[[*RIGHT_BROW, *LEFT_BROW], 1].mean())
        self._values[:MESH_POINTS, 2] = self._cheeks & (heights > brows)
        vertices = self._mesh.extend(view.landmarks)
        positions = view.box.cells(vertices[:, :2], grid)
        drawn = draw(positions, vertices[:, 2], self._mesh.drawn, self._values, grid)
        face, certain = drawn[..., 0] > 0.5, drawn[..., 2] > 0.9
        if int(certain.sum()) < _FEWEST:
            return np.zeros(grid[::-1], np.float32)
        rows = np.arange(grid[1])[:, None]
        brow_row = float(positions[[*RIGHT_BROW, *LEFT_BROW], 1].mean())
        forehead, middle, beard = _TOLERANCE
        tolerance = np.where(
            rows < brow_row, forehead, np.where(rows < positions[NOSE_BASE, 1], middle, beard)
        )
        inner = cv2.erode(face.astype(np.uint8), np.ones((_INSIDE, _INSIDE), np.uint8)) > 0
        feature = (drawn[..., 1] <= _FEATURE) & inner
        far = _distance_from_skin(_colours(view, grid), certain) > tolerance
        bad = as_u8(cv2.morphologyEx((far & face & ~feature).astype(np.uint8), cv2.MORPH_OPEN, _SQUARE))
        _, labels = cv2.connectedComponents(bad | (~face).astype(np.uint8))
        labels = np.asarray(labels)
        bad[~np.isin(labels, np.unique(labels[~face]))] = 0
        return as_f32(cv2.dilate(bad, _SQUARE))


def _colours(view: FaceView, grid: tuple[int, int]) -> F32:
    """(h, w, 3) Y, U and V of the box."""
    box = view.box
    place = view.planes.cut(box.x, box.y, box.width, box.height)
    planes = (cv2.resize(plane, grid, interpolation=cv2.INTER_AREA) for plane in (place.y, place.u, place.v))
    return as_f32(cv2.merge(list(planes)))


def _distance_from_skin(colours: F32, certain: npt.NDArray[np.bool_]) -> F32:
    """(h, w) distance of each colour from that of the `certain` skin, in standard deviations. A plane is
    fitted to the luma of this skin first, because one side of a face is often darker.
    """
    rows, columns = (places[::_SAMPLED] for places in np.nonzero(certain))
    places = np.stack([columns, rows, np.ones(len(rows))], 1)
    slope = np.asarray(np.linalg.lstsq(places, colours[rows, columns, 0], rcond=None)[0], np.float32)
    (top, bottom), (left, right) = ((int(one.min()), int(one.max())) for one in (rows, columns))
    across = np.arange(colours.shape[1], dtype=np.float32).clip(left, right)
    down = np.arange(colours.shape[0], dtype=np.float32).clip(top, bottom)[:, None]
    flat = colours.copy()
    flat[..., 0] -= slope[0] * across + slope[1] * down + slope[2]
    skin = flat[rows, columns]
    middle = np.median(skin, 0)
    spread = np.maximum(1.4826 * np.median(np.abs(skin - middle), 0), _LEAST_SPREAD)
    apart = (flat - middle) / spread
    apart[..., 0] = np.where(apart[..., 0] > 0, _BRIGHTER * apart[..., 0], apart[..., 0])
    return as_f32(np.sqrt((apart**2).sum(2)))
