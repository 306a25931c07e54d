"""Reads a part of a video as if it were a whole one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from faceswap.errors import OutsideVideo
from faceswap.media.frames import AudioPacket, Frame
from faceswap.media.kinds import ROUNDING_S, Limits
from faceswap.media.reading import VideoReader

_INTERLEAVED_S = 2.0
"""The sound of a moment may come this much later in the file than its frame."""


class ExcerptReader(VideoReader):
    """An open video. It yields only the frames and the sound from `start_s` to `end_s`.

    All times count from the start of the part: `Frame.time_s`, `duration_s`, `seek` and `key_times`. The
    reader starts to decode at the last key frame before the part.

    Raises:
        OutsideVideo: the video ends before the part begins.
        BadMedia: as `VideoReader`.
    """

    def __init__(self, path: Path, limits: Limits, start_s: float, end_s: float | None) -> None:
        """`start_s` and `end_s` are in seconds from the first frame; None means the end of the video."""
        self._from_s, self._to_s = start_s, end_s if end_s is not None else float("inf")
        self._placed = False
        """Whether somebody has called `seek`."""
        super().__init__(path, limits)
        whole_s = self.duration_s
        if whole_s is not None:
            if start_s >= whole_s:
                self.close()
                raise OutsideVideo(duration_s=whole_s)
            self.duration_s = min(whole_s, self._to_s) - start_s

    @property
    def start_s(self) -> float:
        if not self._from_s:
            return super().start_s
        return float(self._start * self.time_base) + self._from_s

    def __iter__(self) -> Iterator[Frame | AudioPacket]:
        """Yield the frames and audio packets of the part, in the order of the file.

        Raises: see `VideoReader`.
        """
        if self._from_s and not self._placed:
            self.seek(0)
        waiting = set(range(len(self.audio)))
        """The audio tracks whose packets of this part may still come."""
        for item in super().__iter__():
            if isinstance(item, AudioPacket):
                if self._time_of(item) >= self._to_s:
                    waiting.discard(item.track)
                elif self._is_heard(item):
                    yield item
            elif item.time_s < self._to_s - ROUNDING_S:
                if item.time_s >= self._from_s - ROUNDING_S:
                    yield self._counted(item)
            elif not waiting or item.time_s > self._to_s + _INTERLEAVED_S:
                return

    def sound(self) -> Iterator[AudioPacket]:
        """Yield the audio packets of the part. Raises: BadMedia."""
        return (item for item in super().sound() if self._is_heard(item))

    def _is_heard(self, item: AudioPacket) -> bool:
        return self._from_s - ROUNDING_S <= self._time_of(item) < self._to_s

    def frames(self) -> Iterator[Frame]:
        """Yield the frames of the part from the present position on. Raises: see `VideoReader`."""
        for frame in super().frames():
            if frame.time_s >= self._to_s - ROUNDING_S:
                return
            if frame.time_s >= self._from_s - ROUNDING_S:
                yield self._counted(frame)

    def key_times(self) -> list[float]:
        """The start of the part, and the times of its key frames in the file's index, in seconds. Empty if
        the file has no index."""
        keys = super().key_times()
        return [0.0] * bool(keys) + [key - self._from_s for key in keys if self._from_s < key < self._to_s]

    def seek(self, time_s: float) -> None:
        self._placed = True
        super().seek(self._from_s + max(0.0, time_s))

    def _counted(self, frame: Frame) -> Frame:
        return replace(frame, time_s=max(0.0, frame.time_s - self._from_s))

    def _time_of(self, item: AudioPacket) -> float:
        """The time of a packet in seconds from the first frame of the video."""
        packet = item.packet
        time = packet.pts if packet.pts is not None else packet.dts
        if time is None or packet.time_base is None:
            return self._from_s
        return float(time * packet.time_base - self._start * self.time_base)


def open_part(path: Path, limits: Limits, start_s: float = 0.0, end_s: float | None = None) -> VideoReader:
    """Open a video, or the part of it from `start_s` to `end_s`. Raises: see `ExcerptReader`."""
    if start_s <= 0 and end_s is None:
        return VideoReader(path, limits)
    return ExcerptReader(path, limits, start_s, end_s)
