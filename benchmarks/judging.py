"""Compares a clip with its swap frame by frame, for `benchmarks.quality`."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import dlib
import numpy as np
from ai_edge_litert import interpreter
from PIL import Image

from benchmarks.hard_clips import Pair
from faceswap.engine.face.landmarks import Landmarker, region_of
from faceswap.engine.face.mesh import FaceMesh
from faceswap.engine.face.topology import (
    LEFT_EYE,
    LEFT_IRIS,
    OVAL,
    RIGHT_EYE,
    RIGHT_IRIS,
)
from faceswap.engine.mesh.shape import eye_openness
from faceswap.engine.planes import Planes
from tests import judge as dlib_judge

_EVERY = 4
"""Only one in so many frames is judged in full. Flicker and unswapped frames are counted on all frames."""
_YAW = 48.0
"""A face must be swapped if its yaw is below this, in degrees."""
_SEEN = 0.9
_CHANGED = 0.3
"""A face counts as swapped if at least this share of its pixels changed."""
_STILL_LUMA = 0.8
"""The target stands still if its mean change of luma between two frames is below this."""
_KEPT_LUMA = 6
"""A pixel of an occluder counts as kept if its luma changed by at most this."""
_CHEEKS = (
    (116, 117, 118, 101, 36, 203, 206, 207, 187, 123),
    (345, 346, 347, 330, 266, 423, 426, 427, 411, 352),
    (67, 109, 10, 338, 297, 299, 337, 151, 108, 69),
)
"""Skin without features: right cheek, left cheek, forehead."""
# fmt: off
_BLENDSHAPE_POINTS = [
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54,
    55, 58, 61, 63, 65, 66, 67, 70, 78, 80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105,
    107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152, 153, 154, 155, 157, 158, 159, 160,
    161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251, 263, 267, 269,
    270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318,
    321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382,
    384, 385, 386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471,
    472, 473, 474, 475, 476, 477,
]
# fmt: on
"""Source: `face_blendshapes_graph.cc` of MediaPipe."""


@dataclass(frozen=True)
class Verdict:
    """Means over the frames. A value is None if the clip has nothing to measure it on."""

    identity: float | None
    """dlib's distance between the result and the photo. Below 0.6 it is the same person."""
    same: float | None
    """Share of frames whose distance is below 0.6."""
    unswapped: int
    """Number of frames with a visible face that the engine did not swap."""
    flicker: float | None
    """Change between frames that motion does not explain, divided by that of the target."""
    still: float | None
    """Change between frames where the target stands still, divided by that of the target."""
    landmarks_pct: float | None
    """Mean distance of the 468 points before and after the swap, in percent of the eyes' distance."""
    pose_deg: float | None
    blendshapes: float | None
    """Mean difference of MediaPipe's 52 expression values."""
    gaze: float | None
    """Correlation over the frames between the positions of the irises before and after the swap."""
    gaze_error: float | None
    """Distance between the positions of the irises before and after the swap, in widths of an eye."""
    sharpness: float | None
    """Strength of the finest details on the skin, divided by that of the target. Median over the frames."""
    luma_step: float | None
    chroma_step: float | None
    """How much the swap changes the step across the face's rim, in luma and in chroma."""
    luma_shift: float | None
    """How much lighter the skin became, in levels of luma."""
    kept: float | None
    """Share of an occluder's pixels that are the same as in the target."""
    outside: int
    """Number of changed pixels outside the face, in all frames together."""
    cpu_ms: float
    """CPU time per frame, including decoding and lossless encoding."""


@dataclass(frozen=True)
class _Face:
    landmarks: Any
    presence: float
    yaw: float
    rotation: Any
    blendshapes: Any


