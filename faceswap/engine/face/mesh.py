"""The canonical face: its shape and triangles, how it is aligned with a face, and how it is drawn."""

from __future__ import annotations

import math
import struct
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from faceswap.engine.face.topology import (
    LEFT_EYE,
    LEFT_IRIS,
    LIPS_INNER,
    MESH_POINTS,
    OVAL,
    RIGHT_EYE,
    RIGHT_IRIS,
)
from faceswap.engine.planes import F32, as_f32

I32 = npt.NDArray[np.int32]

_GEOMETRY = "geometry_pipeline_metadata_landmarks.binarypb"
_TO_RIGHT_HANDED = np.array([1, -1, -1], np.float32)
"""Landmarks have y down and z away from the camera. The canonical face has y up and z towards the camera."""


@dataclass(frozen=True, slots=True)
class Pose:
    """Defined by: landmarks * (1, -1, -1) = scale * rotation @ canonical + translation, in pixels."""

    scale: float
    rotation: F32
    translation: F32

    @property
    def yaw(self) -> float:
        """Degrees that the face is turned to the side, independent of roll; 0 faces the camera."""
        return math.degrees(math.asin(max(-1.0, min(1.0, float(self.rotation[2, 0])))))

    def to_neutral(self, landmarks: F32) -> F32:
        """Remove the pose from landmarks: (468, 3) in the units of the canonical face."""
        flipped = landmarks[:MESH_POINTS] * _TO_RIGHT_HANDED
        return as_f32((flipped - self.translation) @ self.rotation / self.scale)

    def to_picture(self, offsets: F32) -> F32:
        """Convert offsets (N, 3) in canonical units to offsets of landmarks in pixels."""
        return (self.scale * (offsets @ self.rotation.T)) * _TO_RIGHT_HANDED


_SKIRT = 0.08
"""Width of the skirt, as a share of the distance from the middle of the face."""


