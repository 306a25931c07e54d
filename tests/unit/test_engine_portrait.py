"""A source photo is judged. The faults are drawn into a packaged portrait that has none."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from faceswap.engine.face.found import SourceNote
from faceswap.engine.face.landmarks import Landmarker
from faceswap.engine.face.mesh import FaceMesh
from faceswap.engine.face.topology import FOREHEAD_TOP, LEFT_EYE, NOSE_BASE, RIGHT_EYE
from faceswap.engine.mesh.portrait import look_at
from faceswap.engine.mesh.source import find_source_photo
from faceswap.engine.planes import U8, as_u8
from faceswap.media import Limits, read_picture
from tests.media import skimage_file
from tests.turned import Face, turned, with_open_mouth

LEFT_CHEEK = 454
"""A point of the oval, level with the nose."""


@pytest.fixture(scope="module")
def face(other_portrait: Path, landmark_model: Path) -> Face:
    photo = find_source_photo(read_picture(other_portrait, Limits()), Landmarker(landmark_model))
    return Face(photo.picture, photo.found.landmarks)


def notes(picture: U8, model: Path) -> tuple[SourceNote, ...]:
    return look_at(picture, model).notes


def test_a_good_portrait_has_no_notes(face: Face, landmark_model: Path) -> None:
    assert notes(face.picture, landmark_model) == ()


def test_a_turned_face(face: Face, landmark_model: Path) -> None:
    mesh = FaceMesh(landmark_model)
    assert "source_turned" in notes(turned(face, mesh, 40).picture, landmark_model)
    assert "source_turned" not in notes(turned(face, mesh, 10).picture, landmark_model)


def test_a_small_face(face: Face, landmark_model: Path) -> None:
    small = as_u8(cv2.resize(face.picture, None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA))
    assert notes(small, landmark_model) == ("source_small",)


def test_light_from_one_side(face: Face, landmark_model: Path) -> None:
    middle = float(face.landmarks[NOSE_BASE, 0])
    across = 1 / (1 + np.exp(-(np.arange(face.picture.shape[1]) - middle) / 14))
    lit = (face.picture * (0.3 + 0.7 * across)[None, :, None]).astype(np.uint8)
    assert notes(lit, landmark_model) == ("source_lit_from_side",)


def test_glasses(face: Face, landmark_model: Path) -> None:
    picture = face.picture.copy()
    width = float(np.linalg.norm(face.landmarks[RIGHT_EYE[0], :2] - face.landmarks[LEFT_EYE[0], :2]))
    middles = [face.landmarks[list(ring), :2].mean(0) for ring in (RIGHT_EYE, LEFT_EYE)]
    for middle in middles:
        cv2.circle(picture, middle.astype(int).tolist(), int(0.22 * width), (30, 25, 25), 3, cv2.LINE_AA)
    ends = [
        middles[0] + 0.22 * (middles[1] - middles[0]) * 1.6,
        middles[1] - 0.22 * (middles[1] - middles[0]) * 1.6,
    ]
    cv2.line(
        picture, ends[0].astype(int).tolist(), ends[1].astype(int).tolist(), (30, 25, 25), 3, cv2.LINE_AA
    )
    assert "source_glasses" in notes(picture, landmark_model)


def test_hair_over_the_face(face: Face, landmark_model: Path) -> None:
    picture = face.picture.copy()
    forehead, cheek = face.landmarks[[FOREHEAD_TOP, LEFT_CHEEK], :2]
    across = cheek[0] - forehead[0]
    offsets = np.array([[-0.5 * across, -30], [across, -30], [20, 30], [-0.5 * across, 0]])
    strand = np.array([forehead, forehead, cheek, cheek]) + offsets
    cv2.fillConvexPoly(picture, strand.astype(np.int32), (25, 20, 18))
    assert "source_covered" in notes(picture, landmark_model)


def test_an_open_mouth(face: Face, landmark_model: Path) -> None:
    assert "source_mouth_open" in notes(with_open_mouth(face), landmark_model)


def test_cells_under_a_microscope_are_no_human_face(landmark_model: Path) -> None:
    """The face detector finds a face in this picture, and the landmark model is sure of it."""
    seen = look_at(read_picture(skimage_file("cell.png"), Limits()), landmark_model)
    assert len(seen.faces) > 0
    assert seen.notes == ("source_not_human",)


def test_the_people_of_a_group_are_human(group_photo: Path, landmark_model: Path) -> None:
    assert "source_not_human" not in notes(read_picture(group_photo, Limits()), landmark_model)
