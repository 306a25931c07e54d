"""Checks what a file is and which faces it shows, before the app does anything else with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from faceswap.engine.face.faces import detect_faces
from faceswap.engine.face.found import Face
from faceswap.engine.files import whole_or_not_at_all
from faceswap.media import (
    RGB,
    Limits,
    MediaInfo,
    VideoReader,
    is_animation,
    picture_info,
    picture_notes,
    read_picture,
    sniff,
    write_animation,
    write_png,
    write_thumbnail,
)


def inspect(
    path: Path,
    limits: Limits,
    normalised: Path | None = None,
    model: Callable[[], Path] | None = None,
    clip: Path | None = None,
    thumbnail: Path | None = None,
) -> tuple[MediaInfo, list[Face]]:
    """Find out what a picture or video is, from its content and not its name.

    A picture is decoded in full. If `normalised` is given, the picture is written there as PNG: upright, RGB,
    without metadata. PNG is lossless, so that the pixels that a swap leaves alone stay exact. Of a video only
    the first frame is decoded.

    An animated GIF, WebP or PNG counts as a picture if `clip` is None. Otherwise it is written to `clip` as
    MP4 and treated as a video.

    If `thumbnail` is given, a small WebP of the picture or of the first frame is written there.

    If `model` is given, the faces of the picture or of the first frame are returned, largest first. Their
    boxes are in pixels of the picture or frame as shown.

    Raises:
        BadMedia: damaged, empty, of no supported format, or over the limits.
    """
    cv2.setNumThreads(1)
    kind, _ = sniff(path)
    if kind == "image" and clip is not None and is_animation(path, limits):
        with whole_or_not_at_all(clip) as part:
            write_animation(path, part, limits)
        kind, path = "video", clip
    if kind == "image":
        info = picture_info(path, limits)
        picture = read_picture(path, limits)
        if normalised is not None:
            with whole_or_not_at_all(normalised) as part:
                write_png(part, picture, notes=picture_notes(path, limits))
        _write_small(thumbnail, picture)
        return info, detect_faces(picture, model()) if model else []
    with VideoReader(path, limits) as reader:
        info = reader.info()
        if model is None and thumbnail is None:
            return info, []
        reader.seek(0)
        first = next(reader.frames())
        pixels = np.asarray(first.video.to_ndarray(format="rgb24"), np.uint8)
    shown = np.ascontiguousarray(np.rot90(pixels, round(info.rotation / 90)))
    _write_small(thumbnail, shown)
    return info, detect_faces(shown, model()) if model else []


def _write_small(path: Path | None, picture: RGB) -> None:
    if path is not None:
        with whole_or_not_at_all(path) as part:
            write_thumbnail(part, picture)