class FaceMesh:
    """The mesh of the canonical face, built once from the model file. Everything is read-only.

    Drawing needs more vertices than the 468 points of the face. It needs the inner lips and the eyes a second
    time: mouth and eyes can then be opaque while their rims, which they share with the skin, are not. It also
    needs a skirt around the oval, so that values can be interpolated on both sides of the oval's edge.

    The `extended` vertices are the 468 points, then the inner lips, then for each eye its ring and the centre
    of its iris, then the skirt.
    """

    def __init__(self, model: Path) -> None:
        self.points, self.uv, self.triangles, basis, weights = _read_geometry(model)
        self._basis, self._weights = basis, weights / weights.sum()
        self.neighbours = _neighbours(self.triangles)
        self.rings = self.distance_from(OVAL)
        """(468,) number of edges between each point and the face oval."""
        self.normals = _normals(self.points, self.triangles)

        self.twins = _twins(self.points)
        """(478,) index of the mirrored point, on the other half of the face."""

        self.extended = np.array(
            [*range(MESH_POINTS), *LIPS_INNER, *RIGHT_EYE, RIGHT_IRIS, *LEFT_EYE, LEFT_IRIS, *OVAL], np.intp
        )
        """(V,) index of the landmark that each extended vertex comes from."""
        self.mouth = slice(MESH_POINTS, MESH_POINTS + len(LIPS_INNER))
        self.right_eye = slice(self.mouth.stop, self.mouth.stop + len(RIGHT_EYE) + 1)
        self.left_eye = slice(self.right_eye.stop, self.right_eye.stop + len(LEFT_EYE) + 1)
        self.skirt = slice(self.left_eye.stop, self.left_eye.stop + len(OVAL))
        self.drawn = self._triangles_to_draw()

    def _triangles_to_draw(self) -> I32:
        def within(ring: Sequence[int]) -> npt.NDArray[np.bool_]:
            return np.isin(self.triangles, ring).sum(1) == 3

        mouth = within(LIPS_INNER)
        again = {landmark: self.mouth.start + number for number, landmark in enumerate(LIPS_INNER)}
        opaque_mouth = [[again[int(corner)] for corner in triangle] for triangle in self.triangles[mouth]]
        body = self.triangles[~(mouth | within(RIGHT_EYE) | within(LEFT_EYE))]
        parts = [body, opaque_mouth, _fan(self.right_eye), _fan(self.left_eye), _band(OVAL, self.skirt)]
        return np.ascontiguousarray(np.concatenate(parts).astype(np.int32).reshape(-1, 1, 3))

    def distance_from(self, start: Sequence[int]) -> I32:
        """(468,) number of edges between each point and the nearest of the `start` points."""
        distance = np.full(MESH_POINTS, MESH_POINTS, np.int32)
        distance[list(start)] = 0
        front = list(start)
        while front:
            found: list[int] = []
            for point in front:
                for other in self.neighbours[point]:
                    if distance[other] > distance[point] + 1:
                        distance[other] = distance[point] + 1
                        found.append(other)
            front = found
        return distance

    def extend(self, points: F32) -> F32:
        """(V, D) extended vertices of a face's (478, D) points. The skirt lies a little outside the oval."""
        vertices = points[self.extended]
        middle = vertices[:MESH_POINTS].mean(0)
        vertices[self.skirt] += _SKIRT * (vertices[self.skirt] - middle)
        return vertices

    def pose(self, landmarks: F32) -> Pose:
        """The similarity transform that brings the canonical face closest to `landmarks`. Parts of the face
        that expressions do not move have more weight.

        Source: Umeyama, "Least-squares estimation of transformation parameters between two point patterns",
        1991. The weights come with the model.
        """
        face = (landmarks[self._basis] * _TO_RIGHT_HANDED).astype(np.float64)
        model = self.points[self._basis].astype(np.float64)
        face_middle, model_middle = self._weights @ face, self._weights @ model
        face, model = face - face_middle, model - model_middle
        left, strength, right = np.linalg.svd((face * self._weights[:, None]).T @ model)
        signs = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
        rotation = (left * signs) @ right
        scale = float((strength * signs).sum() / (self._weights @ (model**2).sum(1)))
        translation = face_middle - scale * rotation @ model_middle
        return Pose(scale, rotation.astype(np.float32), translation.astype(np.float32))

    def spread(self, fixed: Sequence[int], offsets: F32) -> F32:
        """Offsets (468, 3) that equal `offsets` at the `fixed` points and are smooth between them. They solve
        the biharmonic equation on the mesh.
        """
        count = MESH_POINTS
        laplacian = np.zeros((count, count))
        for point, around in enumerate(self.neighbours):
            laplacian[point, list(around)] = -1
            laplacian[point, point] = len(around)
        laplacian = laplacian @ laplacian
        free = np.setdiff1d(np.arange(count), fixed)
        result = np.zeros((count, offsets.shape[1]), np.float32)
        result[list(fixed)] = offsets
        pull = -laplacian[np.ix_(free, np.asarray(fixed))] @ offsets
        result[free] = np.linalg.solve(laplacian[np.ix_(free, free)], pull)
        return result


_SETTINGS = cv2.TriangleRasterizeSettings()
_SETTINGS.setCullingMode(cv2.RASTERIZE_CULLING_NONE)
_SETTINGS.setShadingType(cv2.RASTERIZE_SHADING_SHADED)
_CAMERA = np.eye(4, dtype=np.float32)
_FAR = 10.0


def draw(positions: F32, depths: F32, triangles: I32, values: F32, size: tuple[int, int]) -> F32:
    """Draw a mesh into a grid of `size` (width, height): (H, W, 3) float32, 0 where the mesh is not.

    Args:
        positions: (V, 2) in cells; the centres of cells are whole numbers.
        depths: (V,), smaller is nearer. Only the order of the depths matters.
        triangles: (T, 1, 3).
        values: (V, 3), interpolated linearly over each triangle.
    """
    width, height = size
    nearest = depths.min()
    # OpenCV draws with a perspective camera. This places each point on its ray, at a distance of almost 1,
    # so that it is drawn at its position and the order in depth is kept.
    distance = 1 + 0.02 * (depths - nearest) / (float(depths.max() - nearest) + 1e-6)
    vertices = np.empty((len(positions), 3), np.float32)
    vertices[:, 0] = (positions[:, 0] + (0.5 - width / 2)) * distance
    vertices[:, 1] = (positions[:, 1] + (0.5 - height / 2)) * -distance
    vertices[:, :2] *= 2 / height
    vertices[:, 2] = -distance
    drawn = np.zeros((height, width, 3), np.float32)
    depth_buffer = np.full((height, width), _FAR, np.float32)
    cv2.triangleRasterize(
        vertices.reshape(-1, 1, 3),
        triangles,
        values.reshape(-1, 1, 3),
        drawn,
        depth_buffer,
        _CAMERA,
        math.pi / 2,
        0.1,
        _FAR,
        _SETTINGS,
    )
    return drawn


