"""What every engine offers for the faces of one source, alone or in batches, and how sources are combined."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from faceswap.engine.planes import F32, Planes


class FaceSwapper(Protocol):
    """What puts a face onto another. All calls come from one thread."""

    def knows(self, track: int) -> bool: ...

    def meet(self, track: int, resting: F32) -> None:
        """A face is about to be swapped; `resting` is its (468, 3) shape without pose and expression."""
        ...

    def drop_tracks(self, tracks: set[int]) -> None:
        """These tracks have ended; what is kept about them can go."""
        ...

    def swap(self, planes: Planes, track: int, landmarks: F32) -> bool:
        """Change writable `planes` in place; False when nothing was changed."""
        ...


@dataclass(frozen=True, slots=True)
class FaceInFrame:
    """`planes` are those of its whole frame, writable."""

    planes: Planes
    track: int
    landmarks: F32


@runtime_checkable
class BatchSwapper(FaceSwapper, Protocol):
    """One that is faster with several faces together."""

    at_once: int
    """How many it likes to get; 1 when it does not matter."""

    def swap_all(self, faces: Sequence[FaceInFrame]) -> list[bool]:
        """As `swap`, for faces of one frame or several, in the order of the video."""
        ...


def swap_together(swapper: FaceSwapper, faces: Sequence[FaceInFrame]) -> list[bool]:
    """Swap faces of one frame or several; whether each was changed."""
    if isinstance(swapper, BatchSwapper):
        return swapper.swap_all(faces)
    return [swapper.swap(face.planes, face.track, face.landmarks) for face in faces]


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

    def drop_tracks(self, tracks: set[int]) -> None:
        for swapper in self._swappers.values():
            swapper.drop_tracks(tracks)

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
