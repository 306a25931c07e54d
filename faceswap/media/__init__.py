"""Decodes and encodes pictures and videos within limits. Any file may come from a stranger.

The first bytes and the header of a file decide what it is; its name does not matter. When a file cannot be
read, the error is always one of the `BadMedia` errors, whatever the library raised.

`sniff` only looks at a few bytes and is safe anywhere. All other functions run native decoders on untrusted
bytes, so only the engine's child process may call them. The parent process only uses `sniff`. So this module
imports each name on first use, and the parent process loads no decoder.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faceswap.media.aigc import FoundAigc, aigc_text, read_aigc, xmp_packet
    from faceswap.media.animations import write_animation
    from faceswap.media.colour import Colour
    from faceswap.media.cutting import cut_video
    from faceswap.media.excerpt import open_part
    from faceswap.media.frames import AudioPacket, Frame
    from faceswap.media.kept import keep_part, kept_parts
    from faceswap.media.kinds import Cut, Limits, MediaInfo, Span, sniff
    from faceswap.media.parts import PartsWriter, PartWriter, join_parts, worth_parts
    from faceswap.media.pictures import (
        RGB,
        is_animation,
        picture_info,
        picture_notes,
        read_picture,
        write_jpeg,
        write_png,
        write_thumbnail,
    )
    from faceswap.media.reading import VideoReader, video_size
    from faceswap.media.writing import Coding, VideoWriter

__all__ = [
    "RGB",
    "AudioPacket",
    "Coding",
    "Colour",
    "Cut",
    "FoundAigc",
    "Frame",
    "Limits",
    "MediaInfo",
    "PartWriter",
    "PartsWriter",
    "Span",
    "VideoReader",
    "VideoWriter",
    "aigc_text",
    "cut_video",
    "is_animation",
    "join_parts",
    "keep_part",
    "kept_parts",
    "open_part",
    "picture_info",
    "picture_notes",
    "read_aigc",
    "read_picture",
    "sniff",
    "video_size",
    "worth_parts",
    "write_animation",
    "write_jpeg",
    "write_png",
    "write_thumbnail",
    "xmp_packet",
]

_HOME = {
    **dict.fromkeys(("FoundAigc", "aigc_text", "read_aigc", "xmp_packet"), "aigc"),
    **dict.fromkeys(("Cut", "Limits", "MediaInfo", "Span", "sniff"), "kinds"),
    **dict.fromkeys(
        (
            *("RGB", "is_animation", "picture_info", "picture_notes", "read_picture"),
            *("write_jpeg", "write_png", "write_thumbnail"),
        ),
        "pictures",
    ),
    **dict.fromkeys(("VideoReader", "video_size"), "reading"),
    **dict.fromkeys(("AudioPacket", "Frame"), "frames"),
    "Colour": "colour",
    "open_part": "excerpt",
    "cut_video": "cutting",
    "write_animation": "animations",
    **dict.fromkeys(("PartWriter", "PartsWriter", "join_parts", "worth_parts"), "parts"),
    **dict.fromkeys(("keep_part", "kept_parts"), "kept"),
    **dict.fromkeys(("Coding", "VideoWriter"), "writing"),
}


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(f"faceswap.media.{_HOME[name]}"), name)
    raise AttributeError(f"module 'faceswap.media' has no attribute {name!r}")
