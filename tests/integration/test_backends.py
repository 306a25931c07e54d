"""What every backend promises (see `Backend`), tested on each with its real engine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import cv2
import pytest

from faceswap.backends import Backend, Handle, Media, Report, RunState
from faceswap.backends.local import LocalBackend
from faceswap.backends.runpod import RunPodBackend
from faceswap.errors import FaceSwapError
from faceswap.folders import Folders
from faceswap.jobs import Job, JobType
from faceswap.settings import Settings
from tests.emulator.s3 import S3Server
from tests.emulator.sdk import SdkWorker, engines_of
from tests.emulator.server import Emulator
from tests.factories import make_job
from tests.waiting import wait_until

FINAL = (RunState.SUCCEEDED, RunState.FAILED)
SLOW_S = 90.0


class House(Protocol):
    """One backend, and what a test can see of it from outside."""

    backend: Backend

    def again(self) -> Backend:
        """Close the backend and open one as the next process would."""
        ...

    def engines(self) -> list[int]:
        """Return the process ids of all engines that compute for the backend."""
        ...

    def left_behind(self, job: Job) -> list[Path]:
        """Return a job's files outside its work folder."""
        ...


class LocalHouse:
    def __init__(self, data_dir: Path) -> None:
        self._settings = Settings(data_dir=data_dir)
        self.backend: Backend = self._open()

    def _open(self) -> Backend:
        return LocalBackend(self._settings, Folders(self._settings.data_dir))

    def again(self) -> Backend:
        self.backend.close()
        self.backend = self._open()
        return self.backend

    def engines(self) -> list[int]:
        return engines_of()

    def left_behind(self, job: Job) -> list[Path]:
        return list(self._settings.data_dir.rglob(f"*{job.id}*"))


class CloudHouse:
    def __init__(self, settings: Settings, worker: SdkWorker, s3_server: S3Server) -> None:
        self._settings, self._worker, self._s3_server = settings, worker, s3_server
        self.backend: Backend = RunPodBackend(settings)

    def again(self) -> Backend:
        self.backend.close()
        self.backend = RunPodBackend(self._settings)
        return self.backend

    def engines(self) -> list[int]:
        return self._worker.engines()

    def left_behind(self, job: Job) -> list[Path]:
        return list((self._s3_server.bucket / "jobs" / job.id).rglob("*"))


@pytest.fixture(params=["local", "runpod"])
def house(request: pytest.FixtureRequest, landmark_model: Path, tmp_path: Path) -> Iterator[House]:
    if request.param == "local":
        made: House = LocalHouse(tmp_path / "data")
    else:
        emulator: Emulator = request.getfixturevalue("emulator")
        worker: SdkWorker = request.getfixturevalue("sdk_worker")
        settings: Settings = request.getfixturevalue("cloud_settings")
        wait_until(lambda: worker.name in emulator.waiting, "the worker waits for a job", SLOW_S)
        made = CloudHouse(settings, worker, request.getfixturevalue("s3_server"))
    yield made
    made.backend.close()


class Bench:
    """Makes jobs, each with its own work folder."""

    def __init__(self, house: House, folder: Path) -> None:
        self.house = house
        self._folder = folder

    def job(self, kind: JobType = JobType.SINGLE_IMAGE) -> Job:
        return make_job(type=kind, backend=self.house.backend.name, submitted_at=datetime.now(UTC))

    def submit(self, job: Job, source: Path, target: Path) -> Handle:
        work = self._folder / job.id
        work.mkdir()
        return self.house.backend.submit(job, Media({"": source}, target, work, target_duration_s=1.0))

    def last(self, handle: Handle) -> Report:
        """Return the final report. Check that every earlier report has the promised form."""

        def final() -> Report | None:
            report = self.house.backend.poll(handle)
            assert 0 <= report.progress <= 100
            assert (report.error is not None) == (report.state is RunState.FAILED)
            return report if report.state in FINAL else None

        return wait_until(final, "the run ends", SLOW_S) or Report(RunState.FAILED)

    def computing(self, handle: Handle) -> None:
        """Wait until an engine computes for a run that was just submitted."""
        wait_until(self.house.engines, "an engine computes", SLOW_S)
        assert self.house.backend.poll(handle).state not in FINAL

    def stopped(self, handle: Handle) -> None:
        wait_until(lambda: self.house.backend.stop(handle), "the stop is confirmed", SLOW_S)


