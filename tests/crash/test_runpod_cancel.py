"""Cancels in every phase of a remote run while the app is killed repeatedly: no engine computes on.

`TIMES=100 KILLS=100` in the environment makes it a long proof instead of a short test.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from faceswap.errors import JobAlreadyFinished
from faceswap.folders import Folders
from faceswap.jobs import Job, RemoteStop, Status
from faceswap.service import Service
from faceswap.store import JobStore, Upload
from faceswap.worker.transfer import Transfer
from tests.emulator.fixtures import environment_of, settings_for
from tests.emulator.killed import KilledApp
from tests.emulator.light import LightWorkers
from tests.emulator.s3 import S3Server
from tests.emulator.server import LIVE, EmulatedJob, Emulator, Faults
from tests.factories import make_upload
from tests.waiting import PATIENCE

PHASES = ("before submit", "during submit", "queued", "first 100 ms", "middle", "uploading", "after the end")
TIMES = int(os.environ.get("TIMES", "20"))
"""How many cancels there are in each phase."""
KILLS = int(os.environ.get("KILLS", "10"))
SLOW_RUN_S = 0.3
SLOW_UPLOAD_S = 2.0
WAIT_S, RUN_S = 15, 10
DEADLINE_S = 240.0 * PATIENCE * max(1, TIMES // 20, KILLS // 10)

APP = """
import threading
from faceswap import service, wiring
from faceswap.backends import runpod
wiring.REMOTE_AT_ONCE = 200
runpod.SEND_FOR_S, runpod.MARGIN_S = 2.0, 2.0  # so that a run which nobody can name is over in seconds
with service.Service():
    print("ready", flush=True)
    threading.Event().wait()
"""


class Cancels:
    """Decides for each job when to cancel it."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.phases: dict[str, str] = {}
        self.uploading: set[str] = set()
        self.light: LightWorkers | None = None

    def may_take(self, job: EmulatedJob) -> bool:
        held = ("during submit", "queued")
        phase = self.phases.get(job.input["job_id"])
        return phase is not None and (phase not in held or self.emulator.now() > job.queued_at + 2.0)

    def due(self, job_id: str, job: Job, remote: EmulatedJob | None) -> bool:
        """Whether the job is in its phase right now."""
        phase = self.phases[job_id]
        if phase == "before submit":
            return job.submitted_at is None
        if remote is None or self.light is None:
            return False
        engines = self.light.engines.get(job_id, [])
        runs = remote.state == "IN_PROGRESS"
        return {
            "during submit": job.runpod_id is None,
            "queued": remote.state == "IN_QUEUE" and job.runpod_id is not None,
            "first 100 ms": runs and self.emulator.now() < (remote.started_at or 0.0) + 0.1,
            "middle": runs and any(time.time() - engine.began > 0.4 for engine in engines),
            "uploading": runs and job_id in self.uploading,
            "after the end": remote.state == "COMPLETED",
        }[phase]

    def missed(self, job_id: str, job: Job, remote: EmulatedJob | None) -> bool:
        """Whether the phase is over, or a killed app ended the job before it came."""
        return not job.status.live or (
            remote is not None and remote.state not in LIVE and self.phases[job_id] != "after the end"
        )


@pytest.fixture
def slow_uploads(monkeypatch: pytest.MonkeyPatch) -> Callable[[Cancels], None]:
    """In the phase that needs it, a result takes two seconds to reach the bucket."""

    def slow_down(cancels: Cancels) -> None:
        upload = Transfer.upload

        async def slow(self: Transfer, url: str, path: Path) -> None:
            job_id = url.partition("/jobs/")[2].partition("/")[0]
            cancels.uploading.add(job_id)
            if cancels.phases.get(job_id) == "uploading":
                await asyncio.sleep(SLOW_UPLOAD_S)
            await upload(self, url, path)

        monkeypatch.setattr(Transfer, "upload", slow)

    return slow_down


