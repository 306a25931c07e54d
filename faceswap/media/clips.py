"""A video out of pictures that we made ourselves."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt


def write_clip(path: Path, pictures: Iterable[npt.NDArray[np.uint8]], fps: int) -> None:
    """H.264 in MP4 without sound; each picture is (H, W, 3) RGB with even sides, all of the same size."""
    container: Any = av.open(str(path), "w", options={"movflags": "+faststart"})
    with container as out:
        stream = out.add_stream("libx264", rate=fps, options={"crf": "20", "preset": "veryfast"})
        for index, picture in enumerate(pictures):
            if index == 0:
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))
