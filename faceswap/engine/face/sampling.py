"""Samples frames over the length of a video, to learn about its faces before it is processed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from faceswap.errors import FaceSwapError
from faceswap.media import Frame, VideoReader


def spread_frames(reader: VideoReader, count: int, reach: int) -> Iterator[Frame]:
    """About `count` frames, spread over the length of the video.

    To reach each of them, at most `reach` frames are decoded from a key frame or from the frame before it. If
    the length is unknown, or the video cannot be seeked, the frames come from its beginning.
    """
    last = -1.0
    if not reader.duration_s:
        for _, frame in zip(range(count), reader.frames(), strict=False):
            yield frame
        return
    keys, frames = reader.key_times(), reader.frames()
    for time_s in np.linspace(0, max(0.0, reader.duration_s - 0.1), count).tolist():
        try:
            if not keys or any(last < key <= time_s for key in keys):
                reader.seek(time_s)
                frames = reader.frames()
            frame = next(_near(frames, time_s, reach), None)
        except FaceSwapError:
            return  # the samples so far are enough; real damage is reported when the whole video is read
        if frame is not None and frame.time_s > last:
            last = frame.time_s
            yield frame


def _near(frames: Iterator[Frame], time_s: float, reach: int) -> Iterator[Frame]:
    """The frame at `time_s`, or else the `reach`-th frame, which is close enough for a sample."""
    for number, frame in enumerate(frames, 1):
        if number >= reach or frame.time_s >= time_s - 0.02:
            yield frame
            return
