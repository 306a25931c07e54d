"""A video in parts meets random faults. The test moves the clock, and each part's work is done at once.

For every order of faults these facts must be true: the task ends; RunPod accepts at most one run for each try
of a part; a completed task has every part; and nothing computes after a stop is confirmed.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import hypothesis.strategies as st
from hypothesis import given, settings

from faceswap.backends import Handle, Media, RunState, runpod_parts
from faceswap.backends.runpod import RunPodBackend
from faceswap.engine.child.contract import CutResult, CutSpec, JoinSpec
from faceswap.errors import FaceSwapError
from faceswap.jobs import JobType, RemoteStop, Status
from faceswap.media.kept import WHOLE, finished_parts
from faceswap.media.kinds import Cut, Span
from faceswap.store import JobStore
from faceswap.swap_result import SwapResult
from tests.emulator.model import RESULT, ModelBucket, ModelCloud, Script
from tests.factories import Clock, add_job
from tests.unit.test_runpod_faults import SETTINGS, scripts

PARTS, AT_ONCE = 3, 2
LONGEST_S = 20_000.0


class Done:
    """Replaces `Work`: the call is made at once, by this thread."""

    done = True

    def __init__(self, call: Callable[[], Any], after: Callable[[], None]) -> None:
        self._error: BaseException | None = None
        try:
            self._result = call()
        except Exception as error:  # noqa: BLE001 - `result` raises it
            self._error = error

    def wait(self, seconds: float) -> None:
        pass

    def result(self) -> Any:
        if self._error:
            raise self._error
        return self._result


def in_child(spec: Any, limit_s: float, go_on: Callable[[], None]) -> Any:
    """Replaces the engine's child: cuts are small files, and joined they are a longer one."""
    if isinstance(spec, CutSpec):
        cuts = tuple(
            Cut(f"cut-{n}", Span(0, 1, n), 1.0, 10, 10 * n, 10 * n + 9, n + 0.9) for n in range(PARTS)
        )
        for cut in cuts:
            (spec.folder / cut.file).write_bytes(b"a cut")
        (spec.folder / WHOLE).write_text("{}")
        return CutResult(cuts)
    assert isinstance(spec, JoinSpec)
    parts = [(spec.folder / part.file).read_bytes() for part in finished_parts(spec.folder)]
    assert parts == [RESULT] * spec.count
    spec.result.write_bytes(b"".join(parts))
    return SwapResult(frames=10 * spec.count, swapped_frames=10 * spec.count)


class App:
    """Calls the backend as the dispatcher does, with a real store."""

    def __init__(
        self, folder: Path, script: Script, cancel_at: float | None, restarts: tuple[float, ...]
    ) -> None:
        self.clock, self.bucket = Clock(), ModelBucket()
        self.cloud = ModelCloud(script, self.clock, self.bucket)
        self.bucket.on_upload = lambda: self.sleep(script.upload_s)
        self.store = JobStore(folder / "jobs.sqlite3", self.clock)
        self.cancel_at, self.restarts, self.began = cancel_at, list(restarts), self.clock()
        (folder / "source.png").write_bytes(b"source")
        (folder / "target.mp4").write_bytes(b"target")
        (folder / "parts").mkdir()
        (folder / "work").mkdir()
        self.media = Media(
            {"": folder / "source.png"},
            folder / "target.mp4",
            folder / "work",
            parts=folder / "parts",
            target_duration_s=60.0,
        )
        self.result = folder / "result.mp4"
        self.id = add_job(self.store, backend="runpod", type=JobType.SINGLE_VIDEO).id
        claimed = self.store.claim("host:1:aaaaaaaa", "runpod", 5)
        assert claimed
        self.backend = self.start()

    def start(self) -> RunPodBackend:
        return RunPodBackend(
            SETTINGS.model_copy(update={"runpod_parallel": AT_ONCE}),
            bucket=self.bucket,
            transport=self.cloud,
            clock=self.clock,
            sleep=self.sleep,
            ledger=self.store,
        )

    def sleep(self, seconds: float) -> None:
        self.clock.now_s += seconds
        if self.cancel_at is not None and self.clock() - self.began >= self.cancel_at:
            if self.store.get(self.id).status.live:
                self.store.cancel(self.id)
            self.cancel_at = None

    def run(self) -> None:
        handle: Handle | None = None
        while self.store.get(self.id).status.live:
            job = self.store.get(self.id)
            if self.restarts and self.clock() - self.began >= self.restarts[0]:
                self.restarts.pop(0)
                self.backend.close()
                self.backend, handle = self.start(), None
            try:
                handle = handle or self.backend.submit(job, self.media)
                report = self.backend.poll(handle)
                if report.error:
                    self.store.fail(job, report.error.code, "", stop_remote=report.stop_needed)
                elif report.state is RunState.SUCCEEDED:
                    self.backend.fetch(handle, report, self.result)
                    if self.store.complete(job):
                        self.backend.clean_up(handle)
            except FaceSwapError as error:
                self.store.fail(job, error.code, "", stop_remote=True)
            self.sleep(0.5 if self.clock() - self.began < 120 else 5.0)
            assert self.clock() - self.began < LONGEST_S, "the task never ends"
        self.stop()

    def stop(self) -> None:
        delay_s = 1.0
        while (job := self.store.get(self.id)).remote_stop is RemoteStop.PENDING:
            limit_s = SETTINGS.engine_timeout_s + SETTINGS.runpod_wait_s
            if self.backend.stop(Handle(job.remote_run, job.runpod_id, job.submitted_at, limit_s)):
                self.store.stopped(self.id, RemoteStop.CONFIRMED)
            else:
                self.clock.now_s += delay_s
                delay_s = min(60.0, 2 * delay_s)
            assert self.clock() - self.began < 2 * LONGEST_S, "the stop is never confirmed"


