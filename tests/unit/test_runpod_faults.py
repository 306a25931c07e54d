"""The RunPod client meets random faults. The test moves the clock.

For every order of faults, four facts must be true: the job ends, RunPod accepts at most one run, no job is
completed without its file, and nothing computes after a stop is confirmed.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import given

from faceswap.backends import Handle, Media, RunState
from faceswap.backends.bucket import BucketPlace
from faceswap.backends.runpod import RunPodBackend
from faceswap.errors import FaceSwapError, JobStopped, SubmissionUnknown
from faceswap.jobs import JobType
from faceswap.settings import Settings
from tests.emulator.model import RESULT, ModelBucket, ModelCloud, Script
from tests.factories import Clock, make_job

SETTINGS = Settings(
    runpod_api_key="key",
    runpod_endpoint_id="ep",
    runpod_base_url="https://cloud.test/v2",
    engine_timeout_s=120,
    runpod_wait_s=60,
)
LONGEST_S = 60 + 60 + 120 + 60
UPLOADS_S = 2 * 1000
INLINE_LIMIT = 7_000_000


class Killed(BaseException):
    """Simulates the death of the app's process."""


@dataclass(frozen=True)
class Plan:
    """What the app does. Times are in seconds since the start."""

    script: Script
    has_bucket: bool = True
    big: bool = False
    """True when the media are too large for one request."""
    cancel_at: float | None = None
    restarts: tuple[float, ...] = ()
    dies_in_submit: bool = False


@dataclass
class App:
    """Simulates store and dispatcher. It keeps what survives a restart, and calls the backend as they do."""

    plan: Plan
    folder: Path
    clock: Clock = field(default_factory=Clock)
    code: str | None = None
    """The error code of the failed job."""
    completed: bool = False
    stop_pending: bool = False

    def __post_init__(self) -> None:
        self.bucket = ModelBucket() if self.plan.has_bucket else None
        self.cloud = ModelCloud(self.plan.script, self.clock, self.bucket)
        if self.bucket:
            self.bucket.on_upload = lambda: self.sleep(self.plan.script.upload_s)
        self.began = self.clock()
        self.restarts = list(self.plan.restarts)
        self.result = self.folder / "result.png"
        source, target = self.folder / "source.png", self.folder / "target.png"
        source.write_bytes(b"source")
        target.write_bytes(bytes(INLINE_LIMIT + 1_000_000) if self.plan.big else b"target")
        self.media = Media({"": source}, target, self.folder, sending=self.sending)
        self.job = make_job(backend="runpod", type=JobType.SINGLE_IMAGE)
        self.handle = Handle(self.job.run)
        self.backend = self.start()

    def start(self) -> RunPodBackend:
        return RunPodBackend(
            SETTINGS, bucket=self.bucket, transport=self.cloud, clock=self.clock, sleep=self.sleep
        )

    @property
    def elapsed_s(self) -> float:
        return self.clock() - self.began

    def sending(self) -> None:
        """Record the submission, unless the job was cancelled. The store does the same."""
        if self.ended:
            raise JobStopped()
        self.handle = Handle(self.job.run, None, datetime.fromtimestamp(self.clock(), UTC))

    def sleep(self, seconds: float) -> None:
        self.clock.now_s += seconds
        self.cancel_when_due()

    def cancel_when_due(self) -> None:
        """Cancel the job at its planned time, even in the middle of a submission."""
        due = self.plan.cancel_at is not None and self.elapsed_s >= self.plan.cancel_at
        if due and not self.ended and self.code is None:
            self.code, self.stop_pending = "cancelled", True
            self.try_to_stop()

    @property
    def ended(self) -> bool:
        return self.completed or self.code is not None

    def fail(self, error: FaceSwapError) -> None:
        self.code = self.code or error.code

    def run(self) -> None:
        self.submit()
        while not self.ended:
            if self.restarts and self.elapsed_s >= self.restarts[0]:
                self.restarts.pop(0)
                self.backend.close()
                self.backend = self.start()
            self.poll()
            self.sleep(0.5 if self.elapsed_s < 60 else 5.0)
            assert self.elapsed_s < UPLOADS_S + LONGEST_S + 120, "the job never ends"
        self.reap()

    def submit(self) -> None:
        self.cancel_when_due()
        if self.ended:
            return
        try:
            if self.plan.dies_in_submit:
                self.backend = DyingBackend(self)
            self.handle = self.backend.submit(self.job, self.media)
        except Killed:
            self.backend = self.start()
            self.fail(SubmissionUnknown())  # A dispatcher does the same after a restart.
            self.stop_pending = True
        except FaceSwapError as error:
            self.fail(error)
            self.stop_pending = isinstance(error, SubmissionUnknown)
            if not self.stop_pending:
                self.backend.clean_up(self.handle)

    def poll(self) -> None:
        try:
            report = self.backend.poll(self.handle)
            if report.error:
                self.fail(report.error)
                self.stop_pending = report.stop_needed
                if not self.stop_pending:
                    self.backend.clean_up(self.handle)
            elif report.state is RunState.SUCCEEDED:
                self.backend.fetch(self.handle, report, self.result)
                self.completed = True
                self.backend.clean_up(self.handle)
        except FaceSwapError as error:  # `fetch` raised it: the run is over.
            self.fail(error)
            self.backend.clean_up(self.handle)

    def try_to_stop(self) -> None:
        self.stop_pending = not self.backend.stop(self.handle)

    def reap(self) -> None:
        delay_s = 1.0
        while self.stop_pending:
            self.try_to_stop()
            if self.stop_pending:
                self.clock.now_s += delay_s
                delay_s = min(60.0, 2 * delay_s)
            assert self.elapsed_s < UPLOADS_S + 2 * LONGEST_S, "the stop is never confirmed"


