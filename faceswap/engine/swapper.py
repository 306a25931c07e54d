"""The interface of swappers, which put a source face onto others, alone or in batches, and a swapper that
combines several sources."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import cv2
import numpy as np

from faceswap.engine.planes import F32, Planes, as_f32


class FaceSwapper(Protocol):
    """Puts one source face onto target faces. All calls come from one thread."""

    def knows(self, track: int) -> bool: ...

    def meet(self, track: int, resting: F32) -> None:
        """Prepare for the face of a new track. `resting` is its (468, 3) shape without pose or expression."""
        ...

    def drop_tracks(self, tracks: set[int]) -> None:
        """Forget these tracks: they have ended."""
        ...

    def swap(self, planes: Planes, track: int, landmarks: F32) -> bool:
        """Swap a face in place. `planes` must be writable. Returns False if nothing was changed."""
        ...


@dataclass(frozen=True, slots=True)
class Cover:
    """What lies before a face: `mask` (h, w) float32, 0..1, over a rectangle of the frame, in pixels."""

    x: int
    y: int
    width: int
    height: int
    mask: F32

    def on(self, x: int, y: int, width: int, height: int, size: tuple[int, int]) -> F32:
        """The mask over another rectangle of the frame, on a grid of `size` (columns, rows). It is 0 outside
        the mask's own rectangle.
        """
        columns, rows = self.mask.shape[1] / self.width, self.mask.shape[0] / self.height
        across, down = width / size[0], height / size[1]
        to_mask = np.array(
            [
                [across * columns, 0, (x + across / 2 - self.x) * columns - 0.5],
                [0, down * rows, (y + down / 2 - self.y) * rows - 0.5],
            ],
            np.float32,
        )
        return as_f32(cv2.warpAffine(self.mask, to_mask, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP))


@dataclass(frozen=True, slots=True)
class FaceInFrame:
    """A face to swap. `planes` are those of its whole frame, and writable. `landmarks` are (478, 3)."""

    planes: Planes
    track: int
    landmarks: F32
    cover: Cover | None = None
    """What lies before the face. The light of the face is not measured there."""


@runtime_checkable
class BatchSwapper(FaceSwapper, Protocol):
    """A swapper that is faster with several faces together."""

    at_once: int
    """The number of faces with which it is fastest; 1 if the number does not matter."""

    def swap_all(self, faces: Sequence[FaceInFrame]) -> list[bool]:
        """As `swap`, for faces of one or more frames in the order of the video. One bool for each face."""
        ...


class SwapperAround(ABC):
    """A `BatchSwapper` that runs another swapper. A subclass says in `swap_all` what it adds."""

    def __init__(self, swapper: FaceSwapper) -> None:
        self._swapper = swapper
        self.at_once = swapper.at_once if isinstance(swapper, BatchSwapper) else 1

    def knows(self, track: int) -> bool:
        return self._swapper.knows(track)

    def meet(self, track: int, resting: F32) -> None:
        self._swapper.meet(track, resting)

    def drop_tracks(self, tracks: set[int]) -> None:
        self._swapper.drop_tracks(tracks)

    def swap(self, planes: Planes, track: int, landmarks: F32) -> bool:
        return self.swap_all([FaceInFrame(planes, track, landmarks)])[0]

    @abstractmethod
    def swap_all(self, faces: Sequence[FaceInFrame]) -> list[bool]: ...


def swap_together(swapper: FaceSwapper, faces: Sequence[FaceInFrame]) -> list[bool]:
    """Swap faces of one or more frames. Returns for each face whether it was changed."""
    if isinstance(swapper, BatchSwapper):
        return swapper.swap_all(faces)
    return [swapper.swap(face.planes, face.track, face.landmarks) for face in faces]


class EachItsOwn:
    """A `BatchSwapper` that passes each track on to the swapper of its own source.

    `face_of` returns the key in `swappers` of a track. It must return the same key as long as a track lasts.
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
