"""Opens a video's container, and finds out from its structure whether the end of the file is missing."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import av
import av.container

from faceswap.media.allowed import container_options

_MAX_STREAMS = "64"
_SEGMENT = b"\x18\x53\x80\x67"


def opened(path: Path) -> av.container.InputContainer:
    """Open a video.

    Playlists and scripts are refused, because they can name other files. FFmpeg starts only the decoders in
    `allowed`, also while it finds out what a stream is.
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
    """Whether the file is shorter than its outermost boxes say. `name` is a format that `sniff` returns.

    An outermost box may have no length, for example in a live recording. Then the file counts as complete.
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
    """Byte at which the last outermost box of an MP4 ends. Source: ISO/IEC 14496-12, 4.2."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:  # 0 means that the box ends with the file
            return size
        at += length
    return at if at >= size else size + 1


def _segment_end(file: BinaryIO) -> int:
    """Byte at which the segment of a Matroska file ends; 0 when the file does not state it.

    Source: RFC 8794, RFC 9559.
    """
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
