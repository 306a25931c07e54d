"""The parts of a video during processing: decoded frames and packets of sound."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.uint8]
"""(H, W) uint8."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded picture in 8-bit YUV 4:2:0 with even sides. `time_s` counts from the first frame."""

    video: av.VideoFrame
    time_s: float
    swapped: bool = False
    """Whether a face in it was swapped."""

    def planes(self) -> tuple[Plane, Plane, Plane]:
        """Views of Y (H, W), U and V (H/2, W/2), all uint8. Call `make_writable` before you write to them."""
        y, u, v = (
            np.frombuffer(cast("bytes", plane), np.uint8).reshape(-1, plane.line_size)[
                : plane.height, : plane.width
            ]
            for plane in self.video.planes
        )
        return y, u, v

    def last_at_least(self, duration_s: float) -> None:
        """Show the frame for at least `duration_s`, because the frames after it were left out."""
        base = self.video.time_base or Fraction(1, 90_000)
        self.video.duration = max(self.video.duration or 0, round(duration_s / base))

    def make_writable(self) -> None:
        """Copy the pixels if the decoder still needs them to decode other frames."""
        self.video.make_writable()


@dataclass(frozen=True, slots=True)
class AudioPacket:
    """One encoded packet of audio track number `track`."""

    packet: Any
    track: int
