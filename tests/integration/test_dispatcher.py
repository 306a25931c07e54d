"""The dispatcher runs with a backend whose answers the test decides."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from faceswap import dispatcher as dispatcher_module
from faceswap import driving, stops
from faceswap.backends import Handle, Media, Report, RunState
from faceswap.dispatcher import LEASE_S, Dispatcher
from faceswap.driving import Seal
from faceswap.engine.marks.marking import Marking
from faceswap.errors import (
    DiskFull,
    EngineCrashed,
    EngineOutOfMemory,
    FaceSwapError,
    StoreUnavailable,
    SubmissionUnknown,
)
from faceswap.folders import Folders
from faceswap.jobs import Job, JobType, RemoteStop, Stage, Status
from faceswap.media import aigc_text
from faceswap.provenance import Marks, Verdict, marking_of, verify
from faceswap.settings import Settings
from faceswap.store import JobStore
from faceswap.store.lives import LONGEST_LEASE_S
from faceswap.swap_result import SwapResult
from faceswap.ui.texts import CATALOGUES
from tests.factories import Clock, add_job, make_upload
from tests.marked import marked
from tests.waiting import PATIENCE, wait_until


class ScriptedBackend:
    """Answers each poll with `report`. `submit` waits until `gate` is set."""

    def __init__(self, *, survives_restart: bool = False) -> None:
        self.name = "local"
        self.survives_restart = survives_restart
        self.uploads = False
        """If True, `submit` waits before it sends the request that may start a run, as during an upload."""
        self.report = Report(RunState.RUNNING)
        self.gate = threading.Event()
        self.gate.set()
        self.submitting = threading.Event()
        self.submit_error: FaceSwapError | None = None
        self.stop_answers = [True]
        self.submissions: list[str] = []
        self.people: list[Path | None] = []
        """The people file of each submission."""
        self.polled: list[Handle] = []
        self.stopped: list[Handle] = []
        self.cleaned_up: list[Handle] = []

    def check(self, source_bytes: int, target_bytes: int) -> None:
        pass

    def submit(self, job: Job, media: Media) -> Handle:
        assert list(media.work_dir.iterdir()) == []
        self.submissions.append(job.id)
        self.people.append(media.people)
        if self.survives_restart and not self.uploads:
            media.sending()
        self.submitting.set()
        assert self.gate.wait(20 * PATIENCE)
        if self.uploads:
            media.sending()
        if self.submit_error:
            raise self.submit_error
        return Handle(job.run, f"remote-{job.id}" if self.survives_restart else None, job.submitted_at)

    def poll(self, handle: Handle) -> Report:
        self.polled.append(handle)
        return self.report

    def stop(self, handle: Handle) -> bool:
        self.stopped.append(handle)
        return self.stop_answers.pop(0) if len(self.stop_answers) > 1 else self.stop_answers[0]

    def fetch(self, handle: Handle, report: Report, path: Path) -> None:
        path.write_bytes(b"the result")

    def clean_up(self, handle: Handle) -> None:
        self.cleaned_up.append(handle)

    def erase(self, handle: Handle) -> bool:
        return True

    def close(self) -> None:
        pass


def unsealed(job: Job, result: Path, sealed: Path, *_: object, **__: object) -> Marks:
    """Replaces sealing for results that are not media. `test_provenance.py` tests the real sealing."""
    content = result.read_bytes()
    sealed.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    return Marks("both", {}, "urn", "nobody", "none", "never", sha256, len(content))


class House:
    """A store, a scripted backend and dispatchers that use one data folder."""

    def __init__(self, root: Path) -> None:
        self.folders = Folders(root)
        self.store = JobStore(self.folders.store)
        self.settings = Settings(data_dir=root)
        self.dispatchers: list[Dispatcher] = []

    def add_job(self, **changes: Any) -> Job:
        uploads = [make_upload(), make_upload(kind="video", file="media.video")]
        for upload in uploads:
            self.store.add_upload(upload)
        return add_job(self.store, source_file=uploads[0].id, target_file=uploads[1].id, **changes)

    def dispatch(
        self,
        backend: ScriptedBackend,
        slots: int = 1,
        seal: Seal | None = unsealed,
        names: Sequence[str] = ("local", "runpod"),
    ) -> Dispatcher:
        dispatcher = Dispatcher(
            self.store,
            dict.fromkeys(names, backend),
            self.folders,
            self.settings,
            dict.fromkeys(names, slots),
            seal=seal,
        )
        self.dispatchers.append(dispatcher)
        dispatcher.start()
        return dispatcher

    def until(self, job: Job, status: Status) -> Job:
        return wait_until(
            lambda: found if (found := self.store.get(job.id)).status is status else None, f"job is {status}"
        )


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    for dispatcher in house.dispatchers:
        dispatcher.close()
    house.store.close()


def test_a_job_runs_to_its_end_and_leaves_result_and_summary(house: House) -> None:
    backend = ScriptedBackend()
    backend.report = Report(RunState.SUCCEEDED, 100, swap=SwapResult(notes=("audio_reencoded",)))
    job = house.add_job()
    house.dispatch(backend)
    done = house.until(job, Status.COMPLETED)
    assert house.folders.result(done).read_bytes() == b"the result"
    assert done.notes == ("audio_reencoded",)
    summary = house.folders.job(job.id) / "job.json"
    wait_until(summary.exists, "the summary is written")
    assert [event["status"] for event in json.loads(summary.read_text())["events"]] == [
        "pending",
        "processing",
        "completed",
    ]
    assert sorted(path.name for path in house.folders.job(job.id).iterdir()) == ["job.json", done.result_file]
    assert done.result_file == f"result-{done.run.name}.mp4"
    assert backend.cleaned_up == [Handle(done.run)]


def test_progress_and_stage_reach_the_store(house: House) -> None:
    backend = ScriptedBackend()
    backend.report = Report(RunState.RUNNING, 42, Stage.WAITING_FOR_GPU)
    job = house.add_job()
    house.dispatch(backend)
    wait_until(lambda: house.store.get(job.id).progress == 42, "the progress is stored")
    assert house.store.get(job.id).stage is Stage.WAITING_FOR_GPU


def test_a_backend_is_told_what_is_known_of_the_people_of_a_video(house: House) -> None:
    backend = ScriptedBackend()
    backend.report = Report(RunState.SUCCEEDED, 100)
    expected: dict[str, Path | None] = {}
    for kind, asked in (
        (JobType.MULTI_VIDEO, True),
        (JobType.MULTI_VIDEO, False),
        (JobType.SINGLE_VIDEO, True),
    ):
        job = house.add_job(type=kind)
        people = house.folders.upload(job.target_file) / "people.json"
        if asked:
            people.parent.mkdir(parents=True)
            people.write_text("{}")
        expected[job.id] = people if asked else None
    house.dispatch(backend)
    wait_until(lambda: len(backend.people) == len(expected), "all were submitted")
    assert dict(zip(backend.submissions, backend.people, strict=True)) == expected


def test_a_failed_run_ends_with_code_and_sentence(house: House) -> None:
    backend = ScriptedBackend()
    backend.report = Report(RunState.FAILED, error=EngineCrashed())
    job = house.add_job()
    house.dispatch(backend)
    failed = house.until(job, Status.FAILED)
    assert (failed.error_code, failed.error_message) == ("engine_crashed", str(EngineCrashed()))


def test_a_run_ended_for_want_of_memory_starts_once_more_and_then_says_so(house: House) -> None:
    backend = ScriptedBackend()
    backend.report = Report(RunState.FAILED, error=EngineOutOfMemory())
    job = house.add_job()
    house.dispatch(backend)
    failed = house.until(job, Status.FAILED)
    assert (failed.error_code, failed.attempt) == ("engine_out_of_memory", 2)
    assert backend.submissions == [job.id, job.id]


def test_no_more_jobs_run_at_once_than_there_are_slots(house: House) -> None:
    backend = ScriptedBackend()
    jobs = [house.add_job() for _ in range(3)]
    house.dispatch(backend, slots=2)
    wait_until(lambda: len(backend.submissions) == 2, "two are submitted")
    house.store.cancel(jobs[0].id)
    house.until(jobs[2], Status.PROCESSING)
    assert len(house.store.active()) == 2


def test_cancel_stops_the_run_and_removes_its_work(house: House) -> None:
    backend = ScriptedBackend()
    job = house.add_job()
    dispatcher = house.dispatch(backend)
    running = house.until(job, Status.PROCESSING)
    wait_until(lambda: backend.polled, "the run is polled")
    house.store.cancel(job.id)
    dispatcher.wake(job.id)
    wait_until(lambda: backend.stopped, "the run is stopped")
    wait_until(lambda: not house.folders.work(running.run).exists(), "its work is gone")
    assert house.store.get(job.id).error_code == "cancelled"


def test_a_result_that_comes_after_the_cancel_is_deleted(house: House) -> None:
    backend = ScriptedBackend()
    backend.gate.clear()
    job = house.add_job()
    house.dispatch(backend)
    assert backend.submitting.wait(20 * PATIENCE)
    backend.report = Report(RunState.SUCCEEDED, 100)
    house.store.cancel(job.id)
    backend.gate.set()
    wait_until(lambda: backend.stopped, "the run is stopped")
    wait_until(lambda: not list(house.folders.job(job.id).glob("*.mp4")), "no result is left")
    assert house.store.get(job.id).status is Status.FAILED


@pytest.mark.parametrize("missing", [False, True], ids=["it was cancelled", "its work is missing"])
def test_only_a_missing_work_folder_of_a_running_task_is_a_fault(
    house: House, missing: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """What another process cancels, it sweeps away at once, in the middle of whatever the run does."""
    backend = ScriptedBackend()
    backend.report = Report(RunState.SUCCEEDED, 100)
    job = house.add_job()

    def fetch_while_it_is_swept_away(handle: Handle, report: Report, path: Path) -> None:
        if not missing:
            house.store.cancel(job.id)
        shutil.rmtree(path.parent)
        path.write_bytes(b"the result")

    backend.fetch = fetch_while_it_is_swept_away
    house.dispatch(backend)
    assert house.until(job, Status.FAILED).error_code == ("internal" if missing else "cancelled")
    wait_until(lambda: backend.cleaned_up, "the run is over")
    assert any(record.exc_info for record in caplog.records) == missing


def test_stopping_the_app_gives_a_local_run_back_unspent(house: House) -> None:
    backend = ScriptedBackend()
    job = house.add_job()
    dispatcher = house.dispatch(backend)
    wait_until(lambda: backend.polled, "the run is polled")
    dispatcher.close()
    released = house.store.get(job.id)
    assert (released.status, released.attempt) == (Status.PENDING, 0)
    assert backend.stopped
    house.dispatch(ScriptedBackend())
    house.until(job, Status.PROCESSING)


def test_closing_does_not_wait_for_an_upload_that_stalls(house: House) -> None:
    backend = ScriptedBackend(survives_restart=True)
    backend.uploads = True
    backend.gate.clear()
    job = house.add_job(backend="runpod")
    dispatcher = house.dispatch(backend)
    assert backend.submitting.wait(20)
    closing = threading.Thread(target=dispatcher.close)
    closing.start()
    closing.join(10)
    assert not closing.is_alive(), "the upload is still under way"
    given_back = house.store.get(job.id)
    assert (given_back.status, given_back.attempt) == (Status.PENDING, 0)
    backend.gate.set()
    wait_until(lambda: not dispatcher._runs, "the upload's thread has ended")
    assert house.store.get(job.id) == given_back, "it sent nothing and changed nothing"


def test_a_local_run_whose_process_died_starts_again_three_times_at_most(house: House) -> None:
    job = house.add_job()
    for attempt in (1, 2, 3):
        dead = wait_until(lambda: house.store.claim("dead worker", "local", lease_s=-1), "it can be claimed")
        assert dead.attempt == attempt
        work = house.folders.work(dead.run)
        work.mkdir(parents=True)
        dispatcher = house.dispatch(ScriptedBackend(), slots=0)
        wait_until(lambda: house.store.get(job.id).status is not Status.PROCESSING, "the run is taken up")
        dispatcher.close()
        assert not work.exists()
    lost = house.store.get(job.id)
    assert (lost.status, lost.error_code) == (Status.FAILED, "backend_lost")


def test_after_a_jump_of_the_clock_an_owner_that_is_alive_keeps_its_run(tmp_path: Path) -> None:
    clock, passed = Clock(), Clock(0.0)
    store = JobStore(Folders(tmp_path).store, clock)
    job = add_job(store)
    running = store.claim("alive", "local", LEASE_S)
    assert running is not None
    settings, folders = Settings(data_dir=tmp_path), Folders(tmp_path)
    other = Dispatcher(store, {"local": ScriptedBackend()}, folders, settings, {"local": 0}, passed)
    for _ in range(4):
        clock.now_s += 3600
        other._claim()
        passed.now_s += 0.4
        store.keep_leases("alive", LEASE_S, [running.run])
        other._claim()
        passed.now_s += 5
    assert store.get(job.id).run == running.run, "it lost no attempt and no run"
    clock.now_s += 3600
    for _ in range(3):
        other._claim()
        passed.now_s += 0.6
    assert store.get(job.id).status is Status.PENDING, "its owner had time to renew, and did not"
    store.close()


@pytest.mark.parametrize("back_s", [3, 30, 3600, 86_400])
def test_after_a_crash_a_run_starts_again_although_the_clock_was_set_back(
    tmp_path: Path, back_s: float
) -> None:
    clock, passed = Clock(), Clock(0.0)
    store = JobStore(Folders(tmp_path).store, clock)
    job = add_job(store)
    assert store.claim("dead worker", "local", LEASE_S) is not None
    clock.now_s -= back_s
    settings, folders = Settings(data_dir=tmp_path), Folders(tmp_path)
    other = Dispatcher(store, {"local": ScriptedBackend()}, folders, settings, {"local": 0}, passed)
    while store.get(job.id).status is Status.PROCESSING:
        assert passed.now_s < LONGEST_LEASE_S, "nobody takes the run up"
        other._claim()
        clock.now_s += 0.5
        passed.now_s += 0.5
    assert store.get(job.id).status is Status.PENDING
    store.close()


def test_after_the_clock_was_set_back_an_owner_that_is_alive_keeps_its_run(tmp_path: Path) -> None:
    clock, passed = Clock(), Clock(0.0)
    store = JobStore(Folders(tmp_path).store, clock)
    add_job(store)
    running = store.claim("alive", "local", LEASE_S)
    assert running is not None
    settings, folders = Settings(data_dir=tmp_path), Folders(tmp_path)
    other = Dispatcher(store, {"local": ScriptedBackend()}, folders, settings, {"local": 0}, passed)
    for step in range(80):
        if step % 20 == 10:
            clock.now_s -= 3600
        store.keep_leases("alive", LEASE_S, [running.run])
        other._claim()
        clock.now_s += 0.5
        passed.now_s += 0.5
    assert store.get(running.id).run == running.run
    store.close()


def test_a_late_run_cannot_replace_the_result_of_the_run_that_won(house: House) -> None:
    def taken_over_meanwhile(job: Job, result: Path, sealed: Path, *_: object, **__: object) -> Marks:
        house.store.end_lease(job)
        winner = house.store.adopt(job, "winner", 60)
        assert winner is not None
        path = house.folders.result_of(winner.run, "result.mp4")
        path.write_bytes(b"the winner's result")
        assert house.store.complete(winner, result_file=path.name)
        return unsealed(job, result, sealed)

    backend = ScriptedBackend()
    backend.report = Report(RunState.SUCCEEDED, 100)
    job = house.add_job()
    dispatcher = house.dispatch(backend, seal=taken_over_meanwhile)
    done = house.until(job, Status.COMPLETED)
    wait_until(lambda: not list(house.folders.job(job.id).glob("attempt-*")), "the late run is over")
    dispatcher.close()
    assert house.folders.result(done).read_bytes() == b"the winner's result"
    assert len(list(house.folders.job(job.id).glob("result*"))) == 1


def test_a_run_that_was_taken_over_says_nothing_about_the_stop_of_the_other_run(house: House) -> None:
    backend = ScriptedBackend(survives_restart=True)
    backend.uploads = True
    backend.stop_answers = [False]
    backend.gate.clear()
    job = house.add_job(backend="runpod")
    first = house.dispatch(backend)
    assert backend.submitting.wait(20)
    house.store.end_lease(house.store.get(job.id))
    adopted = house.store.adopt(house.store.get(job.id), "notebook", 60)
    assert adopted is not None
    assert house.store.release(adopted, "restarted", spent=True)
    second = house.store.claim("notebook", "runpod", 60)
    assert second is not None
    assert house.store.submitting(second)
    house.store.submitted(second.run, "rp-2")
    assert house.store.cancel(job.id).remote_stop is RemoteStop.PENDING
    backend.gate.set()
    first.close()
    assert house.store.get(job.id).remote_stop is RemoteStop.PENDING, "the notebook's run goes on"


def test_two_runs_of_one_job_in_one_process_do_not_touch_each_other(house: House) -> None:
    backend = ScriptedBackend()
    backend.gate.clear()
    job = house.add_job()
    dispatcher = house.dispatch(backend, slots=2)
    assert backend.submitting.wait(20)
    house.store.end_lease(house.store.get(job.id))
    adopted = house.store.adopt(house.store.get(job.id), "other", 60)
    assert adopted is not None
    assert house.store.release(adopted, "restarted", spent=True)
    dispatcher.wake()
    wait_until(lambda: len(backend.submissions) == 2, "the second attempt is submitted")
    backend.report = Report(RunState.SUCCEEDED, 100)
    backend.gate.set()
    done = house.until(job, Status.COMPLETED)
    wait_until(lambda: not dispatcher._runs, "both threads have ended")
    assert (done.attempt, done.result_file) == (2, f"result-{done.run.name}.mp4")
    assert house.folders.result(done).is_file()


def test_a_remote_run_is_picked_up_where_it_stands_and_never_submitted_twice(house: House) -> None:
    job = house.add_job()
    dead = house.store.claim("dead worker", "local", lease_s=-1)
    assert dead is not None
    house.store.submitting(dead)
    house.store.submitted(dead.run, "remote-1")
    backend = ScriptedBackend(survives_restart=True)
    backend.report = Report(RunState.SUCCEEDED, 100)
    house.dispatch(backend)
    done = house.until(job, Status.COMPLETED)
    assert backend.submissions == []
    assert (backend.polled[0].remote_id, done.attempt) == ("remote-1", 1)


def test_a_submission_nobody_knows_the_outcome_of_is_stopped_not_repeated(house: House) -> None:
    job = house.add_job()
    dead = house.store.claim("dead worker", "local", lease_s=-1)
    assert dead is not None
    house.store.submitting(dead)
    backend = ScriptedBackend(survives_restart=True)
    backend.stop_answers = [False, True]
    house.dispatch(backend)
    failed = house.until(job, Status.FAILED)
    assert failed.error_code == "submission_unknown"
    wait_until(lambda: house.store.get(job.id).remote_stop is RemoteStop.CONFIRMED, "the stop is confirmed")
    assert backend.submissions == []
    assert {handle.remote_id for handle in backend.stopped} == {None}


def test_a_lost_answer_to_a_submission_asks_for_a_stop(house: House) -> None:
    backend = ScriptedBackend(survives_restart=True)
    backend.submit_error = SubmissionUnknown()
    job = house.add_job()
    house.dispatch(backend)
    house.until(job, Status.FAILED)
    wait_until(lambda: house.store.get(job.id).remote_stop is RemoteStop.CONFIRMED, "the stop is confirmed")
    assert len(backend.submissions) == 1


def test_a_failed_run_that_may_go_on_is_stopped_before_it_is_forgotten(house: House) -> None:
    backend = ScriptedBackend(survives_restart=True)
    backend.report = Report(RunState.FAILED, error=EngineCrashed(), stop_needed=True)
    job = house.add_job()
    house.dispatch(backend)
    assert house.until(job, Status.FAILED).error_code == "engine_crashed"
    wait_until(lambda: house.store.get(job.id).remote_stop is RemoteStop.CONFIRMED, "the stop is confirmed")
    assert backend.cleaned_up == []


def test_a_run_that_was_refused_leaves_nothing_to_stop(house: House) -> None:
    backend = ScriptedBackend(survives_restart=True)
    backend.submit_error = EngineCrashed()
    job = house.add_job()
    house.dispatch(backend)
    assert house.until(job, Status.FAILED).remote_stop is RemoteStop.NONE
    wait_until(lambda: backend.cleaned_up, "what was uploaded is deleted")
    assert backend.stopped == []


def test_a_bug_after_a_submission_stops_the_run(house: House) -> None:
    backend = ScriptedBackend(survives_restart=True)
    backend.poll = lambda handle: 1 / 0
    job = house.add_job()
    house.dispatch(backend)
    house.until(job, Status.FAILED)
    wait_until(lambda: backend.stopped, "the run is stopped")
    assert backend.stopped[0].remote_id == f"remote-{job.id}"


def test_a_cancel_that_meets_a_submit_in_flight_wins(house: House) -> None:
    backend = ScriptedBackend(survives_restart=True)
    backend.stop_answers = [False]
    backend.gate.clear()
    job = house.add_job()
    house.dispatch(backend)
    assert backend.submitting.wait(20 * PATIENCE)
    assert house.store.cancel(job.id).remote_stop is RemoteStop.PENDING
    backend.gate.set()
    wait_until(lambda: any(handle.remote_id for handle in backend.stopped), "the late id is stopped")
    backend.stop_answers = [True]
    wait_until(lambda: house.store.get(job.id).remote_stop is RemoteStop.CONFIRMED, "the stop is confirmed")
    assert house.store.get(job.id).error_code == "cancelled"


def test_a_cancel_that_meets_a_submission_that_was_refused_has_nothing_left_to_stop(house: House) -> None:
    backend = ScriptedBackend(survives_restart=True)
    backend.stop_answers = [False]
    backend.submit_error = EngineCrashed()
    backend.gate.clear()
    job = house.add_job()
    house.dispatch(backend)
    assert backend.submitting.wait(20 * PATIENCE)
    assert house.store.cancel(job.id).remote_stop is RemoteStop.PENDING
    backend.gate.set()
    wait_until(lambda: house.store.get(job.id).remote_stop is RemoteStop.CONFIRMED, "the stop is confirmed")
    assert house.store.get(job.id).error_code == "cancelled"


def test_a_cancel_during_the_upload_keeps_the_job_from_being_sent(house: House) -> None:
    backend = ScriptedBackend(survives_restart=True)
    backend.uploads = True
    backend.stop_answers = [False]
    backend.gate.clear()
    job = house.add_job(backend="runpod")
    house.dispatch(backend)
    assert backend.submitting.wait(20 * PATIENCE)
    assert house.store.cancel(job.id).remote_stop is RemoteStop.PENDING, "its media may be there"
    backend.gate.set()
    wait_until(lambda: house.store.get(job.id).remote_stop is RemoteStop.CONFIRMED, "the stop is confirmed")
    assert house.store.get(job.id).submitted_at is None
    assert backend.polled == []


def test_a_death_during_the_upload_costs_no_task(house: House) -> None:
    job = house.add_job(backend="runpod")
    dead = house.store.claim("dead worker", "runpod", lease_s=-1)
    assert dead is not None
    backend = ScriptedBackend(survives_restart=True)
    backend.report = Report(RunState.SUCCEEDED, 100)
    house.dispatch(backend)
    assert house.until(job, Status.COMPLETED).attempt == 2
    assert backend.submissions == [job.id]


def test_a_bug_while_a_run_is_stopped_does_not_keep_it_from_being_stopped(house: House) -> None:
    backend = ScriptedBackend(survives_restart=True)
    stop, bug = backend.stop, threading.Event()

    def stop_with_a_bug(handle: Handle) -> bool:
        if not bug.is_set():
            bug.set()
            raise ZeroDivisionError
        return stop(handle)

    backend.stop = stop_with_a_bug
    backend.submit_error = SubmissionUnknown()
    job = house.add_job()
    house.dispatch(backend)
    assert bug.wait(20 * PATIENCE)
    wait_until(lambda: house.store.get(job.id).remote_stop is RemoteStop.CONFIRMED, "the stop is confirmed")


class TestAStopWhoseBackendIsNotConfiguredAnyMore:
    """The key was removed after the cancel, so this process cannot reach RunPod."""

    def cancelled(self, house: House, *, sent_s_ago: float | None, cancelled_s_ago: float = 0.0) -> Job:
        now = datetime.now(UTC)
        return house.add_job(
            backend="runpod",
            status=Status.FAILED,
            remote_stop=RemoteStop.PENDING,
            runpod_id=None if sent_s_ago is None else "remote",
            submitted_at=None if sent_s_ago is None else now - timedelta(seconds=sent_s_ago),
            updated_at=now - timedelta(seconds=cancelled_s_ago),
        )

    def longest_s(self, house: House) -> float:
        limits = house.settings.runpod_wait_s + house.settings.engine_timeout_s
        return limits + stops.GIVE_UP_AFTER_S

    def test_it_stays_pending_and_is_delivered_once_the_key_is_back(self, house: House) -> None:
        job = self.cancelled(house, sent_s_ago=self.longest_s(house) - 60)
        nobody = house.dispatch(ScriptedBackend(), names=["local"])
        wait_until(lambda: nobody.stops.tried(job.id), "it was tried")
        assert house.store.get(job.id).remote_stop is RemoteStop.PENDING
        nobody.close()
        backend = ScriptedBackend(survives_restart=True)
        house.dispatch(backend)
        wait_until(lambda: house.store.get(job.id).remote_stop is RemoteStop.CONFIRMED, "it is confirmed")
        assert backend.stopped == [Handle(job.remote_run, "remote", job.submitted_at)]

    def test_it_is_given_up_once_its_run_must_have_ended_and_a_sentence_says_so(self, house: House) -> None:
        assert self.longest_s(house) < 3 * 3600
        job = self.cancelled(house, sent_s_ago=self.longest_s(house) + 60)
        house.dispatch(ScriptedBackend(), names=["local"])
        wait_until(lambda: house.store.get(job.id).remote_stop is RemoteStop.GIVEN_UP, "it is given up")
        job = house.store.get(job.id)
        assert CATALOGUES["zh"].remote_stop[job.remote_stop] == "未能确认云端已停止，请到 RunPod 控制台查看"
        assert "look at the RunPod console" in CATALOGUES["en"].remote_stop[job.remote_stop]
        assert house.store.events(job.id)[-1].reason == "remote stop given_up"

    def test_of_a_job_that_was_never_sent_it_is_confirmed_in_the_end(self, house: House) -> None:
        waits = self.cancelled(house, sent_s_ago=None)
        ends = self.cancelled(house, sent_s_ago=None, cancelled_s_ago=self.longest_s(house) + 60)
        house.dispatch(ScriptedBackend(), names=["local"])
        wait_until(lambda: house.store.get(ends.id).remote_stop is RemoteStop.CONFIRMED, "it is over")
        assert house.store.get(waits.id).remote_stop is RemoteStop.PENDING, "media may lie in the bucket"


def test_a_run_whose_backend_is_not_configured_any_more_ends_once_it_must_be_over(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before that, another process that has the key may finish it, or this process when it gets the key."""
    jobs = [house.add_job(backend="runpod") for _ in range(2)]
    for _ in jobs:
        dead = house.store.claim("dead worker", "runpod", lease_s=-1)
        assert dead
        house.store.submitting(dead)
        house.store.submitted(dead.run, "remote")
    nobody = house.dispatch(ScriptedBackend(), names=["local"])
    local = house.add_job()
    house.until(local, Status.PROCESSING)  # The dispatcher looked at the other jobs before this one.
    assert {house.store.get(job.id).status for job in jobs} == {Status.PROCESSING}
    nobody.close()
    limits = house.settings.runpod_wait_s + house.settings.engine_timeout_s
    monkeypatch.setattr(stops, "GIVE_UP_AFTER_S", -limits)
    house.dispatch(ScriptedBackend(), names=["local"])
    for job in jobs:
        failed = house.until(job, Status.FAILED)
        assert (failed.error_code, failed.remote_stop) == ("backend_unavailable", RemoteStop.NONE)
        wait_until((house.folders.job(job.id) / "job.json").is_file, "the summary is written")


