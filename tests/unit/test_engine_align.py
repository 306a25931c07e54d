"""Alignment and embedding give the values that were calculated by hand."""

from __future__ import annotations

import cmath
import math
from pathlib import Path

import numpy as np
import pytest

from faceswap.engine.face.align import ARCFACE_112, ARCFACE_128, FFHQ, GHOST, Template, aligned
from faceswap.engine.face.landmarks import Found
from faceswap.engine.mesh.source import SourcePhoto
from faceswap.engine.neural.graphs import Graph
from faceswap.engine.neural.networks import Identity, embedding
from faceswap.engine.neural.providers import CPU
from faceswap.engine.neural.weights import WeightsFile, read_weights_folder
from faceswap.engine.planes import F32
from tests import graphs

pytestmark = pytest.mark.long

EYES, OTHERS = ((33, 133), (362, 263)), (1, 61, 291)
RAISED = 0.065


def face_at(points: list[complex]) -> F32:
    """Return (478, 3) landmarks. All are 0 except those that alignment uses."""
    landmarks = np.zeros((478, 3), np.float32)
    width = 0.4 * (points[1] - points[0])
    places = dict(zip(OTHERS, points[2:], strict=True))
    for (left, right), middle in zip(EYES, points[:2], strict=True):
        corners = middle + RAISED * 1j * width
        places |= {left: corners - width / 2, right: corners + width / 2}
    for number, point in places.items():
        landmarks[number, :2] = point.real, point.imag
    return landmarks


@pytest.mark.parametrize(
    ("template", "size"), [(ARCFACE_112, 112), (ARCFACE_128, 128), (GHOST, 256), (FFHQ, 512)]
)
@pytest.mark.parametrize(
    ("scale", "degrees", "shift"), [(1, 0, 0), (2.5, 0, 30 + 7j), (0.4, 90, 5), (3, -37, 200 + 90j)]
)
def test_a_face_that_is_the_template_moved_is_found_where_it_was_moved_to(
    template: Template, size: int, scale: float, degrees: float, shift: complex
) -> None:
    turn = cmath.rect(scale, math.radians(degrees))
    region = aligned(face_at([turn * size * point + shift for point in template.points]), template)
    centre = turn * size * (0.5 + 0.5j) + shift
    assert (region.x, region.y) == pytest.approx((centre.real, centre.imag), abs=0.01)
    assert region.side == pytest.approx(size * scale, rel=1e-4)
    assert region.angle == pytest.approx(math.radians(degrees), abs=1e-4)
    corner = region.to_picture(size) @ np.array([0, 0, 1])
    assert corner == pytest.approx([shift.real, shift.imag], abs=0.02)


def test_the_templates_are_those_that_the_networks_were_trained_with() -> None:
    assert [112 * point for point in ARCFACE_112.points] == pytest.approx(
        [38.2946 + 51.6963j, 73.5318 + 51.5014j, 56.0252 + 71.7366j, 41.5493 + 92.3655j, 70.7299 + 92.2041j]
    )
    assert [128 * point - 8 for point in ARCFACE_128.points] == pytest.approx(
        [112 * point for point in ARCFACE_112.points]
    )


def test_points_that_fit_no_similarity_are_met_in_the_least_squares() -> None:
    """The result equals numpy's solution for a, b, c, d in x' = ax - by + c, y' = bx + ay + d."""
    points = [10 + 12j, 31 + 9j, 22 + 25j, 13 + 33j, 29 + 37j]
    rows = [row for p in points for row in ([p.real, -p.imag, 1, 0], [p.imag, p.real, 0, 1])]
    wanted = [part for t in ARCFACE_112.points for part in (112 * t.real, 112 * t.imag)]
    (a, b, c, d), *_ = np.linalg.lstsq(np.array(rows), np.array(wanted), rcond=None)
    region = aligned(face_at(points), ARCFACE_112)
    to_picture = np.vstack([region.to_picture(112), [0, 0, 1]])
    assert np.linalg.inv(to_picture)[:2] == pytest.approx(np.array([[a, -b, c], [b, a, d]]), abs=1e-3)


