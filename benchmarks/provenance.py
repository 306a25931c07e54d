"""Measures how much time the marks of a result cost.

    python -m benchmarks.provenance [--seconds 60] [--rounds 3]

It swaps a 720p video of that length with the visible label and the metadata label, and without them, in
turns. Each run is a child process, as in a job. Then it signs the result and reads all marks back. It prints
medians, and the time that the marks add, in percent of the job. It compares each run with its neighbour, so
that the percentage does not depend on the machine.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.clips import looped
from faceswap.folders import Folders
from faceswap.jobs import JobType
from faceswap.provenance import Ingredient, Provenance, marking_of
from faceswap.settings import Settings
from tests import child
from tests.downloads import landmark_model_path
from tests.factories import make_job
from tests.media import skimage_file


def main() -> None:
    parser = argparse.ArgumentParser(description="What the marks of a result cost.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    model = landmark_model_path()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = looped(folder, (1280, 720), chosen.seconds)
        settings = Settings(data_dir=folder / "data")
        job = make_job(type=JobType.SINGLE_VIDEO)
        marking = marking_of(job, settings)
        took: dict[str, list[float]] = {"plain": [], "marked": []}
        for _ in range(chosen.rounds):
            for how, marks in (("plain", None), ("marked", marking)):
                spec = child.swap_spec(
                    "video", skimage_file("astronaut.png"), clip, folder / f"{how}.mp4", model.parent
                )
                began = time.monotonic()
                assert child.run(replace(spec, marking=marks)).status == 0
                took[how].append(time.monotonic() - began)
        seals: list[float] = []
        provenance = Provenance(settings, Folders(settings.data_dir))
        ingredients = [Ingredient("target", "0" * 64), Ingredient("source", "1" * 64)]
        for number in range(chosen.rounds):
            began = time.monotonic()
            marks = provenance.seal(job, folder / "marked.mp4", folder / f"sealed-{number}.mp4", ingredients)
            seals.append(time.monotonic() - began)
            assert marks is not None
    plain, marked, seal = map(statistics.median, (took["plain"], took["marked"], seals))
    added = sorted(
        100 * (with_s - without_s) / without_s
        for without_s, with_s in zip(took["plain"], took["marked"], strict=True)
    )
    sealing = 100 * seal / plain
    print(f"720p, {chosen.seconds:.0f} s, median of {chosen.rounds}")
    print(f"swap without marks        {plain:6.2f} s")
    print(f"with label and metadata   {marked:6.2f} s  {_spread(added)}")
    print(f"signing and reading back  {seal:6.2f} s  {sealing:+.1f} %")
    print(f"marks in all                        {statistics.median(added) + sealing:+.1f} %")


def _spread(percent: list[float]) -> str:
    return f"{statistics.median(percent):+.1f} % ({percent[0]:+.1f} to {percent[-1]:+.1f})"


if __name__ == "__main__":
    main()
