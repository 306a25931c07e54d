"""Kills the app while videos are swapped in parts by several workers on RunPod: no promise breaks.

    python -m benchmarks.proofs.parts [--kills 100] [--seed 1]        about 9 minutes on 2 cores

RunPod is emulated, the bucket is a real S3 server, and the workers run the worker's code with an engine that
copies. A client in this process submits and cancels videos of four parts. The app is killed at a random
moment of its work and started again. Some submissions are refused, or their answers are lost.

When all has come to rest: RunPod accepted each try of a part once, what was acknowledged is so, a completed
task has every frame of its video, and nothing computes or is left in the bucket or on the disk.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.clips import looped
from benchmarks.proofs import checks
from faceswap import Service
from faceswap.backends.runpod_parts import TRIES
from faceswap.errors import JobAlreadyFinished
from faceswap.folders import Folders
from faceswap.jobs import Job, RemoteStop, Status
from faceswap.media import Limits, VideoReader
from tests.emulator.fixtures import environment_of, settings_for
from tests.emulator.killed import KilledApp
from tests.emulator.light import LightWorkers
from tests.emulator.s3 import S3Server
from tests.emulator.server import LIVE, Emulator
from tests.media import skimage_file
from tests.waiting import PATIENCE

LENGTH_S, PARTS = 12.0, 4
MOST_ACTIVE = 3
REST_S = 240.0 * PATIENCE
FAULTS = (*["ok"] * 20, "lose_answer", "lose_request", "429", "garbage")
LIMITS = {"runpod_wait_s": 30, "engine_timeout_s": 30, "runpod_parallel": PARTS}

APP = """
import threading
from benchmarks.proofs.kills import hurry
from benchmarks.proofs.stand_in import sealed_only_by_name
from faceswap import service
from faceswap.backends import runpod, runpod_parts
hurry()
runpod_parts.PART_S, runpod_parts.STOP_EVERY_S = 3.0, 0.2
runpod.SEND_FOR_S, runpod.MARGIN_S = 2.0, 2.0
with service.Service(seal=sealed_only_by_name):
    print("ready", flush=True)
    threading.Event().wait()
