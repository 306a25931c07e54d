"""Drives one run of one job to its end. The run is new, or was taken over from another dispatcher.

Every change of the job is a compare-and-set in the store. A driver whose change is refused deletes only what
its own run has made.
"""

from __future__ import annotations

import errno
import logging
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from faceswap.backends import Backend, Handle, Media, Report, RunState
from faceswap.errors import (
    DiskFull,
    EngineOutOfMemory,
    FaceSwapError,
    JobNotFound,
    JobStopped,
    OutOfResources,
    StoreUnavailable,
    SubmissionUnknown,
)
from faceswap.folders import Folders
from faceswap.jobs import EtaEstimator, Job, Pace, RemoteStop, Result, Stage, Status
from faceswap.private import private_folder
from faceswap.provenance import Ingredient, Marks, ingredients_of, made_by
from faceswap.shortage import is_shortage
from faceswap.store import JobStore
from faceswap.summary import write_summary
from faceswap.uploads import people_path

log = logging.getLogger(__name__)

HEARTBEAT_S = 0.5
"""How often leases are renewed, progress is written, and the writes of other processes are looked for."""


SHORTAGE_PAUSE_S = 5.0
"""How long a run for which this machine had no memory or descriptors waits before it is given back."""


class Seal(Protocol):
    """Writes a fetched result with all its marks, see `Provenance.seal`.

    Returns None when `wanted` says that the result is not needed any more.
    """

    def __call__(
        self,
        job: Job,
        result: Path,
        sealed: Path,
        ingredients: Sequence[Ingredient],
        *,
        engine: str,
        wanted: Callable[[], bool],
    ) -> Marks | None: ...


@dataclass
class DrivenRun:
    """A run that a thread of this process drives."""

    job: Job
    backend: Backend
    look: threading.Event = field(default_factory=threading.Event)
    """Set to make the driving thread look at the store now."""
    remote: bool = False
    """True when a remote run may exist. It goes on until it is stopped."""


