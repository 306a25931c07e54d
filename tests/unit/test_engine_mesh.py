"""The canonical face, its pose, and the drawing of meshes."""

import math
from pathlib import Path

import numpy as np
import pytest

from faceswap.engine.face.mesh import FaceMesh, draw
from faceswap.engine.face.topology import LEFT_EYE, LIPS_INNER, LIPS_OUTER, MESH_POINTS, OVAL, RIGHT_EYE
from faceswap.engine.mesh.shape import eye_openness, mouth_openness, resting_shape, shape_offsets


@pytest.fixture(scope="module")
def mesh(landmark_model: Path) -> FaceMesh:
    return FaceMesh(landmark_model)


def turned(mesh: FaceMesh, yaw: float, roll: float, scale: float = 12.0) -> np.ndarray:
    """Return the landmarks (478, 3) of the canonical face in a picture, y down. Angles are in degrees."""
    a, b = math.radians(yaw), math.radians(roll)
    around_y = np.array([[math.cos(a), 0, math.sin(a)], [0, 1, 0], [-math.sin(a), 0, math.cos(a)]])
    around_z = np.array([[math.cos(b), -math.sin(b), 0], [math.sin(b), math.cos(b), 0], [0, 0, 1]])
    points = scale * mesh.points @ (around_z @ around_y).T * [1, -1, -1] + [320, 180, 0]
    irises = np.repeat(points[[159, 386]], 5, 0)
    return np.concatenate([points, irises]).astype(np.float32)


def test_the_model_file_holds_the_canonical_face(mesh: FaceMesh) -> None:
    assert mesh.points.shape == (MESH_POINTS, 3)
    assert mesh.triangles.shape == (898, 3)
    assert mesh.triangles.min() == 0
    assert mesh.triangles.max() == MESH_POINTS - 1
    assert mesh.uv.min() >= 0
    assert mesh.uv.max() <= 1


def test_every_point_has_its_twin_on_the_other_half(mesh: FaceMesh) -> None:
    assert (mesh.twins[mesh.twins] == np.arange(478)).all()
    assert mesh.twins[RIGHT_EYE[0]] == LEFT_EYE[0]
    mirrored = mesh.points[mesh.twins[:MESH_POINTS]] * [-1, 1, 1]
    assert np.abs(mirrored - mesh.points).max() < 0.2


def test_normals_point_out_of_the_face(mesh: FaceMesh) -> None:
    assert mesh.normals[4, 2] > 0.9  # the tip of the nose
    assert mesh.normals[234, 0] < -0.3  # the person's right jaw, left in the picture


@pytest.mark.parametrize("roll", [0, 45, 90, 180])
@pytest.mark.parametrize("yaw", [-50, 0, 30])
def test_pose_finds_the_yaw_whatever_the_roll(mesh: FaceMesh, yaw: float, roll: float) -> None:
    pose = mesh.pose(turned(mesh, yaw, roll))
    assert abs(pose.yaw) == pytest.approx(abs(yaw), abs=0.01)
    assert pose.scale == pytest.approx(12, rel=1e-4)


def test_a_face_without_its_pose_is_the_canonical_face(mesh: FaceMesh) -> None:
    landmarks = turned(mesh, 25, -40)
    neutral = mesh.pose(landmarks).to_neutral(landmarks)
    assert np.abs(neutral - mesh.points).max() < 1e-3


def test_offsets_come_back_from_neutral_to_the_picture(mesh: FaceMesh) -> None:
    landmarks = turned(mesh, 25, -40)
    pose = mesh.pose(landmarks)
    moved = landmarks[:MESH_POINTS] + pose.to_picture(np.full((MESH_POINTS, 3), 0.5, np.float32))
    assert np.abs(pose.to_neutral(moved) - mesh.points - 0.5).max() < 1e-3


def test_spread_offsets_keep_what_is_fixed_and_are_smooth_between(mesh: FaceMesh) -> None:
    fixed = [*OVAL, 4]
    offsets = np.zeros((len(fixed), 3), np.float32)
    offsets[-1] = 1
    result = mesh.spread(fixed, offsets)
    assert np.abs(result[list(OVAL)]).max() == 0
    assert result[4] == pytest.approx([1, 1, 1])
    steps = [np.abs(result[a] - result[b]).max() for a in range(MESH_POINTS) for b in mesh.neighbours[a]]
    assert max(steps) < 0.35


