"""Judges a photo as the source of a swap: what about it will show in the result.

Each limit lies between the values of photos with this fault and those of photos without it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from faceswap.engine.face.found import NOT_HUMAN, Face, SourceNote
from faceswap.engine.face.landmarks import Found, Landmarker
from faceswap.engine.face.mesh import FaceMesh, draw
from faceswap.engine.face.topology import LEFT_EYE, MESH_POINTS, RIGHT_EYE
from faceswap.engine.mesh.photo import find_validity
from faceswap.engine.mesh.shape import MOUTH_OPEN, mouth_openness
from faceswap.engine.planes import F32, U8, Planes, as_f32, as_u8, even

_TURNED_DEGREES = 20.0
"""Yaw from which half of the face is mostly a mirror image."""
_SMALL_PX = 96.0
"""Height of a face that has fewer pixels than it covers in most videos."""
_LIT_EVENLY = 0.65
"""Darker over brighter cheek. Photos in even light have 0.74 to 0.99, in hard side light 0.23 to 0.54."""
_COVERED = 0.12
"""Share of the face that hair covers. Free faces have up to 0.07, fringes 0.2."""
_BRIDGE_LINE = 0.35
"""Darkness of the line across the bridge of the nose, as a share of the skin's luma. Frames of glasses have
0.56 to 0.73; other faces, and hands before them, up to 0.18."""
_UNSTEADY = 0.035
"""Mean movement of landmarks when the view of the face moves a little, as a share of the face's height. Faces
of people have 0.004 to 0.007, in profile and drawn ones up to 0.02, other things 0.06 to 0.14."""

_EYES_PX = 96
_VIEW = (160, 100)
"""Width and height of the view of the eyes in pixels. The outer corners of the eyes are `_EYES_PX` apart."""
_LINE_PX = 9
"""Thickest line that can belong to a frame of glasses, in pixels of that view."""
_BRIDGE = (193, 168, 417, 351, 197, 122, 6)
_CHEEKS = (
    (116, 117, 118, 101, 36, 203, 206, 207, 187, 123),
    (345, 346, 347, 330, 266, 423, 426, 427, 411, 352),
)
_MARGIN = 0.15
_SHIFTS = ((0.06, 0.0), (-0.06, 0.0), (0.0, 0.06), (0.0, -0.06))
_TURNS = (-0.2, 0.2)


@dataclass(frozen=True, slots=True)
class Portrait:
    """The faces of a picture, largest first, and notes about its largest face as a source."""

    faces: tuple[Face, ...]
    notes: tuple[SourceNote, ...]


def look_at(picture: U8, model: Path) -> Portrait:
    """Find the faces of an (H, W, 3) uint8 RGB picture and judge the largest one."""
    cropped = even(picture)
    if not cropped.size:  # one pixel wide or high
        return Portrait((), ())
    planes, landmarker = Planes.from_rgb(cropped), Landmarker(model)
    found = landmarker.find_all(planes)
    faces = sorted((one.face for one in found), key=lambda face: -face.width * face.height)
    notes = notes_on(cropped, planes, found[0], landmarker, FaceMesh(model)) if found else ()
    return Portrait(tuple(faces), notes)


def notes_on(
    picture: U8, planes: Planes, face: Found, landmarker: Landmarker, mesh: FaceMesh
) -> tuple[SourceNote, ...]:
    """Notes about one face of a picture. `planes` are those of `picture`."""
    if _unsteadiness(planes, face, landmarker) > _UNSTEADY:
        return (NOT_HUMAN,)
    turned = abs(mesh.pose(face.landmarks).yaw) > _TURNED_DEGREES
    told: dict[SourceNote, bool] = {
        "source_turned": turned,
        "source_small": face.height < _SMALL_PX,
        "source_mouth_open": mouth_openness(face.landmarks) > MOUTH_OPEN,
        "source_lit_from_side": not turned and _evenness(planes.y, face.landmarks) < _LIT_EVENLY,
        "source_glasses": _bridge_line(planes.y, face.landmarks) > _BRIDGE_LINE,
        "source_covered": _covered(picture, face.landmarks, mesh) > _COVERED,
    }
    return tuple(note for note, true in told.items() if true)


def _unsteadiness(planes: Planes, face: Found, landmarker: Landmarker) -> float:
    region = face.region
    views = [replace(region, x=region.x + x * region.side, y=region.y + y * region.side) for x, y in _SHIFTS]
    views += [replace(region, angle=region.angle + turn) for turn in _TURNS]
    points = face.landmarks[:MESH_POINTS, :2]
    moved = [landmarker.find(planes, view).landmarks[:MESH_POINTS, :2] - points for view in views]
    return float(np.linalg.norm(moved, axis=2).mean()) / (face.height + 1e-6)


def _evenness(luma: U8, landmarks: F32) -> float:
    """Luma of the darker cheek divided by that of the brighter one."""
    cheeks: list[float] = []
    for ring in _CHEEKS:
        mask = _inside(landmarks[list(ring), :2], luma.shape)
        cheeks.append(float(luma[mask].mean()) if mask.any() else 0.0)
    return min(cheeks) / max(*cheeks, 1.0)


def _inside(points: F32, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """(H, W) mask of the convex hull of some points."""
    mask = np.zeros(shape, np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(points.round().astype(np.int32)), 1)
    return mask > 0


def _bridge_line(luma: U8, landmarks: F32) -> float:
    """How dark the darkest thin line across the bridge of the nose is, as a share of the skin's luma."""
    right, left = landmarks[RIGHT_EYE[0], :2], landmarks[LEFT_EYE[0], :2]
    across = (left - right) * (_EYES_PX / (float((left - right) @ (left - right)) + 1e-6))
    turn = np.array([[across[0], across[1]], [-across[1], across[0]]], np.float32)
    shift = np.array([_VIEW[0] / 2, 0.4 * _VIEW[1]], np.float32) - turn @ ((left + right) / 2)
    zoom = float(np.hypot(*across))
    soft = cv2.GaussianBlur(luma, (0, 0), max(0.3, 0.35 / zoom))
    view = as_u8(cv2.warpAffine(soft, np.column_stack([turn, shift]), _VIEW))
    bridge = _inside(as_f32(landmarks[list(_BRIDGE), :2] @ turn.T + shift), view.shape)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_LINE_PX, _LINE_PX))
    lines = np.where(bridge, cv2.morphologyEx(view, cv2.MORPH_BLACKHAT, disc), 0)
    columns = np.nonzero(bridge.any(0))[0]
    middle = columns[len(columns) // 4 : len(columns) - len(columns) // 4]
    skin = float(np.median(view[_VIEW[1] // 2 :, _VIEW[0] // 8 : -_VIEW[0] // 8])) + 1.0
    return float(lines[:, middle].max(0).mean()) / skin if len(middle) else 0.0


def _covered(picture: U8, landmarks: F32, mesh: FaceMesh) -> float:
    """Share of the face that hair or other things cover."""
    low, high = landmarks[:MESH_POINTS, :2].min(0), landmarks[:MESH_POINTS, :2].max(0)
    margin = _MARGIN * float((high - low).max())
    x0, y0 = np.maximum(0, low - margin).astype(int).tolist()
    x1, y1 = (high + margin + 1).astype(int).tolist()
    moved = landmarks - np.array([x0, y0, 0], np.float32)
    validity = find_validity(picture[y0:y1, x0:x1], moved, mesh)
    rows, columns = validity.shape
    zoom = columns / (min(x1, picture.shape[1]) - x0)
    vertices = mesh.extend(moved)
    values = np.zeros((len(vertices), 3), np.float32)
    values[:MESH_POINTS, 0] = mesh.rings >= 2
    drawn = draw(as_f32(vertices[:, :2] * zoom), vertices[:, 2], mesh.drawn, values, (columns, rows))
    face = drawn[..., 0] > 0.5
    return 1 - float(validity[face].mean()) / 255 if face.any() else 0.0