class Judge:
    def __init__(self, model: Path) -> None:
        self._landmarker, self._mesh = Landmarker(model), FaceMesh(model)
        with zipfile.ZipFile(model) as bundle:
            self._net = interpreter.Interpreter(
                model_content=bundle.read("face_blendshapes.tflite"), num_threads=1
            )
        self._net.allocate_tensors()

    def face(self, picture: Any, near: Any = None, expression: bool = True) -> _Face | None:
        """The face of an (H, W, 3) RGB picture: the largest, or the one that is closest to `near`."""
        planes = Planes.from_rgb(picture[: picture.shape[0] & ~1, : picture.shape[1] & ~1])
        if near is None:
            faces = self._landmarker.find_all(planes)
            if not faces:
                return None
            found = faces[0]
        else:
            found = self._landmarker.find(planes, near)
            found = self._landmarker.find(planes, found.region)
        pose = self._mesh.pose(found.landmarks)
        shapes = self._blendshapes(found.landmarks) if expression else None
        return _Face(found.landmarks, found.presence, pose.yaw, pose.rotation, shapes)

    def _blendshapes(self, landmarks: Any) -> Any:
        points = landmarks[_BLENDSHAPE_POINTS, :2].astype(np.float32)
        self._net.set_tensor(self._net.get_input_details()[0]["index"], points[None])
        self._net.invoke()
        return self._net.get_tensor(self._net.get_output_details()[0]["index"]).ravel().copy()

    def verdict(self, pair: Pair, result: Path, sheet: Path, cpu_s: float) -> Verdict:
        before, after = dlib_judge.pictures(pair.clip), dlib_judge.pictures(result)
        wanted = dlib_judge.look_at(pair.photo)
        rows: dict[str, list[float]] = {}
        gazes: list[Any] = []
        shown: list[tuple[Any, Any, Any]] = []
        unswapped = outside = 0
        region: Any = None
        for number, (old, new) in enumerate(zip(before, after, strict=True)):
            seen = self.face(old, region, expression=number % _EVERY == 0)
            if seen is None or seen.presence < _SEEN:
                seen = self.face(old)
            if seen is None or seen.presence < _SEEN:
                outside += int((old != new).any(2).sum())
                region = None
                continue
            region = region_of(seen.landmarks)
            height = float(np.ptp(seen.landmarks[list(OVAL), 1]))
            hull, grown = _hulls(seen.landmarks, old.shape[:2], height)
            changed = (old != new).any(2)
            outside += int((changed & ~grown).sum())
            if abs(seen.yaw) < _YAW and changed[hull].mean() < _CHANGED:
                unswapped += 1
            if pair.occluder is not None and number in pair.occluder:
                mask = pair.occluder[number] & hull
                if mask.sum() > 50:
                    _add(rows, "kept", float((_apart(old, new)[mask] <= _KEPT_LUMA).mean()))
            if number:
                _steadiness(rows, before[number - 1], after[number - 1], old, new, hull)
            if number % _EVERY:
                continue
            shown.append((old, new, seen.landmarks))
            swap = self.face(new, region)
            if swap is None or swap.presence < 0.5 or not changed.any():
                continue
            self._likeness(rows, gazes, seen, swap)
            _skin(rows, old, new, seen.landmarks, height, hull)
            if wanted is not None:
                look = _described(new, seen.landmarks)
                _add(rows, "identity", float(np.linalg.norm(look - wanted.descriptor)))
        _sheet(sheet, shown)
        means = {name: float(np.mean(values)) for name, values in rows.items()}
        return Verdict(
            identity=means.get("identity"),
            same=float(np.mean(np.array(rows["identity"]) < dlib_judge.SAME_PERSON))
            if "identity" in rows
            else None,
            unswapped=unswapped,
            flicker=_ratio(rows, "flicker_new", "flicker_old"),
            still=_ratio(rows, "still_new", "still_old"),
            gaze=_correlation(gazes),
            sharpness=float(np.median(rows["sharpness"])) if "sharpness" in rows else None,
            outside=outside,
            cpu_ms=1e3 * cpu_s / max(1, len(before)),
            **{
                name: means.get(name)
                for name in (
                    *("landmarks_pct", "pose_deg", "blendshapes", "gaze_error"),
                    *("luma_step", "chroma_step", "luma_shift", "kept"),
                )
            },
        )

    def _likeness(self, rows: dict[str, list[float]], gazes: list[Any], old: _Face, new: _Face) -> None:
        eyes = float(np.linalg.norm(old.landmarks[RIGHT_EYE[0], :2] - old.landmarks[LEFT_EYE[0], :2]))
        apart = np.linalg.norm(new.landmarks[:468, :2] - old.landmarks[:468, :2], axis=1).mean()
        _add(rows, "landmarks_pct", 100 * float(apart) / eyes)
        turned = old.rotation @ new.rotation.T
        _add(rows, "pose_deg", float(np.degrees(np.arccos(np.clip((np.trace(turned) - 1) / 2, -1, 1)))))
        _add(rows, "blendshapes", float(np.abs(old.blendshapes - new.blendshapes).mean()))
        looks = _gaze(old.landmarks), _gaze(new.landmarks)
        opened = min(_opened(one.landmarks) for one in (old, new))
        if opened > 0.15:
            _add(rows, "gaze_error", float(np.linalg.norm(looks[0] - looks[1], axis=1).mean()))
            gazes.append((looks[0][:, 0].mean(), looks[1][:, 0].mean()))