def test_drawing_interpolates_values_exactly() -> None:
    corners = np.array([[0, 0], [63, 0], [0, 47]], np.float32)
    values = np.column_stack([corners, np.ones(3)]).astype(np.float32)
    drawn = draw(corners, np.zeros(3, np.float32), np.array([[[0, 1, 2]]], np.int32), values, (64, 48))
    y, x = np.indices((48, 64))
    inside = drawn[..., 2] > 0.99
    assert inside.sum() > 1400
    assert np.abs(drawn[..., 0] - x)[inside].max() < 0.02
    assert np.abs(drawn[..., 1] - y)[inside].max() < 0.02
    assert (drawn[40, 60] == 0).all()


def test_the_nearer_of_two_triangles_is_drawn() -> None:
    corners = np.array([[0, 0], [40, 0], [0, 40]] * 2, np.float32)
    depths = np.array([5, 5, 5, 1, 1, 1], np.float32)
    values = np.repeat(np.array([[1, 0, 0], [0, 1, 0]], np.float32), 3, 0)
    triangles = np.array([[[0, 1, 2]], [[3, 4, 5]]], np.int32)
    for order in (triangles, triangles[::-1].copy()):
        assert draw(corners, depths, order, values, (48, 48))[10, 10] == pytest.approx([0, 1, 0], abs=1e-4)


def test_the_mouth_is_drawn_a_second_time_with_vertices_of_its_own(mesh: FaceMesh) -> None:
    rim = set(LIPS_INNER)
    drawn = {tuple(sorted(triangle)) for triangle in mesh.drawn.reshape(-1, 3).tolist()}
    assert not any(set(triangle) <= rim for triangle in drawn)
    assert any(set(triangle) <= set(range(mesh.mouth.start, mesh.mouth.stop)) for triangle in drawn)


def test_the_skirt_lies_outside_the_oval(mesh: FaceMesh) -> None:
    face = turned(mesh, 0, 0)
    vertices = mesh.extend(face)
    middle = face[:MESH_POINTS, :2].mean(0)
    inner = np.linalg.norm(face[list(OVAL), :2] - middle, axis=1)
    outer = np.linalg.norm(vertices[mesh.skirt, :2] - middle, axis=1)
    assert (outer > 1.05 * inner).all()


def test_openness_tells_open_from_closed(mesh: FaceMesh) -> None:
    face = turned(mesh, 0, 0)
    before = mouth_openness(face)
    closed = face.copy()
    closed[159], closed[386] = closed[145], closed[374]
    closed[13] = closed[14]
    assert min(eye_openness(face)) > 0.2
    assert eye_openness(closed) == (0, 0)
    assert mouth_openness(closed) == 0 < before


def test_a_face_lends_itself_nothing(mesh: FaceMesh) -> None:
    assert np.abs(shape_offsets(mesh, mesh.points, mesh.points)).max() < 1e-5


def test_lent_shape_moves_the_nose_but_not_the_oval(mesh: FaceMesh) -> None:
    source = mesh.points.copy()
    source[[4, 1, 2]] += [0, -0.4, 0.3]
    offsets = shape_offsets(mesh, source, mesh.points)
    assert offsets[4] == pytest.approx([0, -0.2, 0.15], abs=0.01)
    assert np.abs(offsets[list(OVAL)]).max() == 0


def test_a_grotesque_source_moves_nothing_beyond_the_limit(mesh: FaceMesh) -> None:
    offsets = shape_offsets(mesh, mesh.points * 3, mesh.points)
    eyes = np.linalg.norm(mesh.points[RIGHT_EYE[0]] - mesh.points[LEFT_EYE[0]])
    assert np.linalg.norm(offsets[list(LIPS_OUTER)], axis=1).max() <= 0.111 * eyes


def test_the_resting_shape_ignores_the_frames_with_an_open_mouth(mesh: FaceMesh) -> None:
    calm = turned(mesh, 0, 0)
    shouting = calm.copy()
    shouting[[14, 87, 317], 1] += 60
    views = [(face, mesh.pose(face)) for face in [calm] * 4 + [shouting] * 4]
    assert np.abs(resting_shape(views) - mesh.points).max() < 0.05
