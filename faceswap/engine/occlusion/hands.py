"""Hands before a face."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from faceswap.engine.face.landmarks import region_of
from faceswap.engine.occlusion.edges import snapped
from faceswap.engine.occlusion.hand_model import (
    FINGERS,
    INDEX_ROOT,
    LITTLE_ROOT,
    MIDDLE_ROOT,
    RING_ROOT,
    THUMB_ROOT,
    WRIST,
    Hand,
    HandModel,
)
from faceswap.engine.occlusion.surroundings import Surroundings
from faceswap.engine.occlusion.view import FaceView
from faceswap.engine.planes import F32, U8, Region, as_f32

_PRESENCE = 0.5
_FITTED = 3
"""A new hand is measured so many times again, each time in the region of its landmarks."""
_HANDS = 2
"""So many hands are followed before one face."""
_SEARCHED, _LOWER = 2.2, 0.25
"""Side of the searched square and its shift towards the chin, in sides of the face's region."""
_NEAR = 0.3
"""A hand is followed while a point of it is this close to the box around the face, in sides of the box."""
_SAME_HAND = 0.35
"""Regions whose centres are closer than this show the same hand, in sides of the larger one."""
_SIZES = (0.25, 2.5)
"""Smallest and largest extent of a hand, in sides of the face's region."""
_FINGER_OF_WIDTH, _FINGER_OF_LENGTH = 0.36, 0.27
"""Width of a finger, as a share of the palm's width and of its length. The larger one counts, because a hand
seen from the side has no width."""
_WRIST_WIDTH = 0.75
"""As a share of the palm's width or length."""
_FOREARM = 0.5
"""Length of the forearm that is kept, as a share of the palm's length."""


@dataclass(slots=True)
class _State:
    hands: list[Hand] = field(default_factory=list[Hand])
    surroundings: Surroundings = field(default_factory=Surroundings)


class Hands:
    """An `Occluder` that follows hands near faces.

    The palm detector runs when the picture around the face has changed, and once in a while. Only while a
    hand is near, the landmark model runs on each frame.
    """

    def __init__(self, model: HandModel) -> None:
        self._model = model
        self._tracks: dict[int, _State] = {}

    def drop_tracks(self, tracks: set[int]) -> None:
        for track in tracks:
            self._tracks.pop(track, None)

    def cover(self, view: FaceView) -> F32 | None:
        state = self._tracks.setdefault(view.track, _State())
        face = region_of(view.landmarks)
        found: list[Hand] = []
        for hand in state.hands:
            self._add(found, view, face, self._model.find(view.planes, hand.region))
        around = _around(face)
        if len(found) < _HANDS and state.surroundings.may_show_a_hand(view.planes, around, view.landmarks):
            for region in self._model.search(view.planes, around):
                if len(found) < _HANDS and not any(_same(region, hand.region) for hand in found):
                    self._add(found, view, face, self._first(view, region))
        state.hands = found
        near = [hand for hand in found if _distance(view, hand) <= 0]
        if not near:
            return None
        mask = np.zeros(view.grid[::-1], np.uint8)
        for hand in near:
            _draw(mask, view.cells(hand.points))
        return snapped(as_f32(mask), view)

    def _first(self, view: FaceView, region: Region) -> Hand:
        """The hand in a region that the palm detector found. The hand's own region fits better."""
        hand = self._model.find(view.planes, region)
        for _ in range(_FITTED):
            if hand.presence < _PRESENCE:
                break
            hand = self._model.find(view.planes, hand.region)
        return hand

    def _add(self, found: list[Hand], view: FaceView, face: Region, hand: Hand) -> None:
        if hand.presence < _PRESENCE or _distance(view, hand) > _NEAR:
            return
        if not _SIZES[0] < float(np.ptp(hand.points, axis=0).max()) / face.side < _SIZES[1]:
            return
        if not any(_same(hand.region, other.region) for other in found):
            found.append(hand)


def _same(one: Region, other: Region) -> bool:
    return float(np.hypot(one.x - other.x, one.y - other.y)) < _SAME_HAND * max(one.side, other.side)


def _around(face: Region) -> Region:
    down = _LOWER * face.side
    return Region(
        face.x - down * float(np.sin(face.angle)),
        face.y + down * float(np.cos(face.angle)),
        _SEARCHED * face.side,
        face.angle,
    )


def _distance(view: FaceView, hand: Hand) -> float:
    """Distance of the hand from the box around the face, in sides of the box; 0 if a point lies inside."""
    box = view.box
    low = np.array([box.x, box.y], np.float32)
    high = low + np.array([box.width, box.height], np.float32)
    outside = np.maximum(np.maximum(low - hand.points, hand.points - high), 0)
    return float(np.hypot(outside[:, 0], outside[:, 1]).min()) / max(box.width, box.height)


def _draw(mask: U8, points: F32) -> None:
    """Draw a hand into a mask. `points` are (21, 2) in cells of the mask."""
    length = float(np.hypot(*(points[MIDDLE_ROOT] - points[WRIST])))
    width = float(np.hypot(*(points[INDEX_ROOT] - points[LITTLE_ROOT])))
    thick = max(2, round(max(_FINGER_OF_WIDTH * width, _FINGER_OF_LENGTH * length)))
    palm = points[[WRIST, THUMB_ROOT, INDEX_ROOT, MIDDLE_ROOT, RING_ROOT, LITTLE_ROOT]]
    cv2.fillConvexPoly(mask, cv2.convexHull(palm.round().astype(np.int32)), 1)
    back = points[WRIST] + _FOREARM * (points[WRIST] - points[MIDDLE_ROOT])
    forearm = np.stack([points[WRIST], back])
    wrist = max(2, round(_WRIST_WIDTH * max(width, length)))
    cv2.polylines(mask, [forearm.round().astype(np.int32)], False, 1, wrist)
    outline = points[[WRIST, INDEX_ROOT, MIDDLE_ROOT, RING_ROOT, LITTLE_ROOT]]
    cv2.polylines(mask, [outline.round().astype(np.int32)], True, 1, thick)
    for finger in FINGERS:
        cv2.polylines(mask, [points[list(finger)].round().astype(np.int32)], False, 1, thick)
