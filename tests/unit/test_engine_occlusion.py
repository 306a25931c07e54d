"""What lies before a face is kept before the swapped face, with any engine."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from faceswap.engine.face.landmarks import Landmarker
from faceswap.engine.mesh.paste import box_around
from faceswap.engine.occlusion import KeepingOccluders
from faceswap.engine.occlusion.hand_model import Hand, HandModel
from faceswap.engine.occlusion.hands import Hands
from faceswap.engine.occlusion.view import FaceView
from faceswap.engine.planes import F32, Planes, Region
from faceswap.engine.swapper import Cover, FaceInFrame
from tests.downloads import hand_model_path
from tests.judge import pictures

HAND_AT = 116
"""Frame of `occluded_video` with a hand before the face."""
HAND = [
    *((330, 304), (355, 253), (386, 220), (411, 187), (423, 175), (435, 184), (448, 202), (447, 217)),
    *((435, 253), (419, 289), (404, 319), (424, 296), (452, 276), (470, 253), (473, 268), (465, 281)),
    *((447, 309), (427, 345), (422, 359), (330, 359)),
]
"""The hand's outline in that frame, drawn by eye, in pixels."""


def planes_of(picture: Any) -> Planes:
    return Planes.from_rgb(np.ascontiguousarray(picture))


def view_of(planes: Planes, landmarks: F32, track: int = 0) -> FaceView:
    box = box_around(planes, landmarks)
    assert box is not None
    return FaceView(planes, track, landmarks, box, box.grid(224))


@pytest.fixture(scope="module")
def landmarker(landmark_model: Path) -> Landmarker:
    return Landmarker(landmark_model)


@pytest.fixture(scope="module")
def hand_clip(occluded_video: Path) -> list[Any]:
    """12 frames around `HAND_AT`, which is the first."""
    return pictures(occluded_video)[HAND_AT : HAND_AT + 12]


def kept_by(mask: F32 | None, view: FaceView, landmarks: F32, outline: Sequence[tuple[int, int]]) -> float:
    """Share of an outlined area within the face that a mask keeps."""
    if mask is None:
        return 0.0
    cells = view.cells(np.array(outline, np.float32)).round().astype(np.int32)
    wanted = np.zeros(mask.shape, np.uint8)
    cv2.fillPoly(wanted, [cells], 1)
    inner = cv2.erode(wanted, np.ones((5, 5), np.uint8))
    return float((mask[inner > 0] > 0.9).mean())


def test_a_hand_is_kept_and_the_face_beside_it_is_not(landmarker: Landmarker, hand_clip: list[Any]) -> None:
    planes = planes_of(hand_clip[0])
    landmarks = landmarker.find_all(planes)[0].landmarks
    view = view_of(planes, landmarks)
    mask = Hands(HandModel(hand_model_path())).cover(view)
    assert kept_by(mask, view, landmarks, HAND) >= 0.95
    forehead_and_cheek = view.cells(landmarks[[10, 151, 280, 352], :2]).round().astype(int)
    assert mask is not None and float(mask[forehead_and_cheek[:, 1], forehead_and_cheek[:, 0]].max()) == 0


class Counting(HandModel):
    """Counts the runs of both networks."""

    def __init__(self, model: Path) -> None:
        super().__init__(model)
        self.searches = self.finds = 0

    def search(self, planes: Planes, view: Region) -> list[Region]:
        self.searches += 1
        return super().search(planes, view)

    def find(self, planes: Planes, region: Region) -> Hand:
        self.finds += 1
        return super().find(planes, region)


def test_a_hand_is_followed_over_a_clip(landmarker: Landmarker, hand_clip: list[Any]) -> None:
    model = Counting(hand_model_path())
    hands, region, seen = Hands(model), None, []
    for picture in hand_clip:
        planes = planes_of(picture)
        face = landmarker.find(planes, region) if region else landmarker.find_all(planes)[0]
        region = face.region
        seen.append(hands.cover(view_of(planes, face.landmarks)) is not None)
    assert all(seen)
    assert model.finds >= len(hand_clip)