def _add(rows: dict[str, list[float]], name: str, value: float) -> None:
    rows.setdefault(name, []).append(value)


def _ratio(rows: dict[str, list[float]], one: str, other: str) -> float | None:
    if len(rows.get(one, ())) < 3:
        return None
    return float(np.mean(rows[one]) / max(1e-3, np.mean(rows[other])))


def _correlation(gazes: list[Any]) -> float | None:
    table = np.array(gazes)
    if len(table) < 5 or table[:, 0].std() < 0.015:
        return None
    return float(np.corrcoef(table.T)[0, 1])


def _hulls(landmarks: Any, shape: tuple[int, ...], height: float) -> tuple[Any, Any]:
    """(H, W) bool: the oval of a face, and the same grown by 15 % of its height."""
    mask = np.zeros(shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(landmarks[list(OVAL), :2].astype(np.int32)), 1)
    reach = int(0.15 * height) | 1
    grown = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2))
    return mask > 0, grown > 0


def _luma(picture: Any) -> Any:
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)


def _apart(old: Any, new: Any) -> Any:
    return cv2.absdiff(_luma(old), _luma(new))


def _steadiness(rows: dict[str, list[float]], old0: Any, new0: Any, old1: Any, new1: Any, hull: Any) -> None:
    y, x = np.nonzero(hull)
    place = slice(max(0, y.min() - 16), y.max() + 17), slice(max(0, x.min() - 16), x.max() + 17)
    old0, new0, old1, new1 = (_luma(np.ascontiguousarray(one[place])) for one in (old0, new0, old1, new1))
    hull = hull[place]
    plain = float(cv2.absdiff(old0, old1)[hull].mean())
    if plain < _STILL_LUMA:
        _add(rows, "still_old", plain + 0.1)
        _add(rows, "still_new", float(cv2.absdiff(new0, new1)[hull].mean()) + 0.1)
    if plain > 25:  # a cut
        return
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST).calc(old1, old0, None)
    rows_, columns = np.indices(old1.shape, np.float32)
    for name, first, second in (("flicker_old", old0, old1), ("flicker_new", new0, new1)):
        moved = cv2.remap(first, columns + flow[..., 0], rows_ + flow[..., 1], cv2.INTER_LINEAR)
        _add(rows, name, float(cv2.absdiff(second, moved)[hull].mean()))


