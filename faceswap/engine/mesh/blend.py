"""The swapper of the mesh engine: draws a source photo onto the mesh of each target face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from faceswap.engine.face.landmarks import face_height
from faceswap.engine.face.mesh import FaceMesh, draw
from faceswap.engine.face.topology import (
    LEFT_EYE,
    LEFT_IRIS,
    LIPS_INNER,
    MESH_POINTS,
    RIGHT_EYE,
    RIGHT_IRIS,
)
from faceswap.engine.mesh.eyes import OwnEyes
from faceswap.engine.mesh.light import Tone, smooth_step
from faceswap.engine.mesh.paste import (
    BARELY,
    FINE_GRID,
    LIGHT_GRID,
    Box,
    Maps,
    Rectangle,
    box_around,
    faded,
    light_of,
    remapped,
    rim_weights,
    softened,
    write,
)
from faceswap.engine.mesh.photo import skin_weights
from faceswap.engine.mesh.shape import eye_openness, gaze_apart, shape_offsets
from faceswap.engine.mesh.source import SourceFace, Texture
from faceswap.engine.planes import F32, Planes, as_f32
from faceswap.engine.swapper import Cover, FaceInFrame

_DISPLACED_RINGS = 3
"""The displacement of the mouth or of an eye fades over so many edges of the mesh around it."""
_LID_RINGS = 2
"""When an eye is closed, its lids come from the target, up to so many edges of the mesh away from the eye."""
_TURNED_AWAY = (78.0, 90.0)
"""The swap fades out between these degrees of yaw. The landmark model mostly loses a head before, at about 70
degrees. With smaller angles, the original's face would come back while the head still shows it."""

_GAZES_APART = (0.045, 0.11)
"""The target's own eyes replace those of the photo as the difference of gaze between source and target rises
from the first to the second, in widths of an eye. The photo's eyes can be turned only a little."""
_EYES_TURN = 0.5
"""Share of the remaining change between the photo's and the target's eyes that is made in each frame."""


@dataclass(slots=True)
class _TrackState:
    """What the swapper remembers of one tracked face."""

    offsets: F32
    visible: float | None = None
    own_eyes: float | None = None
    """How much of the target's own eyes is shown, 0..1. It rises when the source looks elsewhere."""
    tone: Tone = field(default_factory=Tone)