def test_without_a_hand_only_the_search_costs_and_seldom(landmarker: Landmarker, face_video: Path) -> None:
    planes = planes_of(pictures(face_video, 60)[0])
    face = landmarker.find_all(planes)[0]
    model = Counting(hand_model_path())
    hands = Hands(model)
    frames = 45
    assert not any(hands.cover(view_of(planes, face.landmarks)) is not None for _ in range(frames))
    assert (model.finds, model.searches) == (0, frames // 15)


@pytest.mark.parametrize("like_skin", [True, False], ids=["skin", "anything"])
def test_what_comes_near_the_face_starts_a_search(
    landmarker: Landmarker, face_video: Path, like_skin: bool
) -> None:
    """At once if it has the colour of the face's skin, else within six frames."""
    picture = np.ascontiguousarray(pictures(face_video, 60)[0])
    face = landmarker.find_all(planes_of(picture))[0]
    model = Counting(hand_model_path())
    hands = Hands(model)
    for _ in range(6):
        hands.cover(view_of(planes_of(picture), face.landmarks))
    assert model.searches == 1
    cheek = face.landmarks[50, :2].astype(int)
    colour = picture[cheek[1], cheek[0]] if like_skin else np.array([30, 160, 60])
    picture[-60:, 200:320] = colour
    for _ in range(1 if like_skin else 6):
        hands.cover(view_of(planes_of(picture), face.landmarks))
    assert model.searches == 2


def test_a_track_that_ended_is_forgotten(landmarker: Landmarker, hand_clip: list[Any]) -> None:
    planes = planes_of(hand_clip[0])
    view = view_of(planes, landmarker.find_all(planes)[0].landmarks)
    model = Counting(hand_model_path())
    hands = Hands(model)
    hands.cover(view)
    hands.drop_tracks({0})
    hands.cover(view)
    assert model.searches == 2


@dataclass
class Painter:
    """A swapper that paints whole frames white, and keeps the faces that it got."""

    at_once: int = 1
    got: list[FaceInFrame] = field(default_factory=list[FaceInFrame])
    dropped: set[int] = field(default_factory=set[int])
    paints: bool = True

    def knows(self, track: int) -> bool:
        return track == 7

    def meet(self, track: int, resting: F32) -> None: ...

    def drop_tracks(self, tracks: set[int]) -> None:
        self.dropped |= tracks

    def swap(self, planes: Planes, track: int, landmarks: F32) -> bool:
        return self.swap_all([FaceInFrame(planes, track, landmarks)])[0]

    def swap_all(self, faces: Sequence[FaceInFrame]) -> list[bool]:
        self.got += faces
        for face in faces:
            for plane in (face.planes.y, face.planes.u, face.planes.v) if self.paints else ():
                plane[:] = 255
        return [self.paints for _ in faces]


@dataclass
class LeftHalf:
    """Covers the left half of each face."""

    dropped: set[int] = field(default_factory=set[int])

    def cover(self, view: FaceView) -> F32 | None:
        mask = np.zeros(view.grid[::-1], np.float32)
        mask[:, : view.grid[0] // 2] = 1
        return mask

    def drop_tracks(self, tracks: set[int]) -> None:
        self.dropped |= tracks


def noise_and_face() -> tuple[Planes, F32]:
    """Noise of 160 x 120 pixels, and landmarks of a face in its middle."""
    random = np.random.default_rng(4)
    planes = planes_of(random.integers(0, 200, (120, 160, 3), np.uint8))
    turn = np.linspace(0, 2 * np.pi, 478, endpoint=False)
    return planes, np.stack([80 + 30 * np.cos(turn), 60 + 40 * np.sin(turn), 0 * turn], 1).astype(np.float32)


def test_covered_pixels_are_put_back_exactly_and_all_others_are_swapped() -> None:
    planes, landmarks = noise_and_face()
    before = [plane.copy() for plane in (planes.y, planes.u, planes.v)]
    painter = Painter()
    assert KeepingOccluders(painter, [LeftHalf()]).swap(planes, 0, landmarks)
    assert np.array_equal(planes.y[50:70, 60:76], before[0][50:70, 60:76])
    assert np.array_equal(planes.u[25:35, 30:38], before[1][25:35, 30:38])
    assert np.array_equal(planes.v[25:35, 30:38], before[2][25:35, 30:38])
    assert (planes.y[50:70, 86:] == 255).all()
    cover = painter.got[0].cover
    assert cover is not None and cover.mask.shape[0] > 60


def test_a_face_that_was_not_swapped_is_not_touched() -> None:
    planes, landmarks = noise_and_face()
    painter = Painter(paints=False)
    kept = KeepingOccluders(painter, [LeftHalf()])
    planes.y.setflags(write=False)
    assert kept.swap_all([FaceInFrame(planes, 0, landmarks)]) == [False]


def test_what_ended_is_forgotten_by_all_parts() -> None:
    painter, occluder = Painter(at_once=4), LeftHalf()
    kept = KeepingOccluders(painter, [occluder])
    assert (kept.at_once, kept.knows(7), kept.knows(8)) == (4, True, False)
    kept.drop_tracks({3})
    assert painter.dropped == occluder.dropped == {3}


def test_a_cover_is_read_on_any_grid() -> None:
    mask = np.zeros((10, 20), np.float32)
    mask[:, 10:] = 1
    cover = Cover(40, 20, 80, 40, mask)
    assert np.array_equal(cover.on(40, 20, 80, 40, (20, 10)), mask)
    halves = cover.on(40, 20, 80, 40, (8, 4))
    assert (halves[:, :3] == 0).all() and (halves[:, 5:] == 1).all()
    assert (cover.on(200, 200, 40, 40, (5, 5)) == 0).all()
