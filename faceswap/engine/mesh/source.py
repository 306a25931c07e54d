"""The source face: its shape, its skin as a texture, and which parts of the photo can be used."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from faceswap.engine.face.landmarks import Found, Landmarker
from faceswap.engine.face.mesh import FaceMesh, Pose
from faceswap.engine.face.topology import MESH_POINTS
from faceswap.engine.mesh.frontal import bake
from faceswap.engine.mesh.photo import find_validity
from faceswap.engine.mesh.shape import eye_openness
from faceswap.engine.planes import U8, Planes, to_yuv
from faceswap.errors import NoFaceFound
from faceswap.media import Colour

_MARGIN = 0.15
"""Margin that is kept around the face, as a share of its longer side."""
_FULL_SIZE = 0.95


@dataclass(frozen=True, slots=True)
class Texture:
    """The face of the photo at one size: luma (H, W) and chroma (H, W, 2). Validity (H, W) is 255 where the
    texture can be used and 0 where it cannot.
    """

    scale: float
    luma: U8
    chroma: U8
    validity: U8


@dataclass(frozen=True, slots=True)
class SourcePhoto:
    """A photo and its largest face. `picture` is (H, W, 3) uint8 RGB with even sides, rotated so that the
    face is upright.
    """

    picture: U8
    found: Found
    faces: int
    """How many faces the photo shows."""


class SourceFace:
    """A face cut out of a photo. Not for use by two threads at once, because it keeps the last textures."""

    def __init__(self, picture: U8, found: Found, mesh: FaceMesh) -> None:
        """`picture` is (H, W, 3) uint8 RGB. `found` is the face in it, in its pixels."""
        landmarks = found.landmarks
        low, high = landmarks[:MESH_POINTS, :2].min(0), landmarks[:MESH_POINTS, :2].max(0)
        margin = _MARGIN * float((high - low).max())
        x0, y0 = np.maximum(0, low - margin).astype(int).tolist()
        x1, y1 = (high + margin + 1).astype(int).tolist()
        cut = picture[y0:y1, x0:x1]
        self.landmarks = landmarks - np.array([x0, y0, 0], np.float32)
        self.pose: Pose = mesh.pose(self.landmarks)
        self.neutral = self.pose.to_neutral(self.landmarks)
        self.eye_openness = eye_openness(self.landmarks)
        self._face = bake(cut, self.landmarks, find_validity(cut, self.landmarks, mesh), mesh, self.pose)
        self.texture_points = self._face.points
        """(V, 2) position of each extended vertex in the texture, 0..1."""
        self._fine: tuple[Colour, Texture] | None = None
        self._coarse: tuple[Colour, Texture] | None = None

    def texture(self, face_height: float, colour: Colour) -> Texture:
        """The photo, shrunk until its face is a little higher than `face_height` pixels; never enlarged."""
        self._fine = self._scaled(self._fine, face_height * 1.15, colour)
        return self._fine[1]

    def coarse_texture(self, face_height: float, colour: Colour) -> Texture:
        """The photo, shrunk until its face is about `face_height` pixels high, to measure light with it."""
        self._coarse = self._scaled(self._coarse, face_height, colour)
        return self._coarse[1]

    def _scaled(
        self, kept: tuple[Colour, Texture] | None, face_height: float, colour: Colour
    ) -> tuple[Colour, Texture]:
        wanted = min(1.0, max(0.02, face_height / self._face.height))
        if wanted > _FULL_SIZE:
            wanted = 1.0
        # When a head comes nearer, its texture must not change in every frame.
        if kept and kept[0] == colour and 0.75 < wanted / kept[1].scale < 1.33:
            return kept
        picture = self._face.picture
        if wanted < 1:
            picture = cv2.resize(picture, None, fx=wanted, fy=wanted, interpolation=cv2.INTER_AREA)
        rows, columns = picture.shape[:2]
        validity = np.asarray(cv2.resize(self._face.validity, (columns, rows)), np.uint8)
        return colour, Texture(wanted, *to_yuv(np.asarray(picture, np.uint8), colour), validity)


def around_face(photo: SourcePhoto) -> SourcePhoto:
    """The photo, cut down to the face and as much again on each side of it: more than any engine looks at."""
    landmarks = photo.found.landmarks
    low, high = landmarks[:MESH_POINTS, :2].min(0), landmarks[:MESH_POINTS, :2].max(0)
    reach = float((high - low).max())
    x0, y0 = (np.maximum(0, low - reach).astype(int) & ~1).tolist()
    x1, y1 = ((high + reach).astype(int) & ~1).tolist()
    cut = np.ascontiguousarray(photo.picture[y0:y1, x0:x1])
    moved = landmarks - np.array([x0, y0, 0], np.float32)
    return replace(photo, picture=cut, found=replace(photo.found, landmarks=moved))


def find_source_photo(picture: U8, landmarker: Landmarker) -> SourcePhoto:
    """Find the largest face of a photo, (H, W, 3) uint8 RGB.

    If there is none, a border is added around the photo, because a face may fill it. Then the photo is
    rotated in quarter turns, because a face may lie on its side.

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
