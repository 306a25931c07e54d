"""Glasses, hair and microphones are found by their lines and colours, and a bare face has none of them."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from faceswap.engine.face.landmarks import Found, Landmarker
from faceswap.engine.face.mesh import FaceMesh
from faceswap.engine.mesh.paste import box_around
from faceswap.engine.occlusion.glasses import Glasses
from faceswap.engine.occlusion.skin import OtherThanSkin
from faceswap.engine.occlusion.view import FaceView, Occluder
from faceswap.engine.planes import F32, Planes
from tests.judge import pictures
from tests.puppet import Puppet

EYES = ((33, 133), (362, 263))
"""The corners of the right and of the left eye."""


@pytest.fixture(scope="module")
def still() -> Any:
    """(360, 640, 3): a woman's face of about 180 px height."""
    return np.ascontiguousarray(Puppet().still)


@pytest.fixture(scope="module")
def face(landmark_model: Path, still: Any) -> Found:
    return Landmarker(landmark_model).find_all(Planes.from_rgb(still))[0]


@pytest.fixture(scope="module")
def mesh(landmark_model: Path) -> FaceMesh:
    return FaceMesh(landmark_model)


def view_of(picture: Any, landmarks: F32, track: int = 0) -> FaceView:
    planes = Planes.from_rgb(picture)
    box = box_around(planes, landmarks)
    assert box is not None
    return FaceView(planes, track, landmarks, box, box.grid(224))


def kept(occluder: Occluder, picture: Any, landmarks: F32, thing: Any) -> float:
    """Share of a thing, (H, W) bool, within the face that the mask of a picture keeps."""
    view = view_of(picture, landmarks)
    mask = occluder.cover(view)
    if mask is None:
        return 0.0
    box = view.box
    whole = np.zeros(picture.shape[:2], np.float32)
    whole[box.y : box.y + box.height, box.x : box.x + box.width] = cv2.resize(mask, (box.width, box.height))
    hull = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(landmarks[:, :2].round().astype(np.int32)), 1)
    return float((whole[thing & (hull > 0)] > 0.8).mean())


def with_glasses(picture: Any, landmarks: F32, lenses: int, thick: int) -> tuple[Any, Any]:
    """Draw glasses onto a face. `lenses` is -1 for dark lenses and `thick` px for a frame without them."""
    drawn, mask = picture.copy(), np.zeros(picture.shape[:2], np.uint8)
    middles = [landmarks[list(corners), :2].mean(0) for corners in EYES]
    width = float(np.hypot(*(middles[1] - middles[0])))
    size = (round(0.40 * width), round(0.32 * width))
    for canvas, colour in ((drawn, (36, 30, 28)), (mask, (1,))):
        for middle in middles:
            place = (round(float(middle[0])), round(float(middle[1])))
            cv2.ellipse(canvas, place, size, 0, 0, 360, colour, lenses, cv2.LINE_8)
        inner = [
            middle + np.array([sign * 0.40 * width, 0]) for middle, sign in zip(middles, (1, -1), strict=True)
        ]
        cv2.line(canvas, *(one.round().astype(int).tolist() for one in inner), colour, thick)
    return drawn, cv2.erode(mask, np.ones((2, 2), np.uint8)) > 0


@pytest.mark.parametrize(("lenses", "thick"), [(3, 3), (5, 5), (-1, 4)], ids=["thin", "thick", "dark"])
def test_glasses_are_kept(still: Any, face: Found, lenses: int, thick: int) -> None:
    picture, glasses = with_glasses(still, face.landmarks, lenses, thick)
    assert kept(Glasses(), picture, face.landmarks, glasses) >= 0.85


def test_a_bare_face_wears_no_glasses(still: Any, face: Found) -> None:
    assert Glasses().cover(view_of(still, face.landmarks)) is None


def test_a_talking_man_wears_no_glasses(landmark_model: Path, face_video: Path) -> None:
    landmarker, glasses = Landmarker(landmark_model), Glasses()
    for picture in pictures(face_video, 12):
        found = landmarker.find_all(Planes.from_rgb(picture))[0]
        assert glasses.cover(view_of(picture, found.landmarks)) is None


