"""Measures how exact the estimate of the time left is.

    python -m benchmarks.eta [--seconds 100] [--rounds 2]

It swaps a 1080p video of that length as the app does, which takes about a minute on 2 cores. After the first
fifth of the job, it compares each estimate that the panel shows with the time that the job really took from
that moment.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.clips import looped
from faceswap import Service, Settings
from faceswap.jobs import Status
from tests.downloads import landmark_model_path
from tests.media import skimage_file

FIRST_PART = 0.2


def main() -> None:
    parser = argparse.ArgumentParser(description="How honest the time left is.")
    parser.add_argument("--seconds", type=float, default=100)
    parser.add_argument("--rounds", type=int, default=2)
    chosen = parser.parse_args()
    model = landmark_model_path()
    with tempfile.TemporaryDirectory() as name:
        clip = looped(Path(name), (1920, 1080), chosen.seconds)
        os.environ["FACESWAP_FACE_LANDMARKER"] = str(model)
        with Service(Settings(data_dir=Path(name) / "data")) as service:
            for _ in range(chosen.rounds):
                job = service.submit("single-video", skimage_file("astronaut.png"), clip, consent=True)
                began = time.monotonic()
                seen: list[tuple[float, float]] = []
                for now in service.watch(job.id):
                    if now.status is Status.PROCESSING and now.eta_s is not None:
                        seen.append((time.monotonic() - began, now.eta_s))
                took_s = time.monotonic() - began
                assert service.get(job.id).status is Status.COMPLETED
                errors = [
                    abs(eta_s - (took_s - at_s)) / (took_s - at_s)
                    for at_s, eta_s in seen
                    if at_s >= FIRST_PART * took_s
                ]
                print(
                    f"took {took_s:5.1f} s, {len(errors)} times told: error of the time left, "
                    f"median {100 * statistics.median(errors):.0f} %, "
                    f"9 of 10 below {100 * statistics.quantiles(errors, n=10)[-1]:.0f} %"
                )


if __name__ == "__main__":
    main()
