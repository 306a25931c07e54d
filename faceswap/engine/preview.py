"""Makes one swapped frame, which shows the user what a swap would look like."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from faceswap.engine.engines import Engine
from faceswap.engine.face.mapping import ONLY
from faceswap.engine.marks.label import LabelLook, opening_stamp
from faceswap.engine.marks.marking import Label
from faceswap.engine.options import Options
from faceswap.engine.planes import U8, Planes
from faceswap.engine.selection import select
from faceswap.engine.sources import Sources
from faceswap.engine.whole import MANY
from faceswap.errors import NoFaceFound
from faceswap.media import Frame, Limits, VideoReader, open_part, read_picture

LONGEST_PX = 1280
_JPEG_QUALITY = 90
_PLACES = (0.5, 0.3, 0.7, 0.1, 0.9, 0.4, 0.6, 0.2, 0.8, 0.0)
"""Times at which to look for a frame with a face, in this order, as shares of the video's length."""


def preview(
    kind: Literal["image", "video"],
    sources: Mapping[str, Path],
    target: Path,
    model: Path,
    limits: Limits | None = None,
    options: Options | None = None,
    at_s: float | None = None,
    people: Path | None = None,
    engine: Engine | None = None,
    label: Label | None = None,
    hand_model: Path | None = None,
    recogniser: Path | None = None,
) -> bytes:
    """Swap one picture, or one frame of a video, and return it as JPEG.

    Of a video it takes the frame at `at_s` seconds, or the nearest one in the part that `options` names. With
    None it takes the first frame of those at `_PLACES` in which it can swap a face.

    Raises: as `swap_image` and `swap_video`.
    """
    limits, options = limits or Limits(), options or Options()
    cv2.setNumThreads(1)
    ready = Sources(sources, model, limits, options, engine, hand_model, recogniser)
    if kind == "image":
        picture = read_picture(target, limits)
        ready.swap_picture(picture, options)
    else:
        picture = _swapped_frame(ready, sources, target, limits, options, at_s, people)
    return _jpeg(picture, label)


def _swapped_frame(
    ready: Sources,
    sources: Mapping[str, Path],
    target: Path,
    limits: Limits,
    options: Options,
    at_s: float | None,
    kept: Path | None,
) -> U8:
    selection = select(target, limits, ready.landmarker, ready.describe, ready.faces, options, kept)
    with open_part(target, limits, options.start_s, options.end_s) as reader:
        upright = math.radians(reader.info().rotation)
        for frame in _frames(reader, None if at_s is None else max(0.0, at_s - options.start_s)):
            planes = Planes(*frame.planes(), reader.colour)
            faces = ready.landmarker.find_all(planes, upright)
            if selection:
                named = selection.of_frame(planes, faces, ready.describe)
            else:
                named = dict.fromkeys(range(min(len(faces), MANY if options.every_face else 1)), ONLY)
            if not named:
                continue
            frame.make_writable()
            planes = Planes(*frame.planes(), reader.colour)
            swapper = ready.swapper(named.__getitem__)
            if ready.swap_at_once(planes, swapper, {track: faces[track].landmarks for track in named}):
                pixels = np.asarray(frame.video.to_ndarray(format="rgb24"), np.uint8)
                return np.ascontiguousarray(np.rot90(pixels, round(reader.rotation / 90)))
    raise NoFaceFound(role="target")


def _frames(reader: VideoReader, at_s: float | None) -> Iterator[Frame]:
    length_s = reader.duration_s or 0.0
    places = [at_s] if at_s is not None else [share * length_s for share in _PLACES]
    for time_s in places:
        reader.seek(min(time_s, length_s))
        last: Frame | None = None
        for last in reader.frames():
            if last.time_s >= time_s - 0.02:
                break
        if last is not None:
            yield last


def _jpeg(picture: U8, label: Label | None) -> bytes:
    scale = min(1.0, LONGEST_PX / max(picture.shape[:2]))
    if scale < 1:
        picture = np.asarray(
            cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
        )
    if label:
        picture = picture.copy()
        opening_stamp(label, LabelLook(picture.shape[1], picture.shape[0])).on_rgb(picture)
    bgr = np.ascontiguousarray(picture[:, :, ::-1])
    _, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return jpeg.tobytes()
