"""Runs one long video on several workers at once: each part is a run of its own, with its own key.

The store keeps a row for each try of a part, see `store.parts`. So another process can go on with the parts,
and a stop reaches all of them. A try is sent at most once. A part that fails or is lost is sent again alone.
What is swapped is kept in the job's folder of parts, where the next run of the job finds it.
"""

from __future__ import annotations

import json
import logging
import math
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from faceswap import codec
from faceswap.backends import Handle, Media, Report, RunState
from faceswap.engine.child.contract import CutResult, CutSpec, JoinSpec, Spec
from faceswap.engine.child.process import EngineProcess
from faceswap.engine.options import Options
from faceswap.errors import (
    BackendUnavailable,
    FaceSwapError,
    InvalidRequest,
    JobStopped,
    JobTimeout,
    NeuralUnavailable,
    SubmissionUnknown,
    WeightsMissing,
)
from faceswap.folders import Folders
from faceswap.jobs import Job, PartRun, RunKey, Stage, terms_of
from faceswap.media.kept import PART_S, WHOLE, WORTHWHILE, keep_part, kept_parts, write_whole
from faceswap.media.kinds import Cut
from faceswap.provenance import marking_of
from faceswap.settings import Settings
from faceswap.swap_result import SwapResult
from faceswap.uploads import engine_limits

log = logging.getLogger(__name__)

R = TypeVar("R")

TRIES = 3
CLOSE_WAIT_S = 3.0
STOP_EVERY_S = 2.0
"""How often a lost try is told to end, before its part is sent again."""
_PLAN = "cuts.json"
_JOINED = "joined.mp4"


class Ledger(Protocol):
    """The rows of the tries, see `store.parts.PartRunRows`."""

    def plan_parts(self, job: Job, total: int) -> bool: ...

    def part_submitting(self, job: Job, part: int, number: int) -> PartRun | None: ...

    def part_submitted(self, run: PartRun, remote_id: str) -> None: ...

    def part_ended(self, run: PartRun, *, done: bool) -> None: ...

    def part_runs(self, job_id: str) -> list[PartRun]: ...

    def billed_of(self, job_id: str) -> float: ...

    def close(self) -> None:
        """Close this thread's connection."""
        ...


class Cloud(Protocol):
    """What single runs are done with, see `RunPodBackend`."""

    def send_run(
        self, run: RunKey, job: Job, media: Media, sending: Callable[[], datetime | None]
    ) -> Handle: ...

    def forgo(self, run: RunKey) -> None: ...

    def poll_run(self, handle: Handle) -> Report: ...

    def stop_run(self, handle: Handle) -> bool: ...

    def mark_run(self, run: RunKey) -> bool: ...

    def fetch_run(self, handle: Handle, report: Report, path: Path) -> None: ...

    def clean_up_run(self, handle: Handle) -> None: ...


class Work(Generic[R]):
    """A call in a thread of its own, which does not keep this process from ending."""

    def __init__(self, call: Callable[[], R], after: Callable[[], None]) -> None:
        """`after` is called when the call has ended, however it ended."""
        self._future: Future[R] = Future()
        threading.Thread(target=self._run, args=(call, after), name="faceswap-part", daemon=True).start()

    def _run(self, call: Callable[[], R], after: Callable[[], None]) -> None:
        try:
            self._future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - `result` raises it
            self._future.set_exception(error)
        finally:
            after()

    @property
    def done(self) -> bool:
        return self._future.done()

    def wait(self, seconds: float) -> None:
        """Wait for the end, for at most so long."""
        wait([self._future], max(0.0, seconds))

    def result(self) -> R:
        """Wait for the end. Raises: what the call has raised."""
        return self._future.result()


class State(Enum):
    WAITING = 0
    SENDING = 1
    RUNNING = 2
    STOPPING = 3
    """The try failed, but its run may still work. The part is sent again once it is over."""
    FETCHING = 4
    DONE = 5


@dataclass
class Part:
    number: int
    cut: Cut
    tries: list[PartRun] = field(default_factory=list[PartRun])
    state: State = State.WAITING
    progress: float = 0.0
    stage: Stage = Stage.WAITING_FOR_GPU
    work: Work[Any] | None = None
    failures: int = 0
    """Of tries, and of attempts to send one."""
    next_stop_s: float = 0.0
    limit_s: float | None = None
    """How long a try may take."""

    @property
    def handle(self) -> Handle:
        return handle_of_part(self.tries[-1], self.limit_s)


def handle_of_part(one: PartRun, limit_s: float | None) -> Handle:
    return Handle(one.run, one.remote_id, one.submitted_at, limit_s)


