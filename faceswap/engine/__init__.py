"""The engine: finds faces and swaps them. It works on files and faces and knows nothing about jobs.

`detect_faces`, `swap_image` and `swap_video` decode untrusted files with native code. The app
therefore calls them only in the child process `python -m faceswap.engine` (see `child/`). The names are
imported on first use, so that the app's own process loads none of that code.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faceswap.engine.face.faces import detect_faces
    from faceswap.engine.face.found import Face
    from faceswap.engine.swap import swap_image, swap_video
    from faceswap.swap_result import SwapResult

__all__ = ["Face", "SwapResult", "detect_faces", "swap_image", "swap_video"]

_HOME = {
    "Face": "face.found",
    "detect_faces": "face.faces",
    "swap_image": "swap",
    "swap_video": "swap",
}


def __getattr__(name: str) -> object:
    if name == "SwapResult":
        return import_module("faceswap.swap_result").SwapResult
    if name in _HOME:
        return getattr(import_module(f"faceswap.engine.{_HOME[name]}"), name)
    raise AttributeError(f"module 'faceswap.engine' has no attribute {name!r}")
