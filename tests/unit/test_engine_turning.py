"""A target that turns its head away keeps the source's face: the original's face never comes back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from faceswap.engine.face.landmarks import Landmarker
from faceswap.engine.face.mesh import FaceMesh
from faceswap.engine.face.topology import OVAL
from faceswap.engine.mesh.blend import Blender
from faceswap.engine.mesh.source import SourceFace, find_source_photo
from faceswap.engine.planes import Planes
from faceswap.media import Limits, read_picture
from tests.turned import GREEN, Face, turned


@pytest.fixture(scope="module")
def target(portrait: Path, landmark_model: Path) -> Face:
    photo = find_source_photo(read_picture(portrait, Limits()), Landmarker(landmark_model))
    return Face(photo.picture, photo.found.landmarks)


@pytest.fixture(scope="module")
def mesh(landmark_model: Path) -> FaceMesh:
    return FaceMesh(landmark_model)


@pytest.fixture(scope="module")
def source(other_portrait: Path, landmark_model: Path, mesh: FaceMesh) -> SourceFace:
    photo = find_source_photo(read_picture(other_portrait, Limits()), Landmarker(landmark_model))
    return SourceFace(photo.picture, photo.found, mesh)


@pytest.mark.parametrize("degrees", [-70, -55, 55, 70])
def test_a_head_that_turns_away_keeps_the_source_s_face(
    target: Face, source: SourceFace, mesh: FaceMesh, degrees: float
) -> None:
    blender = Blender(source, mesh)
    blender.meet(0, mesh.pose(target.landmarks).to_neutral(target.landmarks))
    change = [
        _change(blender, turned(target, mesh, share * degrees))
        for share in (0.4, 0.6, 0.8, 0.9, 0.95, 1, 1, 1)
    ]
    assert change[-1] > 0.6 * change[0]


def _change(blender: Blender, face: Face) -> float:
    """Mean change of luma by the swap, over the visible face."""
    planes = Planes.from_rgb(face.picture)
    before = planes.y.astype(np.float32)
    assert blender.swap(planes, 0, face.landmarks)
    return float(np.abs(planes.y - before)[(face.picture != GREEN).any(2)].mean())


@pytest.mark.parametrize("degrees", [-65, 65])
def test_the_nose_beyond_the_oval_is_swapped(
    target: Face, source: SourceFace, mesh: FaceMesh, degrees: float
) -> None:
    blender = Blender(source, mesh)
    blender.meet(0, mesh.pose(target.landmarks).to_neutral(target.landmarks))
    face = turned(target, mesh, degrees)
    planes = Planes.from_rgb(face.picture)
    before = planes.y.copy()
    assert blender.swap(planes, 0, face.landmarks)
    oval = face.landmarks[list(OVAL), 0]
    beyond = (face.picture != GREEN).any(2)
    beyond[:, int(oval.min()) : int(oval.max()) + 1] = False
    assert beyond.sum() > 100
    assert (planes.y != before)[beyond].mean() > 0.7