def stop_tries(tries: Sequence[PartRun], limit_s: float | None, ledger: Ledger, cloud: Cloud) -> bool:
    """Tell all tries to end that may be working, all at once. Returns whether each of them is over."""
    stops = [
        (one, Work(lambda one=one: cloud.stop_run(handle_of_part(one, limit_s)), ledger.close))
        for one in tries
        if one.ended is None
    ]
    over = [one for one, work in stops if work.result()]
    for one in over:
        ledger.part_ended(one, done=False)
    return len(over) == len(stops)


class PartedRun:
    """One run of a job that consists of parts. `poll` moves all of them on; nothing new begins without it."""

    def __init__(
        self, job: Job, media: Media, cuts: Sequence[Cut], settings: Settings, ledger: Ledger, cloud: Cloud
    ) -> None:
        self.job = job
        self._media, self._settings, self._ledger, self._cloud = media, settings, ledger, cloud
        self._folder = _folder_of(media)
        terms = terms_of(job, settings)
        self._budget_s = terms.engine_timeout_s if settings.runpod_max_usd_per_task else None
        """How much may be billed for all parts together. None: there is no limit."""
        self._parts = [Part(number, cut, limit_s=terms.remote_limit_s) for number, cut in enumerate(cuts)]
        self._joining: Work[SwapResult] | None = None
        self._error: FaceSwapError | None = None
        self._stopped = False
        for one in ledger.part_runs(job.id):
            self._parts[one.part].tries.append(one)
        kept = kept_parts(self._folder, len(cuts))
        for part in self._parts:
            last = part.tries[-1] if part.tries else None
            if part.number in kept:
                part.state = State.DONE
                if last and last.ended is None:  # the process died between the two
                    ledger.part_ended(last, done=True)
            elif last and last.ended is None:
                part.state = State.RUNNING if last.remote_id else State.STOPPING

    # -- before ------------------------------------------------------------------------------------------

    @classmethod
    def plan(
        cls,
        job: Job,
        media: Media,
        settings: Settings,
        ledger: Ledger,
        cloud: Cloud,
        go_on: Callable[[], None],
    ) -> PartedRun | None:
        """Cut the video, or find the cuts of an earlier run of the job. None if it is to be sent in one go.

        Raises: FaceSwapError: the video cannot be read; what `go_on` raises, to end the cutting.
        """
        folder = _folder_of(media)
        length_s = min(media.target_duration_s or 0, job.options.end_s or math.inf) - job.options.start_s
        if length_s < WORTHWHILE * PART_S or not job.options.keep_fps:
            return None
        cuts = _planned(folder)
        if not cuts or not _all_there(folder, cuts):
            for path in folder.iterdir():
                path.unlink(missing_ok=True)
            terms = terms_of(job, settings)
            spec = CutSpec(
                limits=engine_limits(terms),
                sources=media.sources,
                target=media.target,
                folder=folder,
                part_s=PART_S,
                options=Options.of(job.options.for_engine()),
                people=media.people,
                weights_dir=Folders(settings.data_dir).weights,
            )
            cuts = _in_child(spec, terms.engine_timeout_s, go_on).cuts
            write_whole(folder / _PLAN, json.dumps(codec.encode(CutResult(cuts))))
        if not cuts:
            return None
        if not ledger.plan_parts(job, len(cuts)):
            raise JobStopped()
        log.debug("job %s: %d parts", job.id, len(cuts))
        return cls(job, media, cuts, settings, ledger, cloud)

    # -- while it runs -----------------------------------------------------------------------------------

    def poll(self) -> Report:
        """Move all parts on, without waiting. Called by one thread."""
        for part in self._parts:
            try:
                self._move_on(part)
            except JobStopped:
                self._stopped = True
            except FaceSwapError as error:
                self._failed(part, error)
        if self._budget_s is not None and self._ledger.billed_of(self.job.id) > self._budget_s:
            self._error = JobTimeout(limit_s=self._budget_s)
        if self._error:
            return Report(RunState.FAILED, self._progress, error=self._error, stop_needed=self._may_work())
        if all(part.state is State.DONE for part in self._parts):
            return self._joined()
        if not self._stopped:
            self._send_more()
        return Report(RunState.RUNNING, self._progress, self._stage)

    def stop(self) -> None:
        """Send nothing more. The rows lead to the runs that must be stopped."""
        self._stopped = True
        for part in self._parts:
            if part.state is State.SENDING:
                self._cloud.forgo(self._key(part))

    def close(self) -> None:
        """Let what is being sent or fetched come to its end: then no part is sent twice after a restart."""
        end_s = time.monotonic() + CLOSE_WAIT_S
        for part in self._parts:
            if part.work:
                part.work.wait(end_s - time.monotonic())

    def _move_on(self, part: Part) -> None:
        if part.work and not part.work.done:
            return
        match part.state:
            case State.SENDING if part.work:
                part.work, work = None, part.work
                part.state, part.progress = State.WAITING, 0.0
                try:
                    work.result()
                finally:
                    if part.tries and part.tries[-1].ended is None:
                        part.state = State.RUNNING if part.tries[-1].remote_id else State.STOPPING
            case State.RUNNING:
                report = self._cloud.poll_run(part.handle)
                part.progress, part.stage = report.progress, report.stage
                if report.state is RunState.SUCCEEDED:
                    part.state = State.FETCHING
                    part.work = self._begin(lambda: self._fetch(part, report))
                elif report.error:
                    part.state = State.STOPPING if report.stop_needed else State.WAITING
                    if not report.stop_needed:
                        self._begin(lambda handle=part.handle: self._cloud.clean_up_run(handle))
                    self._failed(part, report.error)
            case State.STOPPING:
                if time.monotonic() >= part.next_stop_s:
                    part.next_stop_s = time.monotonic() + STOP_EVERY_S
                    part.work = self._begin(lambda: self._stop_try(part))
            case State.FETCHING if part.work:
                part.work, work = None, part.work
                work.result()
                part.state = State.DONE
            case _:
                pass

    def _begin(self, call: Callable[[], R]) -> Work[R]:
        return Work(call, self._ledger.close)

    def _send_more(self) -> None:
        busy = (State.SENDING, State.RUNNING, State.STOPPING)
        free = self._settings.runpod_parallel - sum(part.state in busy for part in self._parts)
        waiting = [part for part in self._parts if part.state is State.WAITING]
        for part in waiting[: max(0, free)]:
            part.state = State.SENDING
            part.work = self._begin(lambda part=part: self._send(part))

    def _key(self, part: Part) -> RunKey:
        """Of its next try."""
        run = self.job.run
        return RunKey(run.job_id, run.attempt, run.worker, f"p{part.number}-{len(part.tries) + 1}")

    def _send(self, part: Part) -> None:
        cut = part.cut
        media = replace(
            self._media,
            target=self._folder / cut.file,
            people=self._folder / WHOLE,
            span=cut.span,
            target_duration_s=cut.duration_s,
        )
        noted: list[PartRun] = []

        def sending() -> datetime:
            one = self._ledger.part_submitting(self.job, part.number, len(part.tries) + 1)
            if one is None:
                raise JobStopped()
            noted.append(one)
            return one.submitted_at

        try:
            handle = self._cloud.send_run(self._key(part), self.job, media, sending)
        except Exception as error:
            part.tries += noted
            if noted and isinstance(error, FaceSwapError) and not isinstance(error, SubmissionUnknown):
                self._end_try(part)  # RunPod certainly has no such run
            raise
        self._ledger.part_submitted(noted[0], handle.remote_id or "")
        part.tries.append(replace(noted[0], remote_id=handle.remote_id))

    def _fetch(self, part: Part, report: Report) -> None:
        one, path = part.tries[-1], self._folder / f"{part.tries[-1].run.part}.mp4"
        self._cloud.fetch_run(part.handle, report, path)
        frames, swapped = report.swap.frames or 0, report.swap.swapped_frames or 0
        if frames > part.cut.frames:
            raise InvalidRequest(reason="the worker is older than the app and cannot swap parts of a video")
        write_whole(self._folder / _said(part), json.dumps(codec.encode(report.swap)))
        keep_part(self._folder, part.number, part.cut, path.name, frames, swapped)
        self._ledger.part_ended(one, done=True)
        self._cloud.clean_up_run(part.handle)
        (self._folder / part.cut.file).unlink(missing_ok=True)

    def _stop_try(self, part: Part) -> None:
        """Tell a try to end. If its id is not known, a marker is enough, because its worker looks for it."""
        if self._cloud.stop_run(part.handle):
            self._end_try(part)
            part.state = State.WAITING
        elif part.tries[-1].remote_id is None and self._cloud.mark_run(part.tries[-1].run):
            part.state = State.WAITING

    def _end_try(self, part: Part) -> None:
        if part.tries and part.tries[-1].ended is None:
            self._ledger.part_ended(part.tries[-1], done=False)
            part.tries[-1] = replace(part.tries[-1], ended="over")

    def _failed(self, part: Part, error: FaceSwapError) -> None:
        """Note why a try failed. The part is tried again, unless that is of no use."""
        log.info("job %s: part %d failed: %s", self.job.id, part.number, error.code)
        part.failures += 1
        if part.state is State.FETCHING:
            part.state = State.WAITING
        if part.state is State.WAITING:
            self._end_try(part)
        if max(part.failures, len(part.tries)) >= TRIES or not _worth_another_try(error):
            self._error = error

    def _may_work(self) -> bool:
        sending = any(part.state is State.SENDING for part in self._parts)
        return sending or any(one.ended is None for one in self._ledger.part_runs(self.job.id))

    @property
    def _progress(self) -> float:
        shares = (100.0 if part.state is State.DONE else part.progress for part in self._parts)
        frames = [part.cut.frames for part in self._parts]
        return sum(share * count for share, count in zip(shares, frames, strict=True)) / sum(frames)

    @property
    def _stage(self) -> Stage:
        running = [part.stage for part in self._parts if part.state is State.RUNNING]
        if not running:
            return Stage.PROCESSING if self._progress else Stage.UPLOADING
        waits = all(stage is Stage.WAITING_FOR_GPU for stage in running) and not self._progress
        return Stage.WAITING_FOR_GPU if waits else Stage.PROCESSING

    # -- after -------------------------------------------------------------------------------------------

    def _joined(self) -> Report:
        if self._joining is None:
            self._joining = self._begin(self._join)
        if not self._joining.done:
            return Report(RunState.RUNNING, 99.9, Stage.FINISHING)
        try:
            joined = self._joining.result()
        except FaceSwapError as error:
            return Report(RunState.FAILED, 99.9, error=error)
        return Report(RunState.SUCCEEDED, 100.0, Stage.FINISHING, swap=joined)

    def _join(self) -> SwapResult:
        terms = terms_of(self.job, self._settings)
        spec = JoinSpec(
            limits=engine_limits(terms),
            target=self._media.target,
            folder=self._folder,
            count=len(self._parts),
            result=self._media.work_dir / _JOINED,
            options=Options.of(self.job.options.for_engine()),
            marking=marking_of(self.job, self._settings),
        )
        joined = _in_child(spec, terms.engine_timeout_s, self._go_on)
        told = [
            codec.decode(SwapResult, json.loads((self._folder / _said(part)).read_text(encoding="utf-8")))
            for part in self._parts
        ]
        notes = dict.fromkeys([*joined.notes, *(note for swap in told for note in swap.notes)])
        engine, weights = told[0].engine, told[0].weights
        return replace(joined, notes=tuple(notes), engine=engine, provider=told[0].provider, weights=weights)

    def _go_on(self) -> None:
        if self._stopped:
            raise JobStopped()

    @property
    def lost(self) -> list[PartRun]:
        """Tries whose id RunPod never told. Their workers may still start; they find a marker and stop."""
        return [one for part in self._parts for one in part.tries[:-1] if one.ended is None]

    def fetch(self, path: Path) -> None:
        """Move the joined video to `path`."""
        for one in self.lost:
            self._ledger.part_ended(one, done=False)
        shutil.move(self._media.work_dir / _JOINED, path)


