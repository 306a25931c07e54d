"""What the finders of occluders look at, and the interface that each of them has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from faceswap.engine.mesh.paste import Box
from faceswap.engine.planes import F32, Planes


@dataclass(frozen=True, slots=True)
class FaceView:
    """One face of a frame that has not been swapped yet."""

    planes: Planes
    """The whole frame."""
    track: int
    landmarks: F32
    """(478, 3), in pixels of the frame."""
    box: Box
    """The part of the frame that the swap may change."""
    grid: tuple[int, int]
    """Columns and rows of the mask over the box."""

    def cells(self, points: F32) -> F32:
        """Convert (N, 2) pixels of the frame to cells of the mask."""
        return self.box.cells(points, self.grid)


class Occluder(Protocol):
    """Finds one kind of thing that lies before faces: hands, hair, glasses. It is called from one thread,
    with the frames in the order of the video, and may remember each track.

    A network that finds occluders or parses faces is one more of these.
    """

    def cover(self, view: FaceView) -> F32 | None:
        """(rows, columns) of `view.grid`: how much of a cell is covered, 0..1. None if nothing is."""
        ...

    def drop_tracks(self, tracks: set[int]) -> None:
        """Forget these tracks: they have ended."""
        ...