class Blender:
    """Swaps one source face onto any number of tracked faces. Not for use by two threads at once."""

    at_once = 1

    def __init__(self, source: SourceFace, mesh: FaceMesh) -> None:
        self._source = source
        self._mesh = mesh
        self._tracks: dict[int, _TrackState] = {}
        self._skin = skin_weights(mesh)
        self._rim = rim_weights(mesh)
        self._right_ring, self._left_ring = list(RIGHT_EYE), list(LEFT_EYE)
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
        """Begin to swap a face. `resting` is its resting shape, (468, 3) without pose."""
        self._tracks[track] = _TrackState(shape_offsets(self._mesh, self._source.neutral, resting))

    def drop_tracks(self, tracks: set[int]) -> None:
        for track in tracks:
            self._tracks.pop(track, None)

    def be_as_visible(self, track: int, other: Blender) -> None:
        """Take over how visible the swap of a track is, from the swapper that has just drawn it."""
        self._tracks[track].visible = other._tracks[track].visible

    def swap_all(self, faces: Sequence[FaceInFrame]) -> list[bool]:
        return [self.swap(face.planes, face.track, face.landmarks, face.cover) for face in faces]

    def swap(self, planes: Planes, track: int, landmarks: F32, cover: Cover | None = None) -> bool:
        """Write the source face over a face for which `meet` was called before.

        `planes` must be writable. Pixels outside the box around the face's oval stay as they are. Returns
        False if nothing was drawn because the face is turned away or tiny. The light is not measured where
        the face is covered.
        """
        state = self._tracks[track]
        pose = self._mesh.pose(landmarks)
        state.visible = faded(state.visible, pose.yaw, _TURNED_AWAY)
        shaped = landmarks[:MESH_POINTS] + pose.to_picture(state.offsets)
        box = box_around(planes, landmarks, shaped)
        if box is None or state.visible < BARELY:
            return False
        facing = self._mesh.normals @ pose.rotation[2]
        texture = self._source.texture(face_height(landmarks), planes.colour)
        own_eyes = smooth_step(gaze_apart(landmarks, self._source.landmarks), *_GAZES_APART)
        state.own_eyes = (
            own_eyes if state.own_eyes is None else state.own_eyes + _EYES_TURN * (own_eyes - state.own_eyes)
        )
        maps = self._maps(box, landmarks, shaped, facing, state, texture).uncovered(box, cover)
        target = planes.cut(box.x, box.y, box.width, box.height)
        coarse = self._source.coarse_texture(float(maps.skin.shape[0]), target.colour)
        write(target, maps, light_of(target, maps, texture, coarse, state.tone), texture, state.tone)
        return True

    def _maps(
        self, box: Box, landmarks: F32, shaped: F32, facing: F32, state: _TrackState, texture: Texture
    ) -> Maps:
        mesh, source = self._mesh, self._source
        visible, eyes_shown = state.visible or 0.0, 1 - (state.own_eyes or 0.0)
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
        seen = smooth_step(facing, 0.02, 0.30)
        values[:MESH_POINTS, 2] = self._rim * seen * visible
        for part, lids, now, then in zip(
            (mesh.right_eye, mesh.left_eye),
            self._lids,
            eye_openness(landmarks),
            source.eye_openness,
            strict=True,
        ):
            # A closed lid comes from the target, because the source's open eye does not show one.
            opened = smooth_step(now / max(then, 0.05), 0.30, 0.55)
            values[part, 2] = opened * visible * eyes_shown
            values[:MESH_POINTS, 2] *= 1 - (1 - opened) * lids
        fine = box.grid(FINE_GRID)
        drawn = draw(box.cells(vertices[:, :2], fine), vertices[:, 2], mesh.drawn, values, fine)
        x, y, alpha = cv2.split(drawn)
        usable = remapped(texture.validity, x, y)
        soft = softened(alpha, usable)

        values = self._coarse_values
        np.subtract(own[:, :2], vertices[:, :2], out=values[:, :2])
        values[:, :2] *= self._displacement
        coarse = box.grid(LIGHT_GRID)
        drawn = draw(box.cells(vertices[:, :2], coarse), vertices[:, 2], mesh.drawn, values, coarse)
        usable = cv2.resize(usable, coarse, interpolation=cv2.INTER_AREA)
        skin = cv2.multiply(drawn[..., 2], usable, scale=1 / 255, dtype=cv2.CV_32F)
        parts = tuple(opening.rectangle(vertices, box) for opening in self._openings)
        eyes = self._own_eyes(box, own, vertices, state) if eyes_shown < 1 else None
        return Maps(as_f32(x), as_f32(y), soft, drawn[..., :2], parts, as_f32(skin), eyes)

    def _own_eyes(self, box: Box, own: F32, vertices: F32, state: _TrackState) -> OwnEyes:
        places = [as_f32(points[:, :2] - np.array([box.x, box.y])) for points in (own, vertices)]
        seen, shown, source = (
            [points[part] for part in (self._mesh.right_eye, self._mesh.left_eye)]
            for points in (*places, self._source.texture_points)
        )
        return OwnEyes((state.own_eyes or 0.0) * (state.visible or 0.0), seen, shown, source)


def _near(mesh: FaceMesh, ring: Sequence[int], steps: int) -> F32:
    """(468,) weights: 1 on a ring of points, falling to 0 at a distance of `steps` edges."""
    return np.clip(1 - mesh.distance_from(ring) / steps, 0, 1).astype(np.float32)


class _Opening:
    """The mouth or the eyes: rings in the mesh inside which the target itself may be visible."""

    def __init__(self, mesh: FaceMesh, ring: Sequence[int]) -> None:
        self.weights = _near(mesh, ring, _DISPLACED_RINGS)
        """(468,) how much of the displacement applies to each point, 0..1."""
        self._reached = np.nonzero(self.weights)[0]

    def rectangle(self, vertices: F32, box: Box) -> Rectangle:
        """The rectangle around the displaced points, in pixels of the box. It includes the cells around them
        that interpolation reads.
        """
        points = vertices[self._reached, :2]
        (left, top), (right, bottom) = points.min(0).tolist(), points.max(0).tolist()
        cell = 2 * max(box.width, box.height) / LIGHT_GRID + 2
        return Rectangle(
            min(box.width, max(0, int(left - box.x - cell) & ~1)),
            min(box.height, max(0, int(top - box.y - cell) & ~1)),
            max(0, min(box.width, int(right - box.x + cell + 2) & ~1)),
            max(0, min(box.height, int(bottom - box.y + cell + 2) & ~1)),
        )