def _worth_another_try(error: FaceSwapError) -> bool:
    of_no_use = isinstance(error, NeuralUnavailable | WeightsMissing)
    return isinstance(error, BackendUnavailable | JobTimeout) and not of_no_use


def _said(part: Part) -> str:
    """Name of the file with what its worker reported."""
    return f"said-{part.number:05}.json"


def _folder_of(media: Media) -> Path:
    assert media.parts is not None
    return media.parts


def _planned(folder: Path) -> tuple[Cut, ...]:
    try:
        return codec.decode(CutResult, json.loads((folder / _PLAN).read_text(encoding="utf-8"))).cuts
    except (OSError, ValueError):
        return ()


def _all_there(folder: Path, cuts: Sequence[Cut]) -> bool:
    """Whether there is a file for each part: its cut, or what was swapped of it."""
    kept = kept_parts(folder, len(cuts))
    there = all(number in kept or (folder / cut.file).is_file() for number, cut in enumerate(cuts))
    return there and (folder / WHOLE).is_file()


def _in_child(spec: Spec[R], limit_s: float, go_on: Callable[[], None]) -> R:
    """Carry out a spec. Raises: its error; JobTimeout; what `go_on` raises."""
    process, end_s = EngineProcess(spec), time.monotonic() + limit_s
    try:
        while not process.join(0.5):
            go_on()
            if time.monotonic() > end_s:
                raise JobTimeout(limit_s=limit_s)
        return process.poll().result_or_raise()
    finally:
        process.kill()
