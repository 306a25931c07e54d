"""A long video is swapped in parts by several workers: all of it, nothing twice, and stopped as a whole."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import pytest

from faceswap import Service, Settings, Status
from faceswap.backends import bucket_media, runpod_parts
from faceswap.jobs import Job, RemoteStop
from tests.emulator.fixtures import settings_for
from tests.emulator.light import LightWorkers
from tests.emulator.s3 import S3Server
from tests.emulator.server import LIVE, EmulatedJob, Emulator
from tests.integration.test_dispatcher import unsealed
from tests.media import MediaFolder, transcode
from tests.waiting import PATIENCE, wait_until

PARTS = 4


@pytest.fixture(autouse=True)
def short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runpod_parts, "PART_S", 3.0)
    monkeypatch.setattr(runpod_parts, "STOP_EVERY_S", 0.2)


@pytest.fixture(scope="module")
def clip(puppet_video: Path, media_folder: MediaFolder) -> Path:
    """12 s with sound and a key frame every second."""
    return media_folder.make(
        "twelve-seconds.mp4",
        lambda path: transcode(
            puppet_video,
            path,
            frames=None,
            loops=4,
            size=(320, 180),
            audio=("aac",),
            g="30",
            preset="ultrafast",
        ),
    )


class House:
    """The app with the endpoint of an emulator, and workers that copy each part."""

    def __init__(
        self, emulator: Emulator, bucket: S3Server, folder: Path, clip: Path, portrait: Path
    ) -> None:
        self.emulator, self.bucket, self._folder = emulator, bucket, folder
        self.clip, self.portrait = clip, portrait
        self.most_at_once = 0
        self.held = threading.Event()
        """Set to keep waiting jobs from being taken."""
        self.failing: Callable[[EmulatedJob], bool] = lambda job: False

    @contextmanager
    def workers(self, duration_s: float = 0.5) -> Iterator[LightWorkers]:
        def may_take(job: EmulatedJob) -> bool:
            self.most_at_once = max(self.most_at_once, len(self.live))
            return not self.held.is_set()

        light = LightWorkers(
            self.emulator,
            self._folder,
            duration_s=duration_s,
            may_take=may_take,
            fails=lambda job: self.failing(job),
        )
        try:
            yield light
        finally:
            light.close()

    def app(self, **changes: object) -> Service:
        values: dict[str, Any] = {"runpod_parallel": PARTS, **changes}
        settings: Settings = settings_for(self.emulator, self._folder / "data", self.bucket, **values)
        return Service(settings, seal=unsealed)

    def submit(self, app: Service) -> Job:
        files = app.upload(self.portrait), app.upload(self.clip)
        return app.submit("single-video", *files, consent=True)

    @property
    def live(self) -> list[EmulatedJob]:
        return [job for job in list(self.emulator.jobs.values()) if job.state in LIVE]

    def sent(self) -> Counter[float]:
        """How often each part was sent, by the place of its first frame in the video."""
        jobs = list(self.emulator.jobs.values())
        return Counter(round(job.input["span"]["shown_s"] + job.input["span"]["from_s"], 3) for job in jobs)

    def objects(self, job: Job) -> list[str]:
        folder = self.bucket.bucket / "jobs" / job.id
        return [path.name for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
def house(emulator: Emulator, s3_server: S3Server, tmp_path: Path, clip: Path, portrait: Path) -> House:
    return House(emulator, s3_server, tmp_path, clip, portrait)


def done(app: Service, job: Job) -> Job:
    return app.wait(job.id, timeout_s=60 * PATIENCE)


def parts_done(app: Service, job: Job) -> int:
    parts = app.get(job.id).parts
    return parts.done if parts else 0


def times_of(path: Path, kind: str) -> list[float]:
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(**{kind: 0}) if packet.size]
        return sorted(round(float(packet.pts * packet.time_base), 4) for packet in packets)


def test_each_part_is_sent_once_and_the_joined_video_is_whole(house: House) -> None:
    house.held.set()
    with house.workers(), house.app() as app:
        job = house.submit(app)
        wait_until(lambda: len(house.live) == PARTS, "all parts are sent", 60)
        house.held.clear()
        job = done(app, job)
        assert job.status is Status.COMPLETED, job.error_code
        assert job.parts and (job.parts.total, job.parts.done, job.parts.running) == (PARTS, PARTS, 0)
        assert set(house.sent().values()) == {1} and len(house.sent()) == PARTS
        result = app.result_path(job.id)
        for kind in ("video", "audio"):
            assert times_of(result, kind) == times_of(house.clip, kind)
        assert job.result and job.result.frames == job.result.swapped_frames == len(
            times_of(house.clip, "video")
        )
        assert job.engine == "mesh"
        wait_until(lambda: not house.objects(job), "the bucket is empty")
        wait_until(lambda: not (result.parent / "parts").exists(), "the parts are gone")


def test_what_all_parts_need_is_uploaded_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_media, "_fits_inline", lambda size_bytes: False)
    house.held.set()
    with house.workers(), house.app() as app:
        job = house.submit(app)
        wait_until(lambda: len(house.live) == PARTS, "all parts are sent", 60)
        assert Counter(house.objects(job)) == {"target": PARTS, "people": 1, "source-0": 1}
        house.held.clear()
        assert done(app, job).status is Status.COMPLETED
        wait_until(lambda: not house.objects(job), "the bucket is empty")


def test_no_more_are_sent_at_once_than_the_settings_say(house: House) -> None:
    house.held.set()
    with house.workers(), house.app(runpod_parallel=2) as app:
        job = house.submit(app)
        wait_until(lambda: len(house.live) == 2, "two are sent", 60)
        house.held.clear()
        assert done(app, job).status is Status.COMPLETED
    assert house.most_at_once == 2


def test_a_part_that_fails_is_sent_again_alone(house: House) -> None:
    failed: list[str] = []

    def once(job: EmulatedJob) -> bool:
        if job.input["span"]["shown_s"] > 4 and not failed:
            failed.append(job.id)
        return job.id in failed

    house.failing = once
    with house.workers(), house.app() as app:
        job = done(app, house.submit(app))
        assert job.status is Status.COMPLETED, job.error_code
    assert sorted(house.sent().values()) == [1] * (PARTS - 1) + [2]


def test_a_part_that_fails_three_times_ends_the_task_and_stops_the_others(house: House) -> None:
    house.failing = lambda job: job.input["span"]["shown_s"] <= 0
    with house.workers(), house.app() as app:
        job = done(app, house.submit(app))
        assert (job.status, job.error_code) == (Status.FAILED, "engine_crashed")
        assert max(house.sent().values()) == 3
        wait_until(lambda: not house.live, "no run is left")
        wait_until(lambda: app.get(job.id).remote_stop is not RemoteStop.PENDING, "that is known")
        wait_until(lambda: not house.objects(job), "the bucket is empty")


def test_a_part_whose_submission_is_lost_is_sent_again_and_the_lost_run_is_stopped(house: House) -> None:
    house.emulator.faults.run = ["lose_answer", "429", "lose_request"]
    with house.workers(), house.app() as app:
        job = done(app, house.submit(app))
        assert job.status is Status.COMPLETED, job.error_code
        assert job.parts and job.parts.running == 0
        wait_until(lambda: not house.live, "the run that nobody could name has found its marker")
    assert sorted(house.sent().values()) == [1] * (PARTS - 1) + [2]


def test_cancel_stops_every_part_and_says_how_many_still_run(house: House) -> None:
    with house.workers(duration_s=600) as workers, house.app() as app:
        job = house.submit(app)
        wait_until(lambda: len(workers.engines.get(job.id, [])) == PARTS, "all parts are computed", 60)
        running = app.get(job.id)
        assert running.parts and running.parts.running == PARTS
        cancelled = app.cancel(job.id)
        assert (cancelled.status, cancelled.error_code) == (Status.FAILED, "cancelled")
        assert cancelled.parts and cancelled.parts.running == PARTS
        wait_until(lambda: not workers.computing(), "no engine computes")
        wait_until(lambda: app.get(job.id).remote_stop is RemoteStop.CONFIRMED, "the stop is confirmed")
        ended = app.get(job.id).parts
        assert ended and (ended.done, ended.running) == (0, 0)
        assert not house.live and len(house.emulator.jobs) == PARTS
        wait_until(lambda: not [key for key in house.objects(job) if key != "cancel"], "no media left")


def test_another_start_goes_on_with_the_parts(house: House) -> None:
    with house.workers(duration_s=1.0):
        with house.app(runpod_parallel=2) as app:
            job = house.submit(app)
            wait_until(lambda: parts_done(app, job) >= 1, "a part is done", 60)
            house.held.set()

            def at_rest() -> bool:
                """Two parts wait in the queue, and the app knows their ids."""
                ids = {one.remote_id for one in app._store.part_runs(job.id) if one.ended is None}
                return ids == {one.id for one in house.live if one.state == "IN_QUEUE"} and len(ids) == 2

            wait_until(at_rest, "nothing is on its way", 60)
        with house.app(runpod_parallel=PARTS) as app:
            wait_until(lambda: len(house.emulator.jobs) == PARTS, "all are sent", 60)
            house.held.clear()
            job = done(app, job)
            assert job.status is Status.COMPLETED, job.error_code
            assert job.attempt == 1
    assert set(house.sent().values()) == {1}


def test_a_short_video_is_one_run(house: House, puppet_video: Path) -> None:
    house.clip = puppet_video
    with house.app() as app:
        job = house.submit(app)
        wait_until(lambda: house.emulator.jobs, "it is sent", 60)
        assert house.emulator.only_job.input["span"] is None
        assert app.get(job.id).parts is None
        app.cancel(job.id)


def test_a_deleted_task_leaves_no_part_in_the_bucket(house: House) -> None:
    with house.workers(duration_s=600) as workers, house.app() as app:
        job = house.submit(app)
        wait_until(lambda: len(workers.engines.get(job.id, [])) == PARTS, "all parts are computed", 60)
        app.cancel(job.id)
        app.delete(job.id)
        wait_until(lambda: not workers.computing(), "no engine computes")
        wait_until(lambda: not [key for key in house.objects(job) if key != "cancel"], "no media left")
