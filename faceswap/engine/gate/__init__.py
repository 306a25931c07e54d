"""The content gate: a function of the operator that may refuse a file before a job is accepted.

The settings name the gate as `module:function`. It is called once for each file:

    def gate(pictures: Iterator[SampledFrame]) -> str | None

The gate reads as many of the pictures as it needs. It returns None to accept the file, or a reason to refuse
it; the reason goes to the log. For a picture file it gets that picture. For a video it gets the first frame
and then one frame each second, or fewer from a long video.

Each call runs in its own child process of the engine. The limits of that process apply, but it is not
confined to its files, so the gate may load a model. When the gate crashes or cannot judge, the submission is
refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from faceswap.errors import FaceSwapError, GateUnavailable

if TYPE_CHECKING:
    from pathlib import Path

    from faceswap.media import RGB, Limits

BUILT_IN = {"nudenet": ("faceswap.engine.gate.nudity:gate", ("nudenet", "onnxruntime"))}
"""Maps the short name of a gate to its function and to the packages that the operator must install for it."""
_EVERY_S = 1.0
_PICTURES = 60
"""How many frames of a video the gate gets at most, besides the first."""


@dataclass(frozen=True, slots=True)
class SampledFrame:
    picture: RGB
    """(H, W, 3) uint8 RGB, upright."""
    time_s: float | None = None
    """Time of the frame in its video; None for a picture file."""


Gate = Callable[[Iterator[SampledFrame]], "str | None"]


def require(name: str) -> None:
    """Check that a gate is installed. Imports nothing except the packages that contain the gate's module.

    Raises: GateUnavailable when it is not installed, or the name is not one of a gate.
    """
    place, needed = BUILT_IN.get(name, (name, ()))
    module, _, function = place.partition(":")
    if not (module and function.isidentifier()):
        raise GateUnavailable(reason=f"{name!r} is neither module:function nor one of {', '.join(BUILT_IN)}")
    for package in (*needed, module):
        try:
            found = find_spec(package)
        except (ImportError, ValueError):
            found = None
        if found is None:
            raise GateUnavailable(reason=f"the package {package} is not installed")


def judge(name: str, path: Path, limits: Limits) -> str | None:
    """Ask a gate about a file. Returns its reason for a refusal, or None when it accepts the file.

    Raises:
        GateUnavailable: there is no such gate, or it failed.
        BadMedia: the file cannot be decoded.
    """
    require(name)
    module, _, function = BUILT_IN.get(name, (name, ()))[0].partition(":")
    try:
        gate: Gate = getattr(import_module(module), function)
        reason = gate(_pictures(path, limits))
    except (FaceSwapError, MemoryError):
        raise
    except Exception as error:
        raise GateUnavailable(reason=f"it failed with {type(error).__name__}") from error
    if reason is not None and not (isinstance(reason, str) and reason):  # pyright: ignore[reportUnnecessaryIsInstance] - it is not ours
        raise GateUnavailable(reason="it answered neither a reason nor None")
    return reason


def _pictures(path: Path, limits: Limits) -> Iterator[SampledFrame]:
    import numpy as np

    from faceswap.media import VideoReader, read_picture, sniff

    if sniff(path)[0] == "image":
        yield SampledFrame(read_picture(path, limits))
        return
    with VideoReader(path, limits) as reader:
        every_s = max(_EVERY_S, (reader.duration_s or limits.max_duration_s) / _PICTURES)
        next_s = 0.0
        for number, frame in enumerate(reader.frames()):
            if number and frame.time_s < next_s:
                continue
            next_s = frame.time_s + every_s
            pixels = np.asarray(frame.video.to_ndarray(format="rgb24"), np.uint8)
            turned = np.rot90(pixels, round(reader.rotation / 90))
            yield SampledFrame(np.ascontiguousarray(turned), frame.time_s)
