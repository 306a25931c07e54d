"""Turns animated GIF, WebP and PNG files into videos."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image, ImageSequence

from faceswap.errors import TooLong, TooManyFrames
from faceswap.media.kinds import Limits, damage_is_bad_media, sniff
from faceswap.media.pictures import on_white

_CLOCK = Fraction(1, 1000)
_SHORTEST_MS, _USUAL_MS = 11, 100
"""A browser shows a frame for `_USUAL_MS` if the file asks for less than `_SHORTEST_MS`."""
_LEAST_PX = 2
_BT601, _BT709, _LIMITED_RANGE, _FULL_RANGE, _SCALER_BT601 = 6, 1, 1, 2, 5
_FRAME_DURATION = 1 << 8  # AV_CODEC_FLAG_FRAME_DURATION


def write_animation(source: Path, target: Path, limits: Limits) -> None:
    """Write an animation as H.264 in MP4, with the durations of its frames.

    Transparent parts become white. The last row or column is left out when the number of rows or columns is
    odd. The video shows the loop once.

    Raises:
        BadMedia: damaged, or over the limits of a video.
    """
    with damage_is_bad_media(), Image.open(source, formats=(sniff(source)[1],)) as image:
        limits.check_video(*image.size, None, getattr(image, "n_frames", 1))
        container: Any = av.open(
            str(target.absolute()), "w", format="mp4", options={"movflags": "+faststart"}
        )
        with container as out:
            stream = out.add_stream("libx264", rate=25, options={"crf": "12", "preset": "veryfast"})
            codec = stream.codec_context
            codec.time_base, codec.pix_fmt = _CLOCK, "yuv420p"
            codec.width, codec.height = (max(_LEAST_PX, side & ~1) for side in image.size)
            codec.color_range, codec.colorspace = _LIMITED_RANGE, _BT601
            codec.color_primaries = codec.color_trc = _BT709
            codec.flags |= _FRAME_DURATION
            now_ms = 0
            for number, shown in enumerate(ImageSequence.Iterator(image), 1):
                if number > limits.max_frames:
                    raise TooManyFrames(limit=limits.max_frames)
                frame = _frame(shown, codec.width, codec.height)
                lasts_ms = _lasts_ms(shown)  # Pillow knows it for WebP only after decoding
                frame.pts, frame.duration, frame.time_base = now_ms, lasts_ms, _CLOCK
                now_ms += lasts_ms
                if now_ms > limits.max_duration_s * 1000:
                    raise TooLong(duration_s=now_ms / 1000, limit_s=limits.max_duration_s)
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))


def _lasts_ms(shown: Image.Image) -> int:
    stated = round(float(shown.info.get("duration") or 0))
    return stated if stated >= _SHORTEST_MS else _USUAL_MS


def _frame(shown: Image.Image, width: int, height: int) -> av.VideoFrame:
    pixels = on_white(shown)
    pixels = np.pad(
        pixels, ((0, max(0, height - len(pixels))), (0, max(0, width - pixels.shape[1])), (0, 0)), "edge"
    )
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels[:height, :width]), format="rgb24")
    return frame.reformat(
        format="yuv420p",
        dst_colorspace=_SCALER_BT601,
        src_color_range=_FULL_RANGE,
        dst_color_range=_LIMITED_RANGE,
    )
