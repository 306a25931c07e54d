"""Which source goes onto which face of the target."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from faceswap.engine.landmarks import Face
from faceswap.engine.planes import F32, Planes
from faceswap.engine.video import BatchSwapper, FaceInFrame, FaceSwapper, swap_together
from faceswap.errors import UnknownFace

ONLY = ""
"""The key of the source that goes onto the largest face, or onto all."""


def face_id(number: int) -> str:
    return f"face_{number}"


def reading_order(boxes: Sequence[Face]) -> list[int]:
    """Indices from top to bottom, in each row from left to right. A face belongs to the row of the highest
    one left when the middle of its height lies within that one's: heads in a row are never quite level.
    """
    left = sorted(range(len(boxes)), key=lambda index: (boxes[index].y, boxes[index].x))
    ordered: list[int] = []
    while left:
        top, bottom = boxes[left[0]].y, boxes[left[0]].y + boxes[left[0]].height
        row = {index for index in left if top <= boxes[index].y + boxes[index].height / 2 <= bottom}
        ordered += sorted(row, key=lambda index: boxes[index].x)
        left = [index for index in left if index not in row]
    return ordered


def chosen(faces: int, sources: Mapping[str, object]) -> dict[int, str]:
    """Which of so many numbered faces get a source, as numbers and keys of `sources`.

    Raises:
        UnknownFace: a source is for a face that is not there.
    """
    known = {face_id(number): number for number in range(faces)}
    for face in sources:
        if face not in known:
            raise UnknownFace(face=face)
    return {known[face]: face for face in sources}


class EachItsOwn:
    """A `FaceSwapper` that hands each track to the one of its face. `face_of` says which that is, as a key of
    `swappers`; it must not change while a track lasts.
    """

    def __init__(self, swappers: Mapping[str, FaceSwapper], face_of: Callable[[int], str]) -> None:
        self._swappers, self._face_of = swappers, face_of
        batches = [one for one in swappers.values() if isinstance(one, BatchSwapper)]
        self.at_once = max((one.at_once for one in batches), default=1)

    def knows(self, track: int) -> bool:
        return self._swappers[self._face_of(track)].knows(track)

    def meet(self, track: int, resting: F32) -> None:
        self._swappers[self._face_of(track)].meet(track, resting)

    def forget(self, tracks: set[int]) -> None:
        for swapper in self._swappers.values():
            swapper.forget(tracks)

    def swap(self, planes: Planes, track: int, landmarks: F32) -> bool:
        return self._swappers[self._face_of(track)].swap(planes, track, landmarks)

    def swap_all(self, faces: Sequence[FaceInFrame]) -> list[bool]:
        shares: dict[str, list[int]] = {}
        for number, face in enumerate(faces):
            shares.setdefault(self._face_of(face.track), []).append(number)
        done = [False] * len(faces)
        for name, numbers in shares.items():
            changed = swap_together(self._swappers[name], [faces[number] for number in numbers])
            for number, one in zip(numbers, changed, strict=True):
                done[number] = one
        return done
