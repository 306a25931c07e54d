"""What a video consists of while it is processed: frames of planes, and packets of sound."""

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
    """One decoded picture of 8-bit 4:2:0 with even sides. `time_s` counts from the first frame."""

    video: av.VideoFrame
    time_s: float

    def planes(self) -> tuple[Plane, Plane, Plane]:
        """Views of Y (H, W), U and V (H/2, W/2); write to them only after `make_writable`."""
        y, u, v = (
            np.frombuffer(cast("bytes", plane), np.uint8).reshape(-1, plane.line_size)[
                : plane.height, : plane.width
            ]
            for plane in self.video.planes
        )
        return y, u, v

    def last_at_least(self, duration_s: float) -> None:
        """Show the frame for at least this long: it replaces later frames that were left out."""
        base = self.video.time_base or Fraction(1, 90_000)
        self.video.duration = max(self.video.duration or 0, round(duration_s / base))

    def make_writable(self) -> None:
        """Copy the pixels if the decoder still needs them as reference."""
        self.video.make_writable()


@dataclass(frozen=True, slots=True)
class AudioPacket:
    """One encoded packet of audio track number `track`."""

    packet: Any
    track: int