class DyingBackend(RunPodBackend):
    """Dies just after RunPod accepts the run, before the id is stored."""

    def __init__(self, app: App) -> None:
        super().__init__(SETTINGS, bucket=app.bucket, transport=app.cloud, clock=app.clock, sleep=app.sleep)

    def _run(self, *args: object) -> str:
        super()._run(*args)
        raise Killed()


def faults(*kinds: str, most: int) -> st.SearchStrategy[tuple[str, ...]]:
    """Return scripts of faults of these kinds.

    Half of the scripts have no such fault, so that enough runs reach the later steps.
    """
    return st.just(()) | st.lists(st.sampled_from(["ok", *kinds]), max_size=most).map(tuple)


seconds = st.floats(min_value=0, max_value=40).map(lambda value: round(value, 1))
scripts = st.builds(
    Script,
    queue_s=st.sampled_from([0.0, 0.5, 3.0, 30.0, 500.0]),
    run_s=st.sampled_from([0.5, 3.0, 20.0, 90.0, 1000.0]),
    ending=st.just("ok")
    | st.sampled_from(["coded", "sentence", "sdk_error", "no_output", "wrong_sha256", "crash"]),
    run_faults=st.just(())
    | faults("not_sent", "not_sent_slow", "429", most=3)
    | faults("lost_before", "lost_after", "500", "500_taken", "504_taken", "garbage_taken", most=1)
    | faults("401", "404", "302", most=1),
    status_faults=faults(
        *("429", "500", "401", "404", "lost_before", "not_sent", "stale", "strange", "list"), most=12
    ),
    cancel_faults=faults("unsignalled", "lost_before", "lost_after", "400", "404", "429", "500", most=4),
    upload_s=st.sampled_from([0.0, 5.0, 800.0, 1000.0]),
    hidden_s=st.sampled_from([0.0, 0.0, 2.0, 25.0]),
    job_done_lost=st.booleans(),
    receipt_lost=st.booleans(),
    expires_s=st.sampled_from([1800.0, 1800.0, 0.0]),
    cancelled_by_other_s=st.none() | st.none() | seconds,
    bucket_down=st.just(()) | st.lists(st.tuples(seconds, seconds), max_size=2).map(tuple),
)
plans = st.builds(
    Plan,
    scripts,
    has_bucket=st.booleans(),
    big=st.sampled_from([False] * 9 + [True]),
    cancel_at=st.none() | seconds,
    restarts=st.lists(seconds, max_size=2).map(lambda times: tuple(sorted(times))),
    dies_in_submit=st.sampled_from([False] * 9 + [True]),
)


cancel_plans = st.builds(
    Plan,
    st.builds(
        Script,
        queue_s=st.sampled_from([0.0, 0.5, 3.0, 10.0]),
        run_s=st.sampled_from([3.0, 20.0, 90.0]),
        cancel_faults=st.lists(
            st.sampled_from(["ok", "unsignalled", "unsignalled", "lost_before", "404", "400", "500"]),
            max_size=3,
        ).map(tuple),
        hidden_s=st.sampled_from([0.0, 0.0, 2.0, 25.0]),
        job_done_lost=st.booleans(),
        bucket_down=st.just(()) | st.lists(st.tuples(seconds, seconds), max_size=2).map(tuple),
    ),
    has_bucket=st.sampled_from([True, True, True, False]),
    cancel_at=seconds,
    restarts=st.lists(seconds, max_size=1).map(tuple),
)


def play(plan: Plan) -> None:
    with tempfile.TemporaryDirectory() as folder:
        app = App(plan, Path(folder))
        app.run()

        assert len(app.cloud.runs) <= 1
        assert app.code != "internal"
        assert app.result.exists() == app.completed
        if app.completed:
            assert app.result.read_bytes() == RESULT
        assert not app.cloud.computing(), "the app thinks that it is over"
        computed = [run.computed_until for run in app.cloud.runs.values()]
        app.clock.now_s += 2 * LONGEST_S
        assert not app.cloud.computing()
        assert [run.computed_until for run in app.cloud.runs.values()] == computed
        app.backend.clean_up(app.handle)  # Again, because the bucket may have been down the first time.
        assert app.bucket is None or app.bucket.objects() <= {BucketPlace(app.job.run).cancel}
        app.backend.close()


@given(plans)
def test_every_job_ends_and_at_most_one_run_is_paid_for(plan: Plan) -> None:
    play(plan)


@given(cancel_plans)
def test_nothing_computes_once_a_stop_is_confirmed(plan: Plan) -> None:
    play(plan)
