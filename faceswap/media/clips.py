"""Writes a video from pictures that the app drew itself."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt


def write_clip(path: Path, pictures: Iterable[npt.NDArray[np.uint8]], fps: int) -> None:
    """Write H.264 in MP4 without sound.

    All pictures have the same size with even sides. Each is (H, W, 3) uint8 RGB.
    """
    container: Any = av.open(str(path), "w", options={"movflags": "+faststart"})
    with container as out:
        stream = out.add_stream("libx264", rate=fps, options={"crf": "20", "preset": "veryfast"})
        for index, picture in enumerate(pictures):
            if index == 0:
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))