@pytest.fixture
def bench(house: House, tmp_path: Path) -> Bench:
    return Bench(house, tmp_path)


def size_of(picture: Path) -> tuple[int, int]:
    found = cv2.imread(str(picture))
    assert found is not None
    return found.shape[1], found.shape[0]


def test_a_run_ends_with_its_result_in_one_piece(
    bench: Bench, portrait: Path, other_portrait: Path, tmp_path: Path
) -> None:
    job = bench.job()
    handle = bench.submit(job, portrait, other_portrait)
    assert handle.job_id == job.id
    report = bench.last(handle)
    assert (report.state, report.progress) == (RunState.SUCCEEDED, 100)
    assert bench.house.backend.poll(handle) == report, "the last word stands"
    bench.house.backend.fetch(handle, report, tmp_path / "result.png")
    assert size_of(tmp_path / "result.png") == size_of(other_portrait)
    bench.house.backend.clean_up(handle)
    bench.house.backend.clean_up(handle)
    assert bench.house.left_behind(job) == []
    assert bench.house.engines() == []


def test_a_run_that_fails_says_why(bench: Bench, portrait: Path, no_face_picture: Path) -> None:
    job = bench.job()
    handle = bench.submit(job, portrait, no_face_picture)
    report = bench.last(handle)
    assert report.error is not None
    assert (report.error.code, report.error.details) == ("no_face", {"role": "target"})
    assert not report.stop_needed
    bench.house.backend.stop(handle)
    bench.house.backend.clean_up(handle)
    assert bench.house.left_behind(job) == []


def test_a_confirmed_stop_means_that_nothing_computes(bench: Bench, portrait: Path, long_video: Path) -> None:
    job = bench.job(JobType.SINGLE_VIDEO)
    handle = bench.submit(job, portrait, long_video)
    bench.computing(handle)
    bench.stopped(handle)
    assert bench.house.engines() == []
    assert bench.house.left_behind(job) == []
    assert bench.house.backend.poll(handle).state is not RunState.SUCCEEDED


def test_a_stop_of_one_run_leaves_the_others_alone(
    bench: Bench, portrait: Path, other_portrait: Path, long_video: Path, tmp_path: Path
) -> None:
    doomed = bench.submit(bench.job(JobType.SINGLE_VIDEO), portrait, long_video)
    bench.computing(doomed)
    kept = bench.submit(bench.job(), portrait, other_portrait)
    bench.stopped(doomed)
    report = bench.last(kept)
    bench.house.backend.fetch(kept, report, tmp_path / "result.png")
    assert size_of(tmp_path / "result.png") == size_of(other_portrait)


def test_a_stop_after_the_end_is_confirmed_and_harmless(
    bench: Bench, portrait: Path, other_portrait: Path
) -> None:
    handle = bench.submit(bench.job(), portrait, other_portrait)
    bench.last(handle)
    bench.stopped(handle)
    bench.stopped(handle)
    assert bench.house.engines() == []


def test_jobs_of_several_threads_keep_their_own_results(
    bench: Bench, portrait: Path, other_portrait: Path, tmp_path: Path
) -> None:
    targets = {"one": portrait, "other": other_portrait}
    failures: list[FaceSwapError] = []

    def do(name: str, target: Path) -> None:
        try:
            handle = bench.submit(bench.job(), other_portrait, target)
            bench.house.backend.fetch(handle, bench.last(handle), tmp_path / f"{name}.png")
        except FaceSwapError as error:
            failures.append(error)

    threads = [threading.Thread(target=do, args=entry) for entry in targets.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    for name, target in targets.items():
        assert size_of(tmp_path / f"{name}.png") == size_of(target)


def test_a_run_outlives_its_process_exactly_when_the_backend_says_so(
    bench: Bench, portrait: Path, long_video: Path
) -> None:
    handle = bench.submit(bench.job(JobType.SINGLE_VIDEO), portrait, long_video)
    bench.computing(handle)
    backend = bench.house.again()
    if backend.survives_restart:
        assert backend.poll(handle).state not in FINAL
        assert bench.house.engines()
        bench.stopped(handle)
    else:
        assert backend.poll(handle).state is RunState.FAILED
    assert bench.house.engines() == []


def test_what_can_be_sent_is_accepted_before_it_is_sent(bench: Bench) -> None:
    bench.house.backend.check(1_000, 400_000_000)
    assert bench.house.engines() == []


def test_closing_twice_is_as_good_as_once(house: House) -> None:
    house.backend.close()
    house.backend.close()
