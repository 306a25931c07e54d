"""Follows faces from frame to frame. The landmark model does it alone; the detector runs when needed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from faceswap.engine.face.landmarks import Found, Landmarker, same_face
from faceswap.engine.planes import U8, Planes, Region, as_u8

_PRESENCE_TO_BEGIN = 0.97
"""All but one in 150 real faces reach it. A wood or a cloud may exceed 0.9 for a moment."""
_PRESENCE_TO_STAY = 0.5
_LOOK_EVERY = 5
"""Frames between two detections while faces may be missing."""
_LOOK_CLOSELY_EVERY = 20
"""Frames between two detections with tiles, which take twenty times as long."""
_LARGER = 1.4
"""If one face is followed, a face that is this many times larger replaces it."""
_MEMORY_FRAMES = 10
"""A face that comes back within so many frames at the same place keeps its track."""
_SEARCHED_FRAMES = 45
"""For so many frames, a lost face is looked for around the place where it was."""
_SEARCHED_AROUND = 3.0
"""Side of the searched area, divided by the side of the face's region."""
_CHANGE_LUMA = 28.0
"""Above this mean change of luma, there may be a cut between two frames, or the camera moves fast."""
_SAME_LOOK = 0.75
"""Two thumbnails whose correlation is above this show the same face in the same shot."""
_SAME_SIZE = 1.25
"""Largest ratio of a face's sizes in two frames of one shot."""
_PRESENCE_AFTER_CHANGE = 0.9
_REPEAT_LUMA = 0.6
_STILL_LUMA = 5.0
_UNMEASURED_AT_MOST = 2
"""Most frames in a row in which a still face is not measured. Smoothing looks three frames ahead and back,
and must find measured frames on both sides."""
_THUMBNAIL = (48, 48)
_FACE_IN_VIEW = np.hypot(*np.meshgrid((np.arange(48) - 23.5) / 17, (np.arange(48) - 23.5) / 21)) < 1
"""(48, 48) bool: the part of a thumbnail that the face itself fills."""


@dataclass(frozen=True, slots=True)
class Tracked:
    """A face of one frame. `track` is a number that stays the same as long as the face is followed."""

    track: int
    found: Found
    measured: bool = True
    """False if the face hardly moved and the landmarks of an earlier frame were reused."""


@dataclass(slots=True)
class _Followed:
    track: int
    found: Found
    """The face as it was last measured."""
    view: U8
    """Thumbnail of the face and its surroundings at that time."""
    unmeasured: int = 0
    """Frames since that time."""


