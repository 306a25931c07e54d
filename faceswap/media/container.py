"""Opening a video's container, and telling by its structure whether its end is missing."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import av
import av.container

from faceswap.media.allowed import container_options

_MAX_STREAMS = "64"
_SEGMENT = b"\x18\x53\x80\x67"


def opened(path: Path) -> av.container.InputContainer:
    """Open a video. Playlists and scripts that name other files are not opened, and no decoder that is not on
    the list of `allowed` is started, not even to find out what a stream is.
    """
    return av.open(
        str(path.absolute()),
        options={
            **container_options(),
            "protocol_whitelist": "file",
            "max_streams": _MAX_STREAMS,
        },
    )


def is_cut_off(path: Path, name: str) -> bool:
    """Whether the file is shorter than its outermost boxes say. `name` is a format of `sniff`.

    Formats whose outermost box may have no length, such as a live recording, are taken as whole.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if name in ("mp4", "mov"):
            return _boxes_end(file, size) > size
        if name in ("mkv", "webm"):
            return _segment_end(file) > size
        head = file.read(8)  # AVI: RIFF and the length of what follows
        return 8 + int.from_bytes(head[4:8], "little") > size


def _boxes_end(file: BinaryIO, size: int) -> int:
    """Where the last outermost box of an MP4 ends. Source: ISO/IEC 14496-12, 4.2."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:  # 0: up to the end of the file
            return size
        at += length
    return at if at >= size else size + 1


def _segment_end(file: BinaryIO) -> int:
    """Where the segment of a Matroska file ends; 0 when it does not say. Source: RFC 8794, RFC 9559."""
    head = file.read(4096)
    at = head.find(_SEGMENT)
    if at < 0:
        return 0
    length_at = at + len(_SEGMENT)
    first = head[length_at]
    width = 9 - first.bit_length()
    value = int.from_bytes(head[length_at : length_at + width], "big") & ((1 << (7 * width)) - 1)
    unknown = value == (1 << (7 * width)) - 1
    return 0 if unknown or width > 8 else length_at + width + value
