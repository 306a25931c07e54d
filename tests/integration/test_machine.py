"""A service and two dispatchers do random steps over one store, and a plain model says what must be true.

Every step is a method of the real service, dispatcher or driver, without threads, so that Hypothesis can try
any order of them and shorten a failing one. Among the steps are: jumps of the clock, other settings, deaths
of a party, and crashes before and after any statement of a transaction.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import event
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from benchmarks.proofs import checks
from benchmarks.proofs.stepped import Cloud, CloudBackend, EngineBackend, SteppedDispatcher
from faceswap import Service, Settings, Status
from faceswap.backends import Backend
from faceswap.errors import FaceSwapError
from faceswap.folders import Folders
from faceswap.jobs import Job, RemoteStop
from faceswap.leftovers import Leftovers
from faceswap.store.lives import LONGEST_LEASE_S
from faceswap.terms import Terms
from tests.factories import Clock, make_upload


class Killed(BaseException):
    """The process dies here."""


class Bomb:
    """Goes off before or after a statement, when it was armed. Shared by all connections."""

    left = 0

    @classmethod
    def tick(cls) -> None:
        if cls.left:
            cls.left -= 1
            if not cls.left:
                raise Killed()


class FragileConnection(sqlite3.Connection):
    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql == "ROLLBACK":  # SQLite does it itself when the process has died
            return super().execute(sql)
        Bomb.tick()
        done = super().execute(sql, *values)
        Bomb.tick()
        return done


class Machine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="faceswap-machine-"))
        self.folders = Folders(self.root / "data")
        self.clock, self.monotonic, self.cloud = Clock(), Clock(0.0), Cloud()
        Bomb.left = 0
        self.connect = sqlite3.connect
        sqlite3.connect = lambda *args, **named: self.connect(*args, **{"factory": FragileConnection} | named)
        self.terms: dict[str, Terms] = {}
        self.ended: dict[str, Job] = {}
        self.cancelled: set[str] = set()
        self.deleting: set[str] = set()
        self.deleted: set[str] = set()
        self.settings = Settings(data_dir=self.folders.root, min_free_mb=0, multi_user=False)
        self.service = self.new_service()
        self.dispatchers = [self.new_dispatcher(), self.new_dispatcher()]

    def new_service(self) -> Service:
        Bomb.left = 0
        backends: dict[str, Backend] = {"local": EngineBackend(), "runpod": CloudBackend(self.cloud)}
        return Service(self.settings, backends=backends, clock=self.clock, dispatch=False)

    def new_dispatcher(self) -> SteppedDispatcher:
        Bomb.left = 0
        return SteppedDispatcher(self.folders, self.settings, self.clock, self.monotonic, self.cloud)

    def teardown(self) -> None:
        if not hasattr(self, "service"):
            return
        try:
            self.come_to_rest()
        finally:
            sqlite3.connect = self.connect
            for dispatcher in self.dispatchers:
                dispatcher.store.close()
            self.service.close()
            shutil.rmtree(self.root)

    # -- deaths --------------------------------------------------------------------------------------------

    def serving(self, work: Callable[[], object]) -> bool:
        """Let the service work. Returns False when its process died; then there is a new one."""
        try:
            work()
        except Killed:
            self.service._store.close()
            self.service = self.new_service()
            return False
        except FaceSwapError:
            return False
        return True

    def dispatching(self, which: int, work: Callable[[SteppedDispatcher], object]) -> None:
        try:
            work(self.dispatchers[which])
        except Killed:
            self.kill(which)

    @rule(which=st.integers(0, 1))
    def kill(self, which: int) -> None:
        self.dispatchers[which].store.close()
        self.dispatchers[which] = self.new_dispatcher()

    @rule(after=st.integers(1, 30))
    def arm(self, after: int) -> None:
        Bomb.left = after

    # -- what the owner does -------------------------------------------------------------------------------

    @rule(backend=st.sampled_from(["local", "runpod"]))
    def submit(self, backend: str) -> None:
        def work() -> None:
            settings = self.settings.model_copy(update={"backend": backend})
            uploads = [make_upload(), make_upload()]
            for upload in uploads:
                self.folders.media(upload).parent.mkdir(parents=True)
                self.folders.media(upload).write_bytes(b"picture")
                self.service._store.add_upload(upload)
            self.service._parts.submission._settings = settings
            job = self.service.submit("single-image", *uploads, consent=True)
            self.terms[job.id] = Terms.of(settings)

        self.serving(work)

    def one_of(self, place: int) -> str | None:
        known = [job_id for job_id in self.terms if job_id not in self.deleted]
        return known[place % len(known)] if known else None

    @rule(place=st.integers(0, 9))
    def cancel(self, place: int) -> None:
        job_id = self.one_of(place)
        if job_id and self.serving(lambda: self.service._store.cancel(job_id)):
            self.cancelled.add(job_id)

    @rule(place=st.integers(0, 9))
    def delete(self, place: int) -> None:
        job_id = self.one_of(place)
        if job_id:
            self.deleting.add(job_id)
            if self.serving(lambda: self.service.delete(job_id)):
                self.deleted.add(job_id)

    # -- what time and the administrator do ----------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.6, 2.0, 6.0, 60.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now_s += seconds
        self.monotonic.now_s += seconds

    @rule(seconds=st.sampled_from([-86_400.0, -60.0, 60.0, 86_400.0]))
    def jump(self, seconds: float) -> None:
        self.clock.now_s += seconds

    @rule(producer=st.sampled_from(["one", "another"]), limit_s=st.sampled_from([60, 3600]))
    def restart_with_other_settings(self, producer: str, limit_s: int) -> None:
        self.settings = self.settings.model_copy(
            update={"producer": producer, "engine_timeout_s": limit_s, "label_words": "zh"}
        )
        with suppress(Killed):
            self.service.close()
        self.service = self.new_service()

    # -- what dispatchers and cloud do ---------------------------------------------------------------------

    @rule(which=st.integers(0, 1))
    def tick(self, which: int) -> None:
        self.dispatching(which, lambda dispatcher: dispatcher._claim())

    @rule(which=st.integers(0, 1))
    def deliver_stops(self, which: int) -> None:
        self.dispatching(which, lambda dispatcher: dispatcher.stops.step())

    @rule(answer=st.sampled_from(["ok", "ok", "lost", "refused"]))
    def change_of_luck(self, answer: str) -> None:
        self.cloud.answer = answer

    @rule(
        which=st.integers(0, 1),
        place=st.integers(0, 3),
        what=st.sampled_from(["progress", "progress", "finish", "finish", "fail", "give back"]),
    )
    def drive(self, which: int, place: int, what: str) -> None:
        def work(dispatcher: SteppedDispatcher) -> None:
            driven = dispatcher.driven
            if driven:
                dispatcher.step(*driven[place % len(driven)], what)

        self.dispatching(which, work)

    # -- what must be true ---------------------------------------------------------------------------------

    @invariant()
    def promises_hold(self) -> None:
        if not hasattr(self, "service"):
            return
        left, Bomb.left = Bomb.left, 0
        store = self.service._store
        present = {job.id: job for job in checks.all_jobs(store)}
        for job_id, terms in self.terms.items():
            job = present.get(job_id)
            if job is None:
                assert job_id in self.deleting, "an acknowledged task is lost"
                continue
            assert job_id not in self.deleted
            assert job.terms == terms
            before = self.ended.get(job_id, job)
            assert (before.status, before.error_code) == (job.status, job.error_code), "an ended task changed"
            assert (job_id not in self.cancelled) or job.error_code == "cancelled"
            assert list(checks.chain_faults(job, store.events(job_id))) == []
            assert sum(run.job_id == job_id for run in self.cloud.accepted) <= 1, "two runs are paid for"
            if not job.status.live:
                self.ended[job_id] = job
                billed = [run for run in self.cloud.running if run.job_id == job_id]
                assert not billed or job.remote_stop is RemoteStop.PENDING, (
                    "nobody stops a run that is paid for"
                )
            if job.status is Status.COMPLETED:
                assert self.folders.result(job).is_file()
        Bomb.left = left

    def come_to_rest(self) -> None:
        """Let the parties work undisturbed: every task ends, and nothing is left of its runs."""
        Bomb.left, self.cloud.answer = 0, "ok"
        self.clock.now_s += LONGEST_LEASE_S  # if the clock was set back, a dead run's lease lasts longer
        for which in (0, 1):
            self.kill(which)
        with suppress(FaceSwapError):
            self.service.close()
        self.service = self.new_service()
        for _ in range(60):
            for which in (0, 1):
                self.wait(0.6)
                self.tick(which)
                self.deliver_stops(which)
                self.drive(which, 0, "finish")
                self.drive(which, 1, "finish")
            self.service._parts.eraser.step()
        jobs = checks.all_jobs(self.service._store)
        for job in jobs:
            event(f"{job.backend} {job.error_code or job.status.value} in attempt {job.attempt}")
        assert [job for job in jobs if job.status.live] == []
        assert self.cloud.running == set()
        for folder in self.folders.jobs.glob("*/job.*"):
            os.utime(folder, (0, 0))
        Leftovers(self.service._store, self.folders).remove()
        self.service._parts.intake.remove_unused(-86_400 * 365)
        assert list(checks.folder_faults(self.service._store, self.folders)) == []
        self.promises_hold()


_PROFILE = hypothesis_settings().max_examples
Machine.TestCase.settings = hypothesis_settings(
    max_examples=max(50, _PROFILE // 5 if _PROFILE > 1_000 else 0), stateful_step_count=40
)


class TestMachine(Machine.TestCase):
    pytestmark = pytest.mark.long
