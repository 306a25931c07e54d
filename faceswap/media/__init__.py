"""Pictures and videos from strangers: judged, decoded and encoded within limits.

A file is judged by its first bytes and its header, never by its name; what cannot be read is one of the
`BadMedia` errors, whatever the library underneath raised. `sniff` looks at a few bytes itself. All else runs
native decoders on untrusted bytes: call it in the engine's child process only. The names are imported on
first use, so that the app around that process, which only sniffs, loads no decoder.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faceswap.media.aigc import FoundAigc, aigc_text, read_aigc, xmp_packet
    from faceswap.media.animations import write_animation
    from faceswap.media.colour import Colour
    from faceswap.media.frames import AudioPacket, Frame
    from faceswap.media.kinds import Limits, MediaInfo, sniff
    from faceswap.media.pictures import (
        RGB,
        is_animation,
        picture_info,
        picture_notes,
        read_picture,
        write_png,
    )
    from faceswap.media.reading import VideoReader, video_size
    from faceswap.media.writing import VideoWriter

__all__ = [
    "RGB",
    "AudioPacket",
    "Colour",
    "FoundAigc",
    "Frame",
    "Limits",
    "MediaInfo",
    "VideoReader",
    "VideoWriter",
    "aigc_text",
    "is_animation",
    "picture_info",
    "picture_notes",
    "read_aigc",
    "read_picture",
    "sniff",
    "video_size",
    "write_animation",
    "write_png",
    "xmp_packet",
]

_HOME = {
    **dict.fromkeys(("FoundAigc", "aigc_text", "read_aigc", "xmp_packet"), "aigc"),
    **dict.fromkeys(("Limits", "MediaInfo", "sniff"), "kinds"),
    **dict.fromkeys(
        ("RGB", "is_animation", "picture_info", "picture_notes", "read_picture", "write_png"), "pictures"
    ),
    **dict.fromkeys(("VideoReader", "video_size"), "reading"),
    **dict.fromkeys(("AudioPacket", "Frame"), "frames"),
    "Colour": "colour",
    "write_animation": "animations",
    "VideoWriter": "writing",
}


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(f"faceswap.media.{_HOME[name]}"), name)
    raise AttributeError(f"module 'faceswap.media' has no attribute {name!r}")