class Driver:
    """Drives runs. One instance serves all threads of a dispatcher.

    `on_submitted` is called when a run gets its remote id. `closing` is set when this process ends.
    """

    def __init__(
        self,
        store: JobStore,
        folders: Folders,
        seal: Seal,
        closing: threading.Event,
        on_submitted: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._folders = folders
        self._seal = seal
        self._closing = closing
        self._on_submitted = on_submitted
        self._monotonic = monotonic

    def drive(self, run: DrivenRun) -> None:
        """Drive a run until it ends, is given back, or does not belong to this driver any more.

        Raises nothing.
        """
        try:
            self._run_to_end(run)
        except Exception as error:  # noqa: BLE001 - whatever it is, the run ends and the user is told
            self._give_up(
                run, JobStopped() if self._is_swept_away(run.job, error) else in_words(run.job, error)
            )
        finally:
            try:
                if not run.backend.survives_restart:
                    run.backend.stop(handle_of(run.job))
                self.clean_up(run.job)
            except Exception:  # an error here must not keep the slot occupied
                log.exception("job %s: what its run left could not be removed", run.job.id)

    def _run_to_end(self, run: DrivenRun) -> None:
        handle = self._submit(run)
        eta, pace = EtaEstimator(), Pace()
        while True:
            report = run.backend.poll(handle)
            log.debug("job %s: polled: %s %.1f %s", run.job.id, report.state, report.progress, report.stage)
            if report.error:
                run.remote = report.stop_needed
                raise report.error
            job = self._report(run.job, report, eta, pace)
            if job is None:  # cancelled, or taken over while this machine slept
                log.debug("job %s: not ours any more", run.job.id)
                return
            run.job = job
            if report.state is RunState.SUCCEEDED:
                run.remote = False
                self._finish(run, handle, report)
                return
            if self._closing.is_set():
                self.give_back(run)
                return
            run.look.wait(HEARTBEAT_S)
            run.look.clear()

    def _report(self, job: Job, report: Report, eta: EtaEstimator, pace: Pace) -> Job | None:
        """Write the progress. Returns None when the run does not belong to this driver any more."""
        eta_s = eta.update(self._monotonic(), report.progress)
        frames_per_s = pace.update(self._monotonic(), report.frames)
        try:
            return self._store.report(
                job,
                progress=min(report.progress, 99.9),
                stage=report.stage,
                eta_s=eta_s,
                frames=(report.frames, frames_per_s),
            )
        except StoreUnavailable:  # such as a lock that lasts: one missing report must not end the run
            log.warning("job %s: its progress could not be written", job.id)
            return job

    def _submit(self, run: DrivenRun) -> Handle:
        """Start a run, or continue one that was taken over.

        Raises:
            JobStopped: the job was cancelled before the run began.
            SubmissionUnknown: the run was sent, but its id is not known.
            FaceSwapError: the backend could not start the run.
        """
        job = run.job
        if run.backend.survives_restart and job.submitted_at is not None:
            run.remote = True
            if job.parts is None:
                if job.runpod_id is None:
                    raise SubmissionUnknown()
                return handle_of(job)
        media = replace(self._media(job), sending=lambda: self._note_submission(run))
        if run.backend.survives_restart:
            run.job = self._store.report(job, progress=0.0, stage=Stage.UPLOADING, eta_s=None) or job
        try:
            handle = run.backend.submit(run.job, media)
        except FaceSwapError as error:
            run.remote = isinstance(error, SubmissionUnknown)
            raise
        run.remote = run.backend.survives_restart  # also of a run that sends its parts one after the other
        if handle.remote_id is not None:
            self._store.submitted(job.remote_run, handle.remote_id)
            self._on_submitted()
        return handle

    def _note_submission(self, run: DrivenRun) -> None:
        """Called just before the request is sent.

        If the process dies after this, RunPod may have accepted a run whose id we never saw. If it dies
        before, nothing was sent, and the job starts again.
        """
        noted = self._store.submitting(run.job)
        if noted is None:
            raise JobStopped()
        run.job, run.remote = noted, True

    def _media(self, job: Job) -> Media:
        work = self._folders.work(job.run)
        shutil.rmtree(work, ignore_errors=True)
        private_folder(self._folders.jobs)
        work.mkdir(parents=True)
        if job.backend == "simulated":
            return Media(sources={}, target=work, work_dir=work)
        sources = job.sources
        upload = self._store.upload(job.target_file)
        target = self._folders.media(upload)
        people = people_path(target) if upload.kind == "video" else None
        parts = self._folders.parts(job.id) if upload.kind == "video" else None
        if parts:
            parts.mkdir(parents=True, exist_ok=True)
        return Media(
            sources={face: self._folders.media(self._store.upload(name)) for face, name in sources.items()},
            target=target,
            work_dir=work,
            people=people if people and people.is_file() else None,
            parts=parts,
            target_duration_s=upload.duration_s,
        )

    def _finish(self, run: DrivenRun, handle: Handle, report: Report) -> None:
        """Fetch the result, put the last marks on it, and then make it the job's result."""
        name = run.job.type.result_name
        work = self._folders.work(run.job.run)
        fetched, sealed = work / f"fetched-{name}", work / f"sealed-{name}"
        work.mkdir(parents=True, exist_ok=True)
        run.backend.fetch(handle, report, fetched)
        made: Result | None = None
        marks: Marks | None = None
        if run.job.backend == "simulated":  # its result is two colours and shows nobody
            fetched.replace(sealed)
        else:
            marks = self._seal(
                run.job,
                fetched,
                sealed,
                self._ingredients(run.job),
                engine=made_by(report.swap.engine, report.swap.weights),
                wanted=lambda: self._is_ours(run.job),
            )
            if marks is None:
                log.debug("job %s: not ours any more", run.job.id)
                return
            made = Result(marks.sha256, marks.size_bytes, **report.swap.counts())
        result = self._folders.result_of(run.job.run, name)
        sealed.replace(result)
        thumbnail = self._folders.result_thumbnail(run.job.run)
        with suppress(FileNotFoundError):  # a backend in the cloud makes none
            self._folders.latest(run.job.run).replace(thumbnail)
        done = self._store.complete(
            run.job,
            report.swap.notes,
            made,
            engine=report.swap.engine,
            weights=report.swap.weights,
            marks=marks.as_json() if marks else None,
            result_file=result.name,
        )
        if done is not None:
            log.debug("job %s: completed by %s", run.job.id, report.swap.engine)
            run.backend.clean_up(handle)
            return
        for path in (result, thumbnail):  # safe: only this run writes files of these names
            path.unlink(missing_ok=True)
        log.debug("job %s: a result came too late and was deleted", run.job.id)

    def _ingredients(self, job: Job) -> tuple[Ingredient, ...]:
        sources = job.sources
        uploads = {face: self._store.upload(name) for face, name in sources.items()}
        return ingredients_of(uploads, self._store.upload(job.target_file))

    def _is_ours(self, job: Job) -> bool:
        try:
            now = self._store.get(job.id)
        except JobNotFound:
            return False
        except StoreUnavailable:  # then it is not known, and every change is a compare-and-set
            return True
        return now.status is Status.PROCESSING and now.run == job.run

    def _is_swept_away(self, job: Job, error: Exception) -> bool:
        """Whether a file is missing because the job was cancelled or deleted, and its work folder with it."""
        return isinstance(error, FileNotFoundError) and not self._is_ours(job)

    def give_back(self, run: DrivenRun, reason: str = "given back: the app was stopped") -> None:
        """Let another dispatcher continue the run. If nothing was sent yet, put the job back in the queue."""
        if self._store.release(run.job, reason, spent=False) is None:
            self._store.end_lease(run.job)  # refused: the run was submitted, perhaps just now

    def _give_up(self, run: DrivenRun, error: FaceSwapError) -> None:
        if isinstance(error, EngineOutOfMemory) and run.job.attempt == 1 and not run.backend.survives_restart:
            # Another program may have used the memory, and may be gone at the next attempt.
            self._store.release(run.job, "restarted: out of memory", spent=True)
            return
        if is_shortage(error) or isinstance(error, OutOfResources):
            # This says nothing about the job, so no attempt is spent. A submitted run is taken over again.
            log.warning("job %s: this machine has run short of something; it is tried again", run.job.id)
            self._closing.wait(SHORTAGE_PAUSE_S)
            self.give_back(run, "given back: this machine has run short of something")
        else:
            self.fail(run.job, error, stop_remote=run.remote)
        if not run.remote:
            run.backend.clean_up(handle_of(run.job))
            # The job may have been cancelled meanwhile. Then the store waits for the stop of this run, which
            # never began or is over. After a takeover it waits for another run's stop: do not confirm that.
            self._store.stopped(run.job.id, RemoteStop.CONFIRMED, run.job.run)

    def fail(self, job: Job, error: FaceSwapError, *, stop_remote: bool = False) -> None:
        log.info("job %s: failed: %s", job.id, error.code)
        try:
            self._store.fail(job, error.code, str(error), error.details, stop_remote=stop_remote)
        except FaceSwapError:  # a full disk: the lease expires, and a dispatcher takes the job over later
            log.exception("job %s: the failure could not be written", job.id)

    def clean_up_remotely(self, job: Job, backend: Backend) -> None:
        """Delete what a dead run uploaded. No other run uses the same place in the bucket."""
        try:
            backend.clean_up(handle_of(job))
        except Exception:  # the bucket's expiry rule deletes it in the end
            log.exception("job %s: what its dead run had uploaded could not be deleted", job.id)

    def clean_up(self, job: Job) -> None:
        shutil.rmtree(self._folders.work(job.run), ignore_errors=True)
        try:
            if not self._store.get(job.id).status.live:
                shutil.rmtree(self._folders.parts(job.id), ignore_errors=True)
            write_summary(self._store, self._folders, job.id)
        except JobNotFound:  # deleted while it ran
            shutil.rmtree(self._folders.job(job.id), ignore_errors=True)
        except OSError:
            log.exception("job %s: job.json could not be written", job.id)


def in_words(job: Job, error: Exception) -> FaceSwapError:
    """Return what to tell the user about an error that ended a run."""
    if isinstance(error, FaceSwapError):
        return error
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull()
    log.error("job %s: unexpected error", job.id, exc_info=error)
    return OutOfResources() if is_shortage(error) else FaceSwapError()


def handle_of(job: Job) -> Handle:
    """Return the handle of a job's latest run."""
    limit_s = job.terms.remote_limit_s if job.terms else None
    return Handle(job.remote_run, job.runpod_id, job.submitted_at, limit_s)
