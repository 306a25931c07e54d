"""Kills the engine late in a long video, lets another run go on, and looks for what that cost.

    python -m benchmarks.parts [--seconds 120] [--at 0.9]

It prints how many frames were swapped twice and whether the result has the times and the sound of the target.
It compares the result with that of a run that nobody killed, and this one with a video that was written in
one go: the PSNR near the borders of the parts (±10 frames) and elsewhere, in dB.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import av
import numpy as np

from benchmarks.clips import looped
from faceswap.engine.child.contract import EngineLimits, SwapSpec
from faceswap.engine.child.process import EngineProcess
from faceswap.media import Limits
from faceswap.media.parts import PART_S
from tests import media
from tests.downloads import landmark_model_path

NEAR = 10
"""So many frames before and after a border count as near it."""


def spec_of(target: Path, result: Path, parts: Path | None, largest: Limits | None = None) -> SwapSpec:
    """A swap with the packaged portrait. `largest` is the largest media that it may decode."""
    return SwapSpec(
        limits=EngineLimits(memory_mb=4096, media=largest or Limits()),
        kind="video",
        sources={"": media.skimage_file("astronaut.png")},
        target=target,
        result=result,
        weights_dir=landmark_model_path().parent,
        parts=parts,
    )


def run(target: Path, result: Path, parts: Path | None, until: float = 1.0) -> float:
    """Swap a video, and kill the engine at the share `until`. Returns how many seconds that took."""
    if parts:
        parts.mkdir(exist_ok=True)
    began = time.monotonic()
    engine = EngineProcess(spec_of(target, result, parts))
    while not engine.join(0.02) and engine.poll().progress < 100 * until:
        pass
    engine.kill()
    if until >= 1:
        engine.poll().result_or_raise()
    return round(time.monotonic() - began, 1)


def times_and_bytes(path: Path, kind: str) -> tuple[list[float], list[bytes]]:
    """The times in seconds, in order, and the contents of the packets of the first track of a kind."""
    with av.open(str(path)) as clip:
        packets = [packet for packet in clip.demux(**{kind: 0}) if packet.size]
        times = sorted(round(float(packet.pts * packet.time_base), 4) for packet in packets)
        return times, [bytes(packet) for packet in packets]


def psnr(one: Path, other: Path) -> list[float]:
    """The PSNR of each pair of frames, in dB; 99 for equal ones."""

    def of(ours: np.ndarray, theirs: np.ndarray) -> float:
        error = float(np.mean((ours.astype(float) - theirs) ** 2))
        return 99.0 if error == 0 else 10 * math.log10(255**2 / error)

    with av.open(str(one)) as first, av.open(str(other)) as second:
        pairs = zip(first.decode(video=0), second.decode(video=0), strict=True)
        return [of(ours.to_ndarray(), theirs.to_ndarray()) for ours, theirs in pairs]


def near_and_elsewhere(values: Sequence[float], borders: Sequence[int], first: int = 0) -> list[float]:
    """The means over the values from `first` on: those near a border, and the others."""

    def mean(wanted: Callable[[int], bool]) -> float:
        return round(float(np.mean([value for n, value in enumerate(values) if n >= first and wanted(n)])), 1)

    def is_near(number: int) -> bool:
        return any(-NEAR <= number - border < NEAR for border in borders)

    return [mean(is_near), mean(lambda number: not is_near(number))]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--at", type=float, default=0.9)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        target = looped(folder, (640, 360), given.seconds)
        at_once, whole, result = (folder / f"{name}.mp4" for name in ("at-once", "whole", "result"))
        at_once_s = run(target, at_once, None)
        whole_s = run(target, whole, folder / "of-whole")
        killed_s = run(target, result, folder / "parts", given.at)
        kept = sum(part_sizes(folder / "parts"))
        rest_s = run(target, result, folder / "parts")
        times, _ = times_and_bytes(target, "video")
        borders = list(itertools.accumulate(part_sizes(folder / "of-whole")))[:-1]
        report = {
            "frames": len(times),
            "seconds in a part": PART_S,
            "seconds in one go, in parts, until killed, to go on": [at_once_s, whole_s, killed_s, rest_s],
            "frames swapped twice": max(0, round(given.at * len(times)) - kept),
            "times of the target": times_and_bytes(result, "video")[0] == times,
            "sound of the target": times_and_bytes(result, "audio") == times_and_bytes(target, "audio"),
            "PSNR of parts to one go, near borders and elsewhere": near_and_elsewhere(
                psnr(whole, at_once), borders
            ),
            "PSNR of killed to whole, near the place and after it": near_and_elsewhere(
                psnr(result, whole), [kept], kept
            ),
        }
        print(json.dumps(report, indent=1))
    return 0


def part_sizes(folder: Path) -> list[int]:
    """The number of frames in each finished part."""
    return [json.loads(path.read_text())["frames"] for path in sorted(folder.glob("0*.json"))]


if __name__ == "__main__":
    sys.exit(main())
