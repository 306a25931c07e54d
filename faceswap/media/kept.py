"""The files of a folder of parts: what is swapped of a long video. Loads no decoder.

A part is an MP4 without sound, and a small JSON file that is written last.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from faceswap.media.kinds import Cut

PART_S = 20.0
"""The usual length of a part."""
WORTHWHILE = 3
"""A video of fewer usual parts is made in one go."""
WHOLE = "whole.json"
"""Beside the cuts of a video: what is the same for all of them, see `engine.whole`."""


@dataclass(frozen=True, slots=True)
class KeptPart:
    file: str
    frames: int
    swapped: int
    first_pts: int
    """In units of the target's time base, like `last_pts`. The file counts its times from 0."""
    last_pts: int
    last_s: float


def keep_part(folder: Path, number: int, cut: Cut, file: str, frames: int, swapped: int) -> None:
    """Note that the swapped part of a cut is there, in `file` of the folder."""
    part = KeptPart(file, frames, swapped, cut.first_pts, cut.last_pts, cut.last_s)
    write_whole(folder / f"{number:05}.json", json.dumps(asdict(part)))


def kept_parts(folder: Path, count: int) -> dict[int, tuple[int, int]]:
    """The numbers of the swapped parts that are there, of `count`, with their frames and swapped frames."""
    found = {number: _kept(folder, number) for number in range(count)}
    return {number: (part.frames, part.swapped) for number, part in found.items() if part}


def finished_parts(folder: Path) -> list[KeptPart]:
    """The finished parts from the start of the video up to the first one that is missing."""
    parts: list[KeptPart] = []
    while part := _kept(folder, len(parts)):
        parts.append(part)
    return parts


def _kept(folder: Path, number: int) -> KeptPart | None:
    try:
        part = KeptPart(**json.loads((folder / f"{number:05}.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return part if (folder / part.file).is_file() else None


def write_whole(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
