"""Reports from the child process to its parent: lines of JSON on the child's original standard output."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from typing import Any, TextIO

from faceswap import codec
from faceswap.engine.child.contract import Spec
from faceswap.errors import BadMedia, DiskFull, FaceSwapError, TooManyPixels

_REPORT_EVERY_S = 0.2


class Reporter:
    """Writes one JSON object a line: `progress` events, then one `done` or `error`. Thread-safe."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._shown = -1.0
        self._last_s = -_REPORT_EVERY_S

    def progress(self, share: float, frames: int) -> None:
        """Report the finished share, 0..1. Writes at most five events a second, each with a higher share."""
        percent, now_s = round(100 * share, 2), time.monotonic()
        if percent > self._shown and now_s - self._last_s >= _REPORT_EVERY_S:
            self._shown, self._last_s = percent, now_s
            self._write({"event": "progress", "progress": percent, "frames": frames})

    def done(self, result: object) -> None:
        self._write({"event": "done", **codec.encode(result)})

    def error(self, error: FaceSwapError) -> None:
        self._write({"event": "error", "code": error.code, "details": error.details})

    def _write(self, event: dict[str, Any]) -> None:
        with self._lock:
            self._out.write(json.dumps(event) + "\n")
            self._out.flush()


def take_stdout() -> TextIO:
    """Return standard output, for events. From then on, output of native code goes to standard error."""
    kept = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(kept, "w", encoding="utf-8")


def reportable(error: Exception, spec: Spec[Any] | None) -> FaceSwapError:
    """Return the `FaceSwapError` that reports the error of a task."""
    if isinstance(error, FaceSwapError):
        return error
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull()
    if spec and _ran_out_of_memory(error):
        return _too_large(spec)
    return FaceSwapError()


def _ran_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out. Python, OpenCV and thread creation report this with different errors."""
    words = str(error).lower()
    return (
        isinstance(error, MemoryError) or "insufficient memory" in words or "can't start new thread" in words
    )


def _too_large(spec: Spec[Any]) -> FaceSwapError:
    """The error that names the size of the file in pixels. `BadMedia` when the size cannot be read."""
    from faceswap.media import picture_info, sniff, video_size

    path, limits = spec.media_path, spec.limits.media
    if path is None:
        return FaceSwapError()
    try:
        if sniff(path)[0] == "image":
            info = picture_info(path, limits)
            return TooManyPixels(width=info.width, height=info.height, limit_megapixels=limits.max_megapixels)
        width, height = video_size(path, limits)
        return TooManyPixels(width=width, height=height, limit_megapixels=limits.max_video_megapixels)
    except (FaceSwapError, MemoryError, OSError):
        return BadMedia()