def _gaze(landmarks: Any) -> Any:
    """(2, 2), right and left eye: offset of the iris from the middle of the eye, along and across the line
    between the corners, in eye widths.
    """
    places = []
    for ring, iris in ((RIGHT_EYE, RIGHT_IRIS), (LEFT_EYE, LEFT_IRIS)):
        outer, inner = landmarks[ring[0], :2], landmarks[ring[8], :2]
        along = (inner - outer) if ring is RIGHT_EYE else (outer - inner)
        width = float(np.linalg.norm(along)) + 1e-6
        along = along / width
        offset = (landmarks[iris, :2] - (outer + inner) / 2) / width
        places.append((offset @ along, offset @ np.array([-along[1], along[0]])))
    return np.array(places)


def _opened(landmarks: Any) -> float:
    return min(eye_openness(landmarks))


def _skin(rows: dict[str, list[float]], old: Any, new: Any, landmarks: Any, height: float, hull: Any) -> None:
    skin = np.zeros(hull.shape, np.uint8)
    for ring in _CHEEKS:
        cv2.fillConvexPoly(skin, cv2.convexHull(landmarks[list(ring), :2].astype(np.int32)), 1)
    plain = skin > 0
    if plain.sum() < 60:
        return
    sigma = max(0.8, 0.006 * height)
    fine = [
        float(np.median(np.abs(luma - cv2.GaussianBlur(luma, (0, 0), sigma))[plain]))
        for luma in (_luma(old).astype(np.float32), _luma(new).astype(np.float32))
    ]
    _add(rows, "sharpness", (fine[1] + 0.05) / (fine[0] + 0.05))
    _add(rows, "luma_shift", float(_luma(new)[plain].mean()) - float(_luma(old)[plain].mean()))
    _rim(rows, old, new, landmarks)


def _rim(rows: dict[str, list[float]], old: Any, new: Any, landmarks: Any) -> None:
    oval = landmarks[list(OVAL), :2]
    middle = oval.mean(0)
    steps = []
    for picture in (old, new):
        blurred = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb), (0, 0), 1.5).astype(np.float32)
        sides = []
        for share in (0.86, 1.08):
            points = (middle + share * (oval - middle)).astype(np.float32)
            sides.append(cv2.remap(blurred, points[:, 0], points[:, 1], cv2.INTER_LINEAR).reshape(-1, 3))
        steps.append(sides[0] - sides[1])
    change = np.abs(steps[1] - steps[0]).mean(0)
    _add(rows, "luma_step", float(change[0]))
    _add(rows, "chroma_step", float(change[1:].mean()))


def _described(picture: Any, landmarks: Any) -> Any:
    """dlib's descriptor of a face. The box reaches from brows to chin, like those of dlib's detector."""
    _, predictor, recogniser = dlib_judge._models()
    low, high = landmarks[:468, :2].min(0), landmarks[:468, :2].max(0)
    top = low[1] + 0.18 * (high[1] - low[1])
    shape = predictor(picture, dlib.rectangle(int(low[0]), int(top), int(high[0]), int(high[1])))
    return np.array(recogniser.compute_face_descriptor(picture, shape, 1, 0.25))


def _sheet(path: Path, shown: list[tuple[Any, Any, Any]], columns: int = 8, side: int = 256) -> None:
    """Save a picture of frames spread over the clip: the target above, the swap below."""
    if not shown:
        return
    picked = [shown[round(at)] for at in np.linspace(0, len(shown) - 1, min(columns, len(shown)))]
    tiles = []
    for old, new, landmarks in picked:
        low, high = landmarks[:468, :2].min(0), landmarks[:468, :2].max(0)
        centre, reach = (low + high) / 2, 0.75 * float((high - low).max())
        scale = side / (2 * reach)
        matrix = np.array(
            [[scale, 0, side / 2 - scale * centre[0]], [0, scale, side / 2 - scale * centre[1]]]
        )
        tiles.append(
            np.vstack([cv2.warpAffine(one, matrix, (side, side), flags=cv2.INTER_AREA) for one in (old, new)])
        )
    Image.fromarray(np.hstack(tiles)).save(path)
