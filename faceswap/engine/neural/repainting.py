"""The neural engine: a network repaints the face, and the mesh engine does all other steps.

Landmarks and tracking find the face. The network takes the aligned face and returns the source's face in the
same pose and light. The code of the mesh engine then pastes this picture: it uses the soft mask of the mesh
and matches the light of the frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from faceswap.engine.face.align import aligned
from faceswap.engine.face.mesh import FaceMesh, Pose, draw
from faceswap.engine.face.topology import MESH_POINTS
from faceswap.engine.mesh.light import Tone, smooth_step
from faceswap.engine.mesh.paste import (
    BARELY,
    FINE_GRID,
    LIGHT_GRID,
    Box,
    Maps,
    box_around,
    faded,
    light_of,
    remapped,
    rim_weights,
    softened,
    write,
)
from faceswap.engine.mesh.photo import skin_weights
from faceswap.engine.mesh.source import Texture
from faceswap.engine.neural.cells import cells_in_crop
from faceswap.engine.neural.networks import Network
from faceswap.engine.planes import F32, U8, Planes, Region, as_f32, as_u8, to_yuv
from faceswap.engine.swapper import BatchSwapper, FaceInFrame, FaceSwapper, swap_together
from faceswap.media import Colour

_TURNED_AWAY = (60.0, 80.0)
"""Degrees of yaw over which the repainting fades out. The mesh engine fades out earlier, because a network
shows a profile better than one photo can."""
_EDGE = (1 / 64, 1 / 16)
"""The picture of a network fades in over this range of distances from its edge, as fractions of its side: a
network is least exact at the edge."""
_DENSER = 1.6
"""Along one side, a texture has at most this many pixels for each pixel of the frame."""


@dataclass(slots=True)
class _TrackState:
    visible: float | None = None
    identity: F32 | None = None
    """What the network gets, if each track has its own."""
    tone: Tone = field(default_factory=Tone)


@dataclass(frozen=True, slots=True)
class _Aligned:
    """A face that is going to be repainted."""

    box: Box
    region: Region
    picture: U8
    pose: Pose
    visible: float


class Repainter:
    """Repaints any number of tracked faces with one network. Two threads must not use it at the same time."""

    def __init__(
        self,
        network: Network,
        mesh: FaceMesh,
        identity: F32 | Callable[[Planes, F32], F32] | None = None,
        *,
        share: float = 1.0,
    ) -> None:
        """`identity` is what a swapper gets to describe the person, or a function that makes it for each
        track from the planes and landmarks of its first frame. `share` is the share of the network's picture
        in the result, 0..1; the rest is what was there.
        """
        self._network, self._mesh, self._identity, self._share = network, mesh, identity, share
        self.at_once = network.at_once
        self._tracks: dict[int, _TrackState] = {}
        self._rim, self._skin = rim_weights(mesh), skin_weights(mesh)
        self._edge = _edge(network.contract.result_size)

    def knows(self, track: int) -> bool:
        return track in self._tracks

    def meet(self, track: int, resting: F32) -> None:
        self._tracks[track] = _TrackState()

    def drop_tracks(self, tracks: set[int]) -> None:
        for track in tracks:
            self._tracks.pop(track, None)

    def swap(self, planes: Planes, track: int, landmarks: F32) -> bool:
        return self.swap_all([FaceInFrame(planes, track, landmarks)])[0]

    def swap_all(self, faces: Sequence[FaceInFrame]) -> list[bool]:
        """Repaint faces of one or several frames, and return for each face whether it was changed.

        `meet` must have been called for the track of each face.
        """
        views = [self._aligned(face) for face in faces]
        seen = [(face, view) for face, view in zip(faces, views, strict=True) if view is not None]
        painted = self._network([view.picture for _, view in seen], self._identities(seen))
        for (face, view), picture in zip(seen, painted, strict=True):
            self._paste(face, view, picture)
        return [view is not None for view in views]

    def _identities(self, seen: Sequence[tuple[FaceInFrame, _Aligned]]) -> F32 | Sequence[F32] | None:
        if not callable(self._identity):
            return self._identity
        found: list[F32] = []
        for face, _ in seen:
            state = self._tracks[face.track]
            if state.identity is None:
                state.identity = self._identity(face.planes, face.landmarks)
            found.append(state.identity)
        return found

    def _aligned(self, face: FaceInFrame) -> _Aligned | None:
        """The face as the network takes it; None when the face is turned away or too small to repaint."""
        state, pose = self._tracks[face.track], self._mesh.pose(face.landmarks)
        state.visible = faded(state.visible, pose.yaw, _TURNED_AWAY)
        box = box_around(face.planes, face.landmarks)
        if box is None or state.visible < BARELY:
            return None
        contract = self._network.contract
        region = aligned(face.landmarks, contract.template)
        return _Aligned(box, region, face.planes.crop_colours(region, contract.size), pose, state.visible)

    def _paste(self, face: FaceInFrame, view: _Aligned, picture: U8) -> None:
        box = view.box
        target = face.planes.cut(box.x, box.y, box.width, box.height)
        texture = self._texture(picture, view.region.side * _DENSER, target.colour)
        maps = self._maps(face.landmarks, view, texture).uncovered(box, face.cover)
        density = maps.skin.shape[1] / box.width
        coarse = self._texture(picture, view.region.side * density, target.colour)
        tone = self._tracks[face.track].tone
        write(target, maps, light_of(target, maps, texture, coarse, tone), texture)

    def _texture(self, picture: U8, side: float, colour: Colour) -> Texture:
        """The picture scaled down to about `side` pixels a side, without aliasing. It is never enlarged."""
        size = len(picture)
        scale = min(1.0, max(16.0, side) / size)
        edge = self._edge
        if scale < 0.95:
            small = (round(size * scale), round(size * scale))
            picture = as_u8(cv2.resize(picture, small, interpolation=cv2.INTER_AREA))
            edge = as_u8(cv2.resize(edge, small, interpolation=cv2.INTER_AREA))
        return Texture(scale, *to_yuv(picture, colour), edge)

    def _maps(self, landmarks: F32, view: _Aligned, texture: Texture) -> Maps:
        """The maps of the mesh engine, without displacement: the network paints lips, teeth and lids."""
        mesh, box = self._mesh, view.box
        vertices = mesh.extend(landmarks)
        facing = smooth_step(as_f32(mesh.normals @ view.pose.rotation[2]), 0.02, 0.30)
        alpha = self._share * view.visible
        values = np.full((len(vertices), 3), alpha, np.float32)
        values[:MESH_POINTS, 0] = self._rim * facing * alpha
        values[mesh.skirt, 0] = 0
        fine = box.grid(FINE_GRID)
        drawn = draw(box.cells(vertices[:, :2], fine), vertices[:, 2], mesh.drawn, values, fine)
        x, y = cells_in_crop(box, view.region, fine, self._network.contract.result_size, len(texture.luma))
        usable = remapped(texture.validity, x, y)

        values[:, 0] = 0
        values[:MESH_POINTS, 0] = self._skin
        coarse = box.grid(LIGHT_GRID)
        skin = draw(box.cells(vertices[:, :2], coarse), vertices[:, 2], mesh.drawn, values, coarse)[..., 0]
        seen = cv2.resize(usable, coarse, interpolation=cv2.INTER_AREA)
        skin = as_f32(cv2.multiply(skin, seen, scale=1 / 255, dtype=cv2.CV_32F))
        nowhere = np.zeros((*skin.shape, 2), np.float32)
        return Maps(x, y, softened(drawn[..., 0], usable), nowhere, (), skin)


class Enhancing:
    """Runs a `FaceSwapper`, then an enhancer network that makes each swapped face sharper."""

    def __init__(self, swapper: FaceSwapper, enhancer: Repainter) -> None:
        self._swapper, self._enhancer = swapper, enhancer
        inner = swapper.at_once if isinstance(swapper, BatchSwapper) else 1
        self.at_once = max(inner, enhancer.at_once)

    def knows(self, track: int) -> bool:
        return self._swapper.knows(track)

    def meet(self, track: int, resting: F32) -> None:
        self._swapper.meet(track, resting)
        self._enhancer.meet(track, resting)

    def drop_tracks(self, tracks: set[int]) -> None:
        self._swapper.drop_tracks(tracks)
        self._enhancer.drop_tracks(tracks)

    def swap(self, planes: Planes, track: int, landmarks: F32) -> bool:
        return self.swap_all([FaceInFrame(planes, track, landmarks)])[0]

    def swap_all(self, faces: Sequence[FaceInFrame]) -> list[bool]:
        done = swap_together(self._swapper, faces)
        self._enhancer.swap_all([face for face, changed in zip(faces, done, strict=True) if changed])
        return done


def _edge(size: int) -> U8:
    """(S, S) uint8: 255 inside, 0 at the edge."""
    distance = np.minimum(np.arange(size), np.arange(size)[::-1]).astype(np.float32) / size
    inside = smooth_step(as_f32(distance), *_EDGE)
    return as_u8(np.rint(255 * np.minimum(inside[:, None], inside)))