def test_the_gaze_does_not_move_the_picture() -> None:
    landmarks = face_at([112 * point for point in ARCFACE_112.points])
    ahead = aligned(landmarks, ARCFACE_112)
    for iris in (468, 473):
        landmarks[iris, :2] = 60, 40
    assert aligned(landmarks, ARCFACE_112) == ahead


def test_points_on_one_spot_are_no_division_by_zero() -> None:
    assert aligned(face_at([5 + 5j] * 5), ARCFACE_112).side == 1


class TestIdentity:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        graphs.embedder(tmp_path / graphs.EMBEDDER)
        graphs.inswapper(tmp_path / graphs.INSWAPPER)
        graphs.crossface(tmp_path / graphs.CROSSFACE)
        return tmp_path

    def file(self, folder: Path, name: str) -> WeightsFile:
        return next(file for file in read_weights_folder(folder).files if file.path.name == name)

    def test_the_embedding_of_a_face_is_what_the_graph_makes_of_its_aligned_colours(
        self, folder: Path
    ) -> None:
        """The photo is already aligned. The graph takes the means of squares of 16 px."""
        random = np.random.default_rng(3)
        luma = random.integers(60, 200, (7, 7)).repeat(16, 0).repeat(16, 1).astype(np.uint8)
        picture = np.dstack([luma] * 3)
        landmarks = face_at([112 * point for point in ARCFACE_112.points])
        photo = SourcePhoto(picture, Found(landmarks, 1.0), 1)
        found = embedding(Graph(self.file(folder, graphs.EMBEDDER), CPU), photo)
        means = (luma[::16, ::16].astype(np.float32) - 127.5) / 127.5
        expected = np.concatenate([means.ravel()] * 3) @ graphs.embedder_matrix()
        assert found == pytest.approx(expected, abs=0.02)

    def test_red_comes_first(self, folder: Path) -> None:
        picture = np.zeros((112, 112, 3), np.uint8)
        picture[..., 0] = 255
        landmarks = face_at([112 * point for point in ARCFACE_112.points])
        found = embedding(
            Graph(self.file(folder, graphs.EMBEDDER), CPU), SourcePhoto(picture, Found(landmarks, 1.0), 1)
        )
        expected = np.concatenate([np.full(49, 1.0), np.full(98, -1.0)]) @ graphs.embedder_matrix()
        assert found == pytest.approx(expected, abs=0.05)

    def test_inswapper_gets_the_direction_projected_and_of_length_one(self, folder: Path) -> None:
        file = self.file(folder, graphs.INSWAPPER)
        constant = file.signature.last_constant
        assert constant is not None
        projection = constant.read(file.path)
        assert (projection == graphs.projection()).all()
        face = np.arange(512, dtype=np.float32)
        embedder = Graph(self.file(folder, graphs.EMBEDDER), CPU)
        told = Identity("projected", embedder, projection=projection * 7).from_embedding(face)
        by_hand = face / math.sqrt(sum(number**2 for number in range(512))) @ graphs.projection()
        assert told == pytest.approx(by_hand, abs=1e-5)
        assert np.linalg.norm(told) == pytest.approx(1)

    def test_hyperswap_gets_the_direction_and_ghost_what_its_converter_makes_of_the_whole(
        self, folder: Path
    ) -> None:
        face = np.full(512, 2, np.float32)
        embedder = Graph(self.file(folder, graphs.EMBEDDER), CPU)
        assert Identity("normalised", embedder).from_embedding(face) == pytest.approx(
            np.full(512, 1 / math.sqrt(512))
        )
        converter = Graph(self.file(folder, graphs.CROSSFACE), CPU)
        assert (Identity("converted", embedder, converter).from_embedding(face) == 7).all()
