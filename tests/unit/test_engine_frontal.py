"""A photo of a turned face becomes the same texture as a photo of the face from the front.

The turned photos are made from a packaged portrait: it is drawn on the mesh of its own face, which is turned
before a green background. So the background is known by its colour.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from faceswap.engine.face.landmarks import Landmarker
from faceswap.engine.face.mesh import FaceMesh, draw
from faceswap.engine.face.topology import LEFT_BROW, MESH_POINTS, NOSE, RIGHT_BROW
from faceswap.engine.mesh.frontal import FaceTexture, bake
from faceswap.engine.mesh.photo import find_validity
from faceswap.engine.mesh.source import find_source_photo
from faceswap.engine.planes import U8, Planes
from faceswap.media import Limits, read_picture
from tests.turned import Face, turned


@pytest.fixture(scope="module")
def mesh(landmark_model: Path) -> FaceMesh:
    return FaceMesh(landmark_model)


@pytest.fixture(scope="module")
def landmarker(landmark_model: Path) -> Landmarker:
    return Landmarker(landmark_model)


@pytest.fixture(scope="module")
def face(portrait: Path, landmarker: Landmarker) -> Face:
    photo = find_source_photo(read_picture(portrait, Limits()), landmarker)
    return Face(photo.picture, photo.found.landmarks)


def baked(picture: U8, mesh: FaceMesh, landmarker: Landmarker) -> FaceTexture:
    """The texture, with the landmarks that are found in the photo: they are not exact."""
    (found,) = landmarker.find_all(Planes.from_rgb(picture))
    validity = find_validity(picture, found.landmarks, mesh)
    return bake(picture, found.landmarks, validity, mesh, mesh.pose(found.landmarks))


def shown(texture: FaceTexture, mesh: FaceMesh) -> npt.NDArray[np.bool_]:
    """(S, S) the part of a texture that a swap shows."""
    side = texture.picture.shape[0]
    values = np.zeros((len(mesh.extended), 3), np.float32)
    values[:MESH_POINTS, 0] = mesh.rings >= 1
    depths = np.zeros(len(mesh.extended), np.float32)
    inner = draw(texture.points * np.float32(side), depths, mesh.drawn, values, (side, side))[..., 0] > 0.5
    return inner & (cv2.resize(texture.validity, (side, side)) > 100)


def test_a_brow_that_hair_covers_in_part_is_left_out_whole(
    other_portrait: Path, landmarker: Landmarker, mesh: FaceMesh
) -> None:
    """The fringe reaches over the outer half of one brow. The other brow stays."""
    photo = find_source_photo(read_picture(other_portrait, Limits()), landmarker)
    picture, landmarks = photo.picture.copy(), photo.found.landmarks
    brows = [landmarks[list(ring), :2] for ring in (RIGHT_BROW, LEFT_BROW)]
    middle, low = brows[1].mean(0), brows[1].max(0)
    picture[: int(low[1]) + 2, int(middle[0]) : int(low[0]) + 40] = (25, 20, 18)
    validity = find_validity(picture, landmarks, mesh)
    zoom = validity.shape[1] / picture.shape[1]
    shares: list[float] = []
    for brow in brows:
        place = np.zeros(validity.shape, np.uint8)
        cv2.fillConvexPoly(place, cv2.convexHull((brow * zoom).round().astype(np.int32)), 1)
        shares.append(float(validity[place > 0].mean()) / 255)
    assert shares[0] > 0.95
    assert shares[1] < 0.25  # the edge is soft


@pytest.mark.parametrize("degrees", [-40, -30, -20, 20, 30, 40])
def test_a_turned_photo_shows_no_background(
    face: Face, mesh: FaceMesh, landmarker: Landmarker, degrees: float
) -> None:
    texture = baked(turned(face, mesh, degrees).picture, mesh, landmarker)
    red, green, blue = (texture.picture[..., plane].astype(int) for plane in range(3))
    seen = shown(texture, mesh)
    greenish = green > np.maximum(red, blue) + 20
    assert seen.mean() > 0.3
    assert (greenish & seen).sum() < 0.005 * seen.sum()


@pytest.mark.parametrize("degrees", [-40, -30, 30, 40])
def test_a_turned_photo_gives_the_face_one_nose(
    face: Face, mesh: FaceMesh, landmarker: Landmarker, degrees: float
) -> None:
    """The far half of the nose mirrors the near half. It has no nostril or edge of its own beside it."""
    texture = baked(turned(face, mesh, degrees).picture, mesh, landmarker)
    side = texture.picture.shape[0]
    points = texture.points[list(NOSE)] * side
    (left, top), (right, bottom) = points.min(0).astype(int), points.max(0).astype(int)
    luma = cv2.cvtColor(texture.picture[top:bottom, left:right], cv2.COLOR_RGB2GRAY).astype(np.float32)
    details = luma - cv2.GaussianBlur(luma, (0, 0), 0.3 * (bottom - top))
    half = details.shape[1] // 2
    alike = np.corrcoef(details[:, :half].ravel(), details[:, ::-1][:, :half].ravel())[0, 1]
    assert alike > 0.8


def test_a_photo_from_the_front_keeps_both_its_halves(
    face: Face, mesh: FaceMesh, landmarker: Landmarker
) -> None:
    """The parting and the light of this portrait come from one side. Mirroring would lose that."""
    texture = baked(face.picture, mesh, landmarker)
    seen = shown(texture, mesh)
    difference = np.abs(texture.picture.astype(int) - texture.picture[:, ::-1].astype(int)).mean(2)
    assert difference[seen & seen[:, ::-1]].mean() > 8
