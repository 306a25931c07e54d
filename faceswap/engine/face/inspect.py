"""Checks what a file is and which faces it shows, before the app does anything else with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from faceswap.engine.files import whole_or_not_at_all
from faceswap.engine.planes import U8
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

T = TypeVar("T")


def inspect(
    path: Path,
    limits: Limits,
    normalised: Path | None = None,
    look: Callable[[U8], T] | None = None,
    clip: Path | None = None,
    thumbnail: Path | None = None,
) -> tuple[MediaInfo, T | None]:
    """Find out what a picture or video is, from its content and not its name.

    A picture is decoded in full. If `normalised` is given, the picture is written there as PNG: upright, RGB,
    without metadata. PNG is lossless, so that the pixels that a swap leaves alone stay exact. Of a video only
    the first frame is decoded.

    An animated GIF, WebP or PNG counts as a picture if `clip` is None. Otherwise it is written to `clip` as
    MP4 and treated as a video.

    If `thumbnail` is given, a small WebP of the picture or of the first frame is written there.

    Returns what `look` returns for the picture or the first frame as shown, (H, W, 3) uint8 RGB; None without
    `look`.

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
        return info, look(picture) if look else None
    with VideoReader(path, limits) as reader:
        info = reader.info()
        if look is None and thumbnail is None:
            return info, None
        reader.seek(0)
        first = next(reader.frames())
        pixels = np.asarray(first.video.to_ndarray(format="rgb24"), np.uint8)
    shown = np.ascontiguousarray(np.rot90(pixels, round(info.rotation / 90)))
    _write_small(thumbnail, shown)
    return info, look(shown) if look else None


def _write_small(path: Path | None, picture: RGB) -> None:
    if path is not None:
        with whole_or_not_at_all(path) as part:
            write_thumbnail(part, picture)