class Tracker:
    """Follows the faces of one video, whose frames it gets in order. Not for use by two threads at once.

    It follows `most` faces at once; if `most` is 1, it follows the largest. `upright` is as for
    `Landmarker.detect`.
    """

    def __init__(self, landmarker: Landmarker, most: int = 1, upright: float = 0.0) -> None:
        self._landmarker = landmarker
        self._most = most
        self._upright = upright
        self._followed: list[_Followed] = []
        self._lost: list[tuple[int, int, Region]] = []
        self._frame = -1
        self._next = 0
        self._scene: U8 | None = None
        self._previous: U8 | None = None
        self._usual_change: float | None = None

    def __call__(self, planes: Planes) -> tuple[list[Tracked], bool]:
        """The faces of the next frame, and whether the frame repeats the one before it.

        Videos often show a picture for two frames, for example after pulldown from film. For a repeat nothing
        is computed and the landmarks stay the same. The caller can then ignore repeats, so that smoothing
        does not mistake them for a face that stops moving.
        """
        self._frame += 1
        changed = self._has_changed(planes)
        if changed:
            self._followed = self._recognised(planes)
            self._lost = []
        repeat = bool(self._followed) and not changed and self._is_repeat(planes)
        if not repeat:
            self._follow(planes, closely=changed)
            self._previous = self._first_view(planes)
        faces = [Tracked(one.track, one.found, one.unmeasured == 0) for one in self._followed]
        return faces, repeat

    def _recognised(self, planes: Planes) -> list[_Followed]:
        """The followed faces that are still there after the picture has changed a lot.

        After a fast move of the camera, they are still there. After a cut there are none, or they look
        different.
        """
        if not self._followed:
            return []
        regions = [region for _, region in self._landmarker.detect(planes, self._upright)]
        kept: list[_Followed] = []
        for one in self._followed:
            for region in (one.found.region, *regions):
                found = self._landmarker.find(planes, region)
                if found.presence < _PRESENCE_TO_STAY:
                    continue
                found = self._landmarker.find(planes, found.region)  # its own region fits better
                view = _view(planes, found.region)
                if (
                    found.presence >= _PRESENCE_AFTER_CHANGE
                    and 1 / _SAME_SIZE < found.height / one.found.height < _SAME_SIZE
                    and _look_alike(view, one.view)
                    and not any(same_face(found.region, other.found.region) for other in kept)
                ):
                    kept.append(_Followed(one.track, found, view))
                    break
        return kept

    def _follow(self, planes: Planes, closely: bool) -> None:
        """Measure the followed faces in this frame, and look for others when it is time.

        `closely` means that the picture has changed and `_recognised` has already measured the faces.
        """
        kept: list[_Followed] = []
        before = len(self._followed)
        for one in self._followed:
            if closely:  # `_recognised` has measured it in this frame
                kept.append(one)
                continue
            if one.unmeasured < _UNMEASURED_AT_MOST and self._is_still(planes, one):
                one.unmeasured += 1
                kept.append(one)
                continue
            found = self._landmarker.find(planes, one.found.region)
            taken = any(same_face(found.region, other.found.region) for other in kept)
            if found.presence >= _PRESENCE_TO_STAY and not taken:
                kept.append(_Followed(one.track, found, _view(planes, found.region)))
            else:
                self._lost.append((self._frame, one.track, one.found.region))
        self._lost = [entry for entry in self._lost if self._frame - entry[0] <= _SEARCHED_FRAMES]
        must = closely or self._lost or self._must_look(len(kept), before)
        self._followed = self._look(planes, kept, closely) if must else kept

    def _must_look(self, followed: int, before: int) -> bool:
        if followed == 0 or followed < before:
            return True
        every = _LOOK_EVERY if followed < self._most else _LOOK_CLOSELY_EVERY
        return self._frame % every == 0

    def _look(self, planes: Planes, kept: list[_Followed], closely: bool) -> list[_Followed]:
        closely = len(kept) < self._most and (closely or self._frame % _LOOK_CLOSELY_EVERY == 0)
        detect = self._landmarker.detect_small if closely else self._landmarker.detect
        regions = [region for _, region in detect(planes, self._upright)]
        if len(kept) < self._most and not closely:
            regions += self._around_lost(planes, regions)
        for region in sorted(regions, key=lambda region: -region.side):
            if any(same_face(region, one.found.region) for one in kept):
                continue
            if len(kept) == self._most:
                if self._most > 1 or region.side < _LARGER * kept[0].found.region.side:
                    continue
                kept = []
            found = self._landmarker.find(planes, region)
            if found.presence < _PRESENCE_TO_STAY:
                continue
            found = self._landmarker.find(planes, found.region)  # fits better than the detection's region
            if found.presence >= _PRESENCE_TO_BEGIN:
                view = _view(planes, found.region)
                kept = [*kept, _Followed(self._number_of(found.region), found, view)]
        return kept

    def _around_lost(self, planes: Planes, seen: list[Region]) -> list[Region]:
        """Look for lost faces around the places where they were. The detector misses small faces when it
        searches the whole frame.
        """
        found: list[Region] = []
        for _, _, place in self._lost:
            if any(same_face(place, region) for region in seen):
                continue
            around = replace(place, side=_SEARCHED_AROUND * place.side, angle=self._upright)
            found += [region for _, region in self._landmarker.detect_within(planes, around)]
        return found

    def _number_of(self, region: Region) -> int:
        """The track of the lost face that was at this place not long ago, or a new number."""
        for entry in self._lost:
            if same_face(entry[2], region):
                self._lost.remove(entry)
                if self._frame - entry[0] <= _MEMORY_FRAMES:
                    return entry[1]
                break
        self._next += 1
        return self._next - 1

    def _has_changed(self, planes: Planes) -> bool:
        """Whether the picture differs a lot from the one before it."""
        step_y, step_x = max(1, planes.height // 32), max(1, planes.width // 32)
        scene = planes.y[::step_y, ::step_x].copy()
        before, self._scene = self._scene, scene
        if before is None or before.shape != scene.shape:
            return False
        return float(cv2.absdiff(scene, before).mean()) > _CHANGE_LUMA

    def _is_repeat(self, planes: Planes) -> bool:
        view, before = self._first_view(planes), self._previous
        if view is None or before is None or before.shape != view.shape:
            return False
        change = float(cv2.absdiff(view, before).mean())
        usual = change if self._usual_change is None else self._usual_change
        if change < _REPEAT_LUMA and change < 0.3 * usual:
            return True
        self._usual_change = usual + 0.15 * (change - usual)
        return False

    def _first_view(self, planes: Planes) -> U8 | None:
        return _view(planes, self._followed[0].found.region) if self._followed else None

    def _is_still(self, planes: Planes, one: _Followed) -> bool:
        """Whether the face has hardly moved since it was measured, judged by the luma of its thumbnail.

        True means that nothing in it moved more than a tenth of a thumbnail's pixel. That is less than half a
        percent of the distance between the eyes.
        """
        if one.view.size == 0:
            return False
        now = cv2.blur(_view(planes, one.found.region), (2, 2))
        return float(cv2.absdiff(now, cv2.blur(one.view, (2, 2))).max()) < _STILL_LUMA


def _view(planes: Planes, region: Region) -> U8:
    """(48, 48) luma thumbnail of a face and its surroundings; (0, 0) if it lies outside the frame."""
    reach = region.side / 3
    x0, y0 = max(0, int(region.x - reach)), max(0, int(region.y - reach))
    x1, y1 = min(planes.width, int(region.x + reach)), min(planes.height, int(region.y + reach))
    if x1 - x0 < 8 or y1 - y0 < 8:
        return np.zeros((0, 0), np.uint8)
    return as_u8(cv2.resize(planes.y[y0:y1, x0:x1], _THUMBNAIL, interpolation=cv2.INTER_AREA))


def _look_alike(one: U8, other: U8) -> bool:
    """Whether two thumbnails show the same face. The surroundings and the brightness do not matter."""
    if not one.size or not other.size:
        return False
    first, second = (view.astype(np.float32)[_FACE_IN_VIEW] for view in (one, other))
    first, second = first - first.mean(), second - second.mean()
    strength = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) > _SAME_LOOK * strength