def changed() -> Iterator[Any]:
    yield mock.patch.object(runpod_parts, "Work", Done)
    yield mock.patch.object(runpod_parts, "_in_child", in_child)
    yield mock.patch.object(runpod_parts, "STOP_EVERY_S", 0.0)


times = st.floats(min_value=0, max_value=200).map(lambda value: round(value, 1))


def played(folder: Path, script: Script, *plan: Any) -> App:
    with contextlib.ExitStack() as stack:
        for patch in changed():
            stack.enter_context(patch)
        app = App(folder, script, *plan)
        app.run()
    return app


@settings(max_examples=max(20, settings.default.max_examples // 5))
@given(
    script=scripts,
    cancel_at=st.none() | times,
    restarts=st.lists(times, max_size=2, unique=True).map(lambda found: tuple(sorted(found))),
)
def test_every_order_of_faults_ends_well(
    script: Script, cancel_at: float | None, restarts: tuple[float, ...]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        app = played(Path(name), script, cancel_at, restarts)
        job = app.store.get(app.id)
        tries = Counter(run.input["result_url"] for run in app.cloud.runs.values())
        assert all(count == 1 for count in tries.values()), "RunPod accepted one try twice"
        noted = app.store.part_runs(app.id)
        assert len(tries) <= len(noted) <= PARTS * runpod_parts.TRIES
        assert (job.status is Status.COMPLETED) == app.result.exists()
        if job.status is Status.COMPLETED:
            assert job.parts and (job.parts.done, job.parts.running) == (PARTS, 0)
        if job.remote_stop is RemoteStop.CONFIRMED:
            assert not app.cloud.computing()
            assert not [one for one in noted if one.ended is None]
        app.clock.now_s += 4000
        assert not app.cloud.computing()
        app.store.close()


def test_a_bucket_that_stays_away_ends_the_task(tmp_path: Path) -> None:
    app = played(tmp_path, Script(bucket_down=((0, 1e9),)), None, ())
    job = app.store.get(app.id)
    assert (job.error_code, job.remote_stop) == ("bucket_unavailable", RemoteStop.CONFIRMED)
    assert not app.cloud.computing()


def test_without_faults_it_completes(tmp_path: Path) -> None:
    app = played(tmp_path, Script(), None, (3.0,))
    assert app.store.get(app.id).status is Status.COMPLETED
    assert len(app.cloud.runs) == PARTS
    assert not app.bucket.objects()
    assert datetime.fromtimestamp(app.clock(), UTC) > app.store.get(app.id).created_at
