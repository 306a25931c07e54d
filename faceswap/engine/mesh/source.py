"""The face to put in: its shape, its skin as a texture, and which parts of the photo can be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import overload

import cv2
import numpy as np

from faceswap.engine.face.landmarks import Found, Landmarker
from faceswap.engine.face.mesh import FaceMesh, Pose
from faceswap.engine.face.topology import LIPS_INNER, LIPS_OUTER, MESH_POINTS
from faceswap.engine.mesh.photo import find_validity, mend
from faceswap.engine.mesh.shape import eye_openness
from faceswap.engine.planes import F32, U8, Planes, as_f32, to_yuv
from faceswap.errors import NoFaceFound
from faceswap.media import Colour

_MARGIN = 0.15
"""Of the face's longer side, kept around it."""
_LIPS_INSET = 0.35
"""Of the width of a lip, left out at its inner rim."""
_FULL_SIZE = 0.95


@overload
def smooth_step(value: float, low: float, high: float) -> float: ...
@overload
def smooth_step(value: F32, low: float, high: float) -> F32: ...
def smooth_step(value: float | F32, low: float, high: float) -> float | F32:
    """0 below `low`, 1 above `high`, smooth between; falls when `low` > `high`."""
    if isinstance(value, float):
        share = min(1.0, max(0.0, (value - low) / (high - low)))
        return share * share * (3 - 2 * share)
    shares = as_f32(np.clip((value - low) / (high - low), 0, 1))
    return shares * shares * (3 - 2 * shares)


@dataclass(frozen=True, slots=True)
class Texture:
    """The photo's face at one size: luma (H, W), chroma (H, W, 2), and 255 where it may be used (H, W)."""

    scale: float
    luma: U8
    chroma: U8
    validity: U8


@dataclass(frozen=True, slots=True)
class SourcePhoto:
    """(H, W, 3) RGB with even sides, turned so that its largest face is upright, and that face."""

    picture: U8
    found: Found
    faces: int
    """How many it shows."""


class SourceFace:
    """A face cut out of a photo. Not for use by two threads at once: it keeps the textures last used."""

    def __init__(self, picture: U8, found: Found, mesh: FaceMesh) -> None:
        """`picture` is (H, W, 3) RGB; `found` in its pixels."""
        landmarks = found.landmarks
        low, high = landmarks[:MESH_POINTS, :2].min(0), landmarks[:MESH_POINTS, :2].max(0)
        margin = _MARGIN * float((high - low).max())
        x0, y0 = np.maximum(0, low - margin).astype(int).tolist()
        x1, y1 = (high + margin + 1).astype(int).tolist()
        cut = picture[y0:y1, x0:x1]
        self.landmarks = landmarks - np.array([x0, y0, 0], np.float32)
        self.height = found.height
        self.pose: Pose = mesh.pose(self.landmarks)
        self.neutral = self.pose.to_neutral(self.landmarks)
        self.eye_openness = eye_openness(self.landmarks)
        facing = smooth_step(as_f32(mesh.normals @ self.pose.rotation[2]), 0.02, 0.25)
        validity = find_validity(cut, self.landmarks, mesh)
        self._picture, self.facing, self.validity = mend(cut, self.landmarks, facing, validity, mesh)
        """`facing` is (468,) 0 where the photo sees the skin edge-on or not at all."""
        rows, columns = cut.shape[:2]
        points = (mesh.extend(_without_teeth(self.landmarks))[:, :2] + 0.5) / np.array([columns, rows])
        self.texture_points: F32 = points.clip(0, 1).astype(np.float32)
        """(V, 2) where each extended vertex lies in the texture, 0..1."""
        self._fine: tuple[Colour, Texture] | None = None
        self._coarse: tuple[Colour, Texture] | None = None

    def texture(self, face_height: float, colour: Colour) -> Texture:
        """The photo scaled so that its face is a little larger than `face_height` px, never enlarged."""
        self._fine = self._scaled(self._fine, face_height * 1.15, colour)
        return self._fine[1]

    def coarse_texture(self, face_height: float, colour: Colour) -> Texture:
        """The same for the small grid on which light is compared."""
        self._coarse = self._scaled(self._coarse, face_height, colour)
        return self._coarse[1]

    def _scaled(
        self, kept: tuple[Colour, Texture] | None, face_height: float, colour: Colour
    ) -> tuple[Colour, Texture]:
        wanted = min(1.0, max(0.02, face_height / self.height))
        if wanted > _FULL_SIZE:
            wanted = 1.0
        # A head that comes nearer must not change its texture with every frame.
        if kept and kept[0] == colour and 0.75 < wanted / kept[1].scale < 1.33:
            return kept
        picture = self._picture
        if wanted < 1:
            picture = cv2.resize(picture, None, fx=wanted, fy=wanted, interpolation=cv2.INTER_AREA)
        rows, columns = picture.shape[:2]
        validity = np.asarray(cv2.resize(self.validity, (columns, rows)), np.uint8)
        return colour, Texture(wanted, *to_yuv(np.asarray(picture, np.uint8), colour), validity)


def _without_teeth(landmarks: F32) -> F32:
    """The inner rim of the lips is found to a pixel or so; from a smile, teeth would get on closed lips."""
    inner, outer = list(LIPS_INNER), list(LIPS_OUTER)
    moved = landmarks.copy()
    moved[inner] += _LIPS_INSET * (landmarks[outer] - landmarks[inner])
    return moved


def find_source_photo(picture: U8, landmarker: Landmarker) -> SourcePhoto:
    """A photo, (H, W, 3) RGB, as it shows its largest face best.

    A face that fills the photo is looked for with a border around it, and one that lies on its side in the
    photo turned by quarters.

    Raises:
        NoFaceFound: role "source".
    """
    border = picture.shape[0] // 2
    padded = cv2.copyMakeBorder(picture, border, border, border, border, cv2.BORDER_REPLICATE)
    turned = (np.ascontiguousarray(np.rot90(picture, quarters)) for quarters in (1, 3, 2))
    for view in (picture, np.asarray(padded, np.uint8), *turned):
        even = view[: view.shape[0] & ~1, : view.shape[1] & ~1]
        if min(even.shape[:2]) < 16:
            continue
        faces = landmarker.find_all(Planes.from_rgb(even))
        if faces:
            return SourcePhoto(even, faces[0], len(faces))
    raise NoFaceFound(role="source")