"""


class Killing:
    """Submits and cancels through `service`, which runs no tasks itself."""

    def __init__(self, root: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.emulator, self.bucket = Emulator(), S3Server(root / "s3")
        self.workers = LightWorkers(self.emulator, root, duration_s=0.5)
        self.folders = Folders(root / "data")
        settings = settings_for(
            self.emulator, self.folders.root, self.bucket, max_active=1000, max_queue=1000, **LIMITS
        )
        self.service = Service(settings, dispatch=False)
        self.source = self.service.upload(skimage_file("astronaut.png"))
        clip = looped(root, (320, 180), LENGTH_S)
        self.target = self.service.upload(clip)
        with VideoReader(clip, Limits()) as reader:
            self.frames = sum(1 for _ in reader.frames())
        self.app = KilledApp(environment_of(settings), APP)
        self.cancel_at: dict[str, float] = {}
        """For each task when it is cancelled, in seconds of the monotonic clock."""
        self.cancelled: set[str] = set()

    def close(self) -> None:
        self.app.close()
        self.workers.close()
        self.service.close()
        self.bucket.close()
        self.emulator.close()

    def run(self, kills: int) -> Iterator[str]:
        """Yields the broken promises as sentences."""
        kill_after_s, end = 1.0, float("inf")
        while self.app.kills < kills or self._active():
            self._submit_and_cancel(more=self.app.kills < kills)
            self.app.look()
            now = time.monotonic()
            if self.app.kills < kills and self.app.ready_at and now > self.app.ready_at + kill_after_s:
                self.app.kill_and_restart()
                kill_after_s = self.chance.uniform(0.05, 8.0)
                end = time.monotonic() + REST_S
            elif now > end:
                yield f"{len(self._active())} tasks are stuck"
                break
            time.sleep(0.02)
        yield from self._at_rest()

    def _active(self) -> list[str]:
        """Tasks that have not ended here, or whose end in the cloud is not confirmed."""
        return [
            job.id
            for job in self.service.history(limit=checks.ALL)
            if job.status.live or job.remote_stop is RemoteStop.PENDING
        ]

    def _submit_and_cancel(self, *, more: bool) -> None:
        if len(self.emulator.faults.run) < PARTS:
            self.emulator.faults.run.append(self.chance.choice(FAULTS))
        if more and len(self._active()) < MOST_ACTIVE:
            job = self.service.submit("single-video", self.source, self.target, consent=True)
            later_s = self.chance.choice([self.chance.uniform(0, 15), 1e9, 1e9])
            self.cancel_at[job.id] = time.monotonic() + later_s
        for job_id in [one for one, at in self.cancel_at.items() if at < time.monotonic()]:
            del self.cancel_at[job_id]
            try:
                self.service.cancel(job_id)
                self.cancelled.add(job_id)
            except JobAlreadyFinished:
                continue

    def _at_rest(self) -> Iterator[str]:
        end, faults = time.monotonic() + REST_S, [""]
        while faults and time.monotonic() < end:
            self.service._parts.intake.remove_unused(-86_400 * 365)  # as if a day had passed
            faults = list(checks.folder_faults(self.service._store, self.folders))
            time.sleep(0.1)
        yield from faults
        yield from checks.store_faults(self.service._store)
        yield from checks.file_faults(self.folders.store)
        yield from self._cloud_faults()
        for job in self.service.history(limit=checks.ALL):
            if (job.id in self.cancelled) != (job.error_code == "cancelled"):
                yield f"job {job.id}: it is {job.status} ({job.error_code})"
            elif job.status is Status.FAILED and job.id not in self.cancelled and not self._in_vain(job):
                yield f"job {job.id}: it failed ({job.error_code})"
            elif job.status is Status.COMPLETED and (job.result is None or job.result.frames != self.frames):
                yield f"job {job.id}: it has {job.result} and not {self.frames} frames"

    def _in_vain(self, job: Job) -> bool:
        """Whether the app was killed in each attempt before it sent anything, or the answer to each try of a
        part was lost.
        """
        if job.error_code == "backend_lost":
            return job.attempt == self.service.settings.max_attempts
        tries = Counter(one.part for one in self.service._store.part_runs(job.id))
        return job.error_code == "submission_unknown" and max(tries.values(), default=0) == TRIES

    def _cloud_faults(self) -> Iterator[str]:
        accepted = Counter(job.input["result_url"].partition("?")[0] for job in self.emulator.jobs.values())
        yield from (f"RunPod accepted {url} {count} times" for url, count in accepted.items() if count > 1)
        for job in self.service.history(limit=checks.ALL):
            tries = len(self.service._store.part_runs(job.id))
            if tries > PARTS * TRIES:
                yield f"job {job.id}: its parts were tried {tries} times"
        yield from (
            f"run {run.id} is {run.state}" for run in self.emulator.jobs.values() if run.state in LIVE
        )
        yield from (f"job {job_id} computes" for job_id in self.workers.computing())
        left = [path for path in self.bucket.bucket.rglob("*") if path.is_file() and path.name != "cancel"]
        yield from (f"the bucket keeps {path.relative_to(self.bucket.bucket)}" for path in left)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Kill the app while videos are swapped in parts.")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="faceswap-parts-") as folder:
        killing = Killing(Path(folder), chosen.seed)
        try:
            faults = list(killing.run(chosen.kills))
            jobs = killing.service.history(limit=checks.ALL)
        finally:
            killing.close()
    ends = Counter(job.error_code or job.status.value for job in jobs)
    runs = len(killing.emulator.jobs)
    print(f"{killing.app.kills} kills, {len(jobs)} tasks ({dict(ends)}), {runs} runs accepted")
    print(f"broken promises: {len(faults)}{checks.told(faults)}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
