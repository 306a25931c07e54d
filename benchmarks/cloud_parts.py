"""How much faster several workers make a long video: emulated RunPod, real S3 server, the worker's own code.

    python -m benchmarks.cloud_parts [--seconds 400] [--workers 8 1] [--fps 45]

The engine of a worker is replaced by one that takes as long as an engine of `--fps` frames a second, and then
hands out what was made of the part before: so eight workers fit onto one machine. The rest is real: cutting,
uploads, submissions, polls, downloads and the join. The time counts what a part decodes around it, too.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.clips import looped
from faceswap import Service, Status
from faceswap.engine.child.contract import SwapSpec
from faceswap.media import Limits, VideoReader
from tests import media
from tests.emulator import light
from tests.emulator.fixtures import settings_for
from tests.emulator.s3 import S3Server
from tests.emulator.server import Emulator
from tests.integration.test_dispatcher import unsealed

START_S = 2.0
"""What a worker needs for each run before its first frame: download, start of the engine, models."""


class TimedEngine(light.CountingEngine):
    """Computes for as long as an engine of `fps` frames a second does. 0 means no time."""

    fps = 0.0

    def __init__(self, spec: SwapSpec, duration_s: float, began: float, *, fails: bool) -> None:
        assert spec.span
        with VideoReader(spec.target, Limits()) as reader:
            frames = (reader.duration_s or 0) * (reader.fps or 0)
        duration_s = START_S + frames / self.fps if self.fps else 0.0
        super().__init__(spec, duration_s, began, fails=fails)


class Made:
    """Keeps the parts that were made, by their place in the video."""

    def __init__(self, folder: Path, make: Callable[[SwapSpec], int]) -> None:
        self._folder, self._make = folder, make
        self._frames: dict[str, int] = {}
        folder.mkdir()

    def part(self, spec: SwapSpec) -> int:
        assert spec.span
        name = f"{spec.span.shown_s + spec.span.from_s:.3f}.mp4"
        if name not in self._frames:
            self._frames[name] = self._make(spec)
            shutil.copyfile(spec.result, self._folder / name)
        else:
            shutil.copyfile(self._folder / name, spec.result)
        return self._frames[name]


def took_s(workers: int, target: Path, folder: Path) -> tuple[float, int]:
    """Seconds from the submission to the result, and the number of runs."""
    folder.mkdir()
    emulator, bucket = Emulator(), S3Server(folder / "s3")

    def may_take(job: object) -> bool:
        live = sum(one.state == "IN_PROGRESS" for one in emulator.jobs.values())
        return live < workers

    pool = light.LightWorkers(emulator, folder, may_take=may_take)
    try:
        settings = settings_for(emulator, folder / "data", bucket, runpod_parallel=max(2, workers))
        with Service(settings, seal=unsealed) as app:
            source, clip = app.upload(media.skimage_file("astronaut.png")), app.upload(target)
            began = time.monotonic()
            job = app.submit("single-video", source, clip, consent=True)
            job = app.wait(job.id, timeout_s=3600)
            seconds = time.monotonic() - began
            if job.status is not Status.COMPLETED:
                raise SystemExit(f"it failed: {job.error_code}")
            return seconds, len(emulator.jobs)
    finally:
        pool.close()
        bucket.close()
        emulator.close()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=400)
    parser.add_argument("--workers", type=int, nargs="+", default=[8, 1])
    parser.add_argument("--fps", type=float, default=45)
    given = parser.parse_args(arguments)
    light.CountingEngine = TimedEngine
    with tempfile.TemporaryDirectory(prefix="faceswap-cloud-parts-") as name:
        target = looped(Path(name), (640, 360), given.seconds)
        made = Made(Path(name) / "made", light.copied_part)
        light.copied_part = made.part
        took_s(8, target, Path(name) / "before")
        TimedEngine.fps = given.fps
        took: dict[int, float] = {}
        for workers in given.workers:
            took[workers], runs = took_s(workers, target, Path(name) / f"{workers}")
            print(
                f"{workers} workers: {took[workers]:.0f} s for {given.seconds:g} s of video in {runs} parts",
                flush=True,
            )
        fewest, most = min(took), max(took)
        print(f"{most} workers are {took[fewest] / took[most]:.1f} times as fast as {fewest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