def _fan(vertices: slice) -> list[list[int]]:
    """Triangles between a ring and its centre, which is the last vertex of the slice."""
    start, centre = vertices.start, vertices.stop - 1
    ring = centre - start
    return [[start + step, start + (step + 1) % ring, centre] for step in range(ring)]


def _band(ring: Sequence[int], outer: slice) -> list[list[int]]:
    """Triangles between a ring and an outer ring with as many points."""
    count = len(ring)
    band: list[list[int]] = []
    for step in range(count):
        a, b = ring[step], ring[(step + 1) % count]
        c, d = outer.start + step, outer.start + (step + 1) % count
        band += [[a, b, c], [b, d, c]]
    return band


def _neighbours(triangles: I32) -> list[set[int]]:
    around: list[set[int]] = [set() for _ in range(MESH_POINTS)]
    for a, b, c in triangles.tolist():
        around[a] |= {b, c}
        around[b] |= {a, c}
        around[c] |= {a, b}
    return around


def _twins(points: F32) -> npt.NDArray[np.intp]:
    mirrored = points * np.array([-1, 1, 1], np.float32)
    distances = np.linalg.norm(points[None] - mirrored[:, None], axis=2)
    irises = [*range(LEFT_IRIS, LEFT_IRIS + 5), *range(RIGHT_IRIS, RIGHT_IRIS + 5)]
    return np.array([*distances.argmin(1).tolist(), *irises], np.intp)


def _normals(points: F32, triangles: I32) -> F32:
    """(468, 3) unit normals, which point out of the face."""
    a, b, c = (points[triangles[:, corner]] for corner in range(3))
    face = np.cross(b - a, c - a)
    normals = np.zeros_like(points)
    for corner in range(3):
        np.add.at(normals, triangles[:, corner], face)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9
    return normals * np.sign(np.median(normals[:, 2]))


def _read_geometry(model: Path) -> tuple[F32, F32, I32, npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """Read from the model file: points, texture coordinates, triangles, and the points and weights that
    determine the pose.

    Source: `geometry_pipeline_metadata.proto` and `mesh_3d.proto` of MediaPipe: 1 canonical mesh (3 vertex
    buffer: x, y, z, u, v; 4 index buffer), 2 weighted landmarks (1 index, 2 weight).
    """
    with zipfile.ZipFile(model) as bundle:
        data = bundle.read(_GEOMETRY)
    vertices: list[F32] = []
    indices: list[int] = []
    basis: list[int] = []
    weights: list[float] = []
    for field, value in _protobuf(data):
        if field == 1 and isinstance(value, bytes):
            for part, content in _protobuf(value):
                if part == 3 and isinstance(content, bytes):
                    vertices.append(np.frombuffer(content, "<f4"))
                elif part == 4:
                    indices += [content] if isinstance(content, int) else _varints(content)
        elif field == 2 and isinstance(value, bytes):
            pair = dict(_protobuf(value))
            basis.append(int(pair.get(1, 0)))
            (weight,) = struct.unpack("<f", bytes(pair.get(2, b"\0\0\0\0")))
            weights.append(weight)
    table = np.concatenate(vertices).reshape(-1, 5).astype(np.float32)
    triangles = np.array(indices, np.int32).reshape(-1, 3)
    return table[:, :3].copy(), table[:, 3:].copy(), triangles, np.array(basis, np.intp), np.array(weights)


def _protobuf(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and raw values of one message: varints as int, all other types as bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        match key & 7:
            case 0:
                value, at = _varint(data, at)
                yield key >> 3, value
                continue
            case 1:
                length = 8
            case 2:
                length, at = _varint(data, at)
            case _:
                length = 4
        yield key >> 3, data[at : at + length]
        at += length


def _varints(data: bytes) -> list[int]:
    values: list[int] = []
    at = 0
    while at < len(data):
        value, at = _varint(data, at)
        values.append(value)
    return values


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