def test_a_run_whose_end_could_not_be_written_is_taken_up_while_others_go_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher_module, "LEASE_S", 1.0)
    fail, refusals = house.store.fail, iter([DiskFull()])

    def fail_when_there_is_room(job: Job, *words: str, **changes: bool) -> Job | None:
        if refusal := next(refusals, None):
            raise refusal
        return fail(job, *words, **changes)

    monkeypatch.setattr(house.store, "fail", fail_when_there_is_room)
    backend = ScriptedBackend()
    doomed = house.add_job()
    failed, running = Report(RunState.FAILED, error=EngineCrashed()), Report(RunState.RUNNING)
    backend.poll = lambda handle: failed if handle.job_id == doomed.id else running
    other = house.add_job()
    house.dispatch(backend, slots=2)
    house.until(doomed, Status.FAILED)
    assert house.store.get(other.id).status is Status.PROCESSING
    assert house.store.get(doomed.id).attempt == 2


def test_a_thread_that_dies_frees_its_slot_and_its_run_and_shows_until_another_ends_well(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = ScriptedBackend()
    backend.poll = lambda handle: 1 / 0
    dispatcher = house.dispatch(backend)
    monkeypatch.setattr(dispatcher._driver, "fail", lambda *_, **__: 1 / 0)
    assert dispatcher.threads_state == "ok"
    job = house.add_job()
    wait_until(lambda: dispatcher.threads_state == "failing", "the thread died")
    wait_until(lambda: not dispatcher._runs, "its slot is free")
    monkeypatch.undo()
    del backend.poll
    backend.report = Report(RunState.SUCCEEDED, 100)
    house.store.end_lease(house.store.get(job.id))
    house.until(job, Status.COMPLETED)
    wait_until(lambda: dispatcher.threads_state == "ok", "another one ended well")


def test_what_cannot_be_removed_after_a_run_does_not_cost_its_slot(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driving, "write_summary", lambda *arguments: 1 / 0)
    backend = ScriptedBackend()
    backend.report = Report(RunState.SUCCEEDED, 100)
    jobs = [house.add_job() for _ in range(2)]
    house.dispatch(backend, slots=1)
    for job in jobs:
        house.until(job, Status.COMPLETED)


def test_stopping_the_app_leaves_a_remote_run_to_the_next_dispatcher(house: House) -> None:
    job = house.add_job()
    first, second = ScriptedBackend(survives_restart=True), ScriptedBackend(survives_restart=True)
    dispatcher = house.dispatch(first)
    wait_until(lambda: first.polled, "the run is polled")
    dispatcher.close()
    assert house.store.get(job.id).status is Status.PROCESSING
    assert first.stopped == []
    second.report = Report(RunState.SUCCEEDED, 100)
    house.dispatch(second)
    house.until(job, Status.COMPLETED)
    assert second.submissions == []


def test_a_bug_in_a_backend_costs_one_job_and_tells_nobody_where_it_is(house: House) -> None:
    backend = ScriptedBackend()
    backend.poll = lambda handle: 1 / 0
    job, other = house.add_job(), house.add_job()
    house.dispatch(backend)
    failed = house.until(job, Status.FAILED)
    assert (failed.error_code, failed.error_message) == ("internal", str(FaceSwapError()))
    house.until(other, Status.FAILED)


def test_a_full_disk_during_a_run_is_told_as_that(house: House) -> None:
    def fetch_on_a_full_disk(handle: Handle, report: Report, path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    backend = ScriptedBackend()
    backend.report = Report(RunState.SUCCEEDED, 100)
    backend.fetch = fetch_on_a_full_disk
    job = house.add_job()
    house.dispatch(backend)
    assert house.until(job, Status.FAILED).error_code == "disk_full"


def test_a_report_that_cannot_be_written_does_not_end_the_run(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    report, refusals = house.store.report, iter([StoreUnavailable(reason="it is locked")])

    def report_when_unlocked(*arguments: Any, **changes: Any) -> Job | None:
        if refusal := next(refusals, None):
            raise refusal
        return report(*arguments, **changes)

    monkeypatch.setattr(house.store, "report", report_when_unlocked)
    backend = ScriptedBackend()
    backend.report = Report(RunState.RUNNING, 42)
    job = house.add_job()
    house.dispatch(backend)
    wait_until(lambda: house.store.get(job.id).progress == 42, "the next report is written")
    assert house.store.get(job.id).attempt == 1


def test_two_dispatchers_share_the_work_and_run_each_job_once(house: House) -> None:
    jobs = [house.add_job() for _ in range(12)]
    backends = [ScriptedBackend(), ScriptedBackend()]
    for backend in backends:
        backend.report = Report(RunState.SUCCEEDED, 100)
        house.dispatch(backend, slots=3)
    for job in jobs:
        assert house.until(job, Status.COMPLETED).attempt == 1
    assert sorted(id for backend in backends for id in backend.submissions) == sorted(job.id for job in jobs)


@pytest.mark.engine
def test_a_result_without_its_marks_is_not_handed_out(house: House, tmp_path: Path) -> None:
    backend = ScriptedBackend()
    backend.report = Report(RunState.SUCCEEDED, 100)
    bare = marked(tmp_path / "bare.mp4", Marking(None, aigc_text("somebody", "another-job")))
    backend.fetch = lambda handle, report, path: path.write_bytes(bare.read_bytes())
    job = house.add_job()
    house.dispatch(backend, seal=None)
    failed = house.until(job, Status.FAILED)
    assert failed.error_code == "marks_missing"
    assert failed.marks is None
    wait_until(lambda: backend.cleaned_up, "what lay elsewhere is deleted")
    wait_until(lambda: not list(house.folders.job(job.id).rglob("*.mp4")), "no file of it is left")


@pytest.mark.engine
def test_a_result_is_handed_out_with_its_marks_and_ingredients(house: House, tmp_path: Path) -> None:
    backend = ScriptedBackend()
    backend.report = Report(RunState.SUCCEEDED, 100, swap=SwapResult(frames=3))
    job = house.add_job()
    fetched = marked(tmp_path / "fetched.mp4", marking_of(job, house.settings))
    backend.fetch = lambda handle, report, path: path.write_bytes(fetched.read_bytes())
    house.dispatch(backend, seal=None)
    done = house.until(job, Status.COMPLETED)
    assert done.marks is not None
    assert (done.marks["label"], done.marks["source_type"]) == ("both", "compositeCapture")
    assert done.result is not None
    assert (done.result.sha256, done.result.frames) == (done.marks["sha256"], 3)
    found = verify(house.folders.result(done), house.settings)
    assert (found.verdict, found.job, found.sha256) == (Verdict.GENUINE, job.id, done.marks["sha256"])
    assert [each.role for each in found.ingredients] == ["target", "source"]


def test_a_cancel_while_a_result_is_signed_leaves_no_result(house: House) -> None:
    backend, signing = ScriptedBackend(), threading.Event()
    backend.report = Report(RunState.SUCCEEDED, 100)

    def slow_seal(*_: object, wanted: Callable[[], bool], **__: object) -> None:
        signing.set()
        wait_until(lambda: not wanted(), "the cancel is noticed")

    job = house.add_job()
    house.dispatch(backend, seal=slow_seal)
    assert signing.wait(20 * PATIENCE)
    cancelled = house.store.cancel(job.id)
    wait_until(lambda: not list(house.folders.job(job.id).glob("attempt-*")), "the work is removed")
    assert not house.folders.result(cancelled).exists()
    assert house.store.get(job.id).error_code == "cancelled"