@pytest.fixture
def service(emulator: Emulator, s3_server: S3Server, tmp_path: Path) -> Iterator[Service]:
    """Acts as a second process on the same data folder: it submits and cancels but runs no jobs."""
    settings = settings_for(
        emulator,
        tmp_path / "data",
        s3_server,
        max_active=1000,
        max_queue=1000,
        runpod_wait_s=WAIT_S,  # a job keeps the limits that it was submitted with
        engine_timeout_s=RUN_S,
    )
    with Service(settings, dispatch=False) as service:
        yield service


def uploads(data_dir: Path) -> tuple[Upload, Upload]:
    store, folders = JobStore(Folders(data_dir).store), Folders(data_dir)
    pair = make_upload(), make_upload()
    for upload in pair:
        store.add_upload(upload)
        folders.media(upload).parent.mkdir(parents=True, exist_ok=True)
        folders.media(upload).write_bytes(b"picture")
    store.close()
    return pair


def test_no_run_survives_a_cancel_in_any_phase_and_a_killed_app(
    service: Service,
    emulator: Emulator,
    s3_server: S3Server,
    slow_uploads: Callable[[Cancels], None],
    tmp_path: Path,
) -> None:
    chance = random.Random(3)
    emulator.faults = Faults(slow_run_s=SLOW_RUN_S)
    cancels = Cancels(emulator)
    slow_uploads(cancels)
    light = cancels.light = LightWorkers(emulator, tmp_path, may_take=cancels.may_take)
    source, target = uploads(service.settings.data_dir)
    app = KilledApp(environment_of(service.settings), APP)
    try:
        plan = [phase for phase in PHASES for _ in range(TIMES)]
        chance.shuffle(plan)
        cancelled: Counter[str] = Counter()
        waiting: set[str] = set()
        kill_after_s = 1.0
        deadline = time.monotonic() + DEADLINE_S
        while plan or waiting or app.kills < KILLS or pending(service):
            assert time.monotonic() < deadline, (cancelled, pending(service))
            if plan and len(waiting) < 30:
                job = service.submit("single-image", source, target, consent=True)
                cancels.phases[job.id] = plan.pop()
                waiting.add(job.id)
            remotes = {remote.input["job_id"]: remote for remote in list(emulator.jobs.values())}
            for job_id in list(waiting):
                phase, job, remote = cancels.phases[job_id], service.get(job_id), remotes.get(job_id)
                if cancels.due(job_id, job, remote):
                    waiting.discard(job_id)
                    try:
                        service.cancel(job_id)
                        cancelled[phase] += 1
                    except JobAlreadyFinished:
                        plan.append(phase)
                elif cancels.missed(job_id, job, remote):
                    waiting.discard(job_id)
                    plan.append(phase)
            app.look()
            if app.kills < KILLS and app.ready_at and time.monotonic() > app.ready_at + kill_after_s:
                app.kill_and_restart()
                kill_after_s = chance.uniform(0.05, 3.0)

        assert app.kills == KILLS
        assert cancelled == dict.fromkeys(PHASES, TIMES)
        assert not [job for job in emulator.jobs.values() if job.state in LIVE]
        assert light.computing() == []
        accepted = Counter(job.input["job_id"] for job in emulator.jobs.values())
        assert max(accepted.values()) == 1
        for job_id in cancels.phases:
            job = service.get(job_id)
            assert job.status in (Status.FAILED, Status.COMPLETED)
            assert job.remote_stop in (RemoteStop.NONE, RemoteStop.CONFIRMED)
            for event in service.events(job_id):
                if event.reason == "remote stop confirmed":
                    ends = [engine.ended for engine in light.engines.get(job_id, [])]
                    assert all(end and end <= event.at.timestamp() for end in ends)
                    kept = (s3_server.bucket / "jobs" / job_id).rglob("*")
                    left = {path.name for path in kept if path.is_file()}
                    assert left <= {"cancel"}, (left, cancels.phases[job_id])
    finally:
        app.close()
        light.close()


def pending(service: Service) -> list[str]:
    """Jobs that have not ended here, or whose end in the cloud is not confirmed."""
    return [
        job.id
        for job in service.history(limit=1000)
        if job.status.live or job.remote_stop is RemoteStop.PENDING
    ]