def test_one_frame_with_a_line_is_no_glasses_and_one_without_does_not_take_them_off(
    still: Any, face: Found
) -> None:
    worn, _ = with_glasses(still, face.landmarks, 3, 3)
    bare, wearing = Glasses(), Glasses()
    for number in range(12):
        a, b = (worn, still) if number == 8 else (still, worn)
        assert bare.cover(view_of(a, face.landmarks)) is None, number
        assert wearing.cover(view_of(b, face.landmarks)) is not None or number == 8, number
    bare.drop_tracks({0})
    assert bare.cover(view_of(worn, face.landmarks)) is not None


def test_a_line_that_is_missed_in_one_frame_fades(still: Any, face: Found) -> None:
    worn, _ = with_glasses(still, face.landmarks, 3, 3)
    half = worn.copy()
    right = round(float(face.landmarks[263, 0])) + 4
    half[:, right:] = still[:, right:]
    glasses = Glasses()
    view = view_of(worn, face.landmarks)
    first = glasses.cover(view)
    second, third = (glasses.cover(view_of(half, face.landmarks)) for _ in range(2))
    assert first is not None and second is not None and third is not None
    missed = (first > 0.9) & (third < 0.8)
    assert missed.any()
    assert 0.5 < float(second[missed].mean()) < 0.8
    assert float(third[missed].mean()) < float(second[missed].mean())


def test_a_microphone_is_kept(still: Any, face: Found, mesh: FaceMesh) -> None:
    chin = face.landmarks[152, :2].round().astype(int).tolist()
    picture, mask = still.copy(), np.zeros(still.shape[:2], np.uint8)
    for canvas, colour in ((picture, (40, 40, 42)), (mask, (1,))):
        cv2.circle(canvas, (chin[0], chin[1] - 8), 24, colour, -1)
    assert kept(OtherThanSkin(mesh), picture, face.landmarks, mask > 0) >= 0.9


def test_hair_on_the_forehead_is_kept(still: Any, face: Found, mesh: FaceMesh) -> None:
    top, brow = face.landmarks[10, :2], face.landmarks[105, :2]
    picture, mask = still.copy(), np.zeros(still.shape[:2], np.uint8)
    height = int(0.6 * (brow[1] - top[1]))
    left, right = int(face.landmarks[54, 0]), int(face.landmarks[284, 0])
    for canvas, colour in ((picture, (52, 36, 24)), (mask, (1,))):
        cv2.rectangle(canvas, (left, int(top[1]) - 30), (right, int(top[1]) + height), colour, -1)
    assert kept(OtherThanSkin(mesh), picture, face.landmarks, mask > 0) >= 0.9


def test_skin_and_features_of_a_bare_face_are_swapped(
    landmark_model: Path, mesh: FaceMesh, other_portrait: Path
) -> None:
    picture = np.ascontiguousarray(cv2.imread(str(other_portrait))[:, :, ::-1])
    planes_of = picture[: picture.shape[0] & ~1, : picture.shape[1] & ~1]
    found = Landmarker(landmark_model).find_all(Planes.from_rgb(planes_of))[0]
    view = view_of(planes_of, found.landmarks)
    mask = OtherThanSkin(mesh).cover(view)
    if mask is None:
        return
    inner = view.cells(found.landmarks[mesh.rings.nonzero()[0][mesh.rings[mesh.rings > 0] >= 2], :2])
    places = inner.round().astype(int)
    assert float((mask[places[:, 1], places[:, 0]] > 0.5).mean()) < 0.03


def test_hair_comes_and_goes_slowly(still: Any, face: Found, mesh: FaceMesh) -> None:
    """A wrong frame must not flicker."""
    chin = face.landmarks[152, :2].round().astype(int).tolist()
    covered = still.copy()
    cv2.circle(covered, (chin[0], chin[1] - 8), 24, (40, 40, 42), -1)
    row, column = view_of(still, face.landmarks).cells(np.array([[chin[0], chin[1] - 12]], np.float32))[0][
        ::-1
    ]
    occluder = OtherThanSkin(mesh)

    def shown(picture: Any) -> float:
        mask = occluder.cover(view_of(picture, face.landmarks))
        return 0.0 if mask is None else float(mask[round(float(row)), round(float(column))])

    assert shown(still) == 0
    rising = [shown(covered) for _ in range(12)]
    assert rising[0] < 0.6 and rising[-1] == 1 and rising == sorted(rising)
    occluder.drop_tracks({0})
    assert shown(still) == 0
