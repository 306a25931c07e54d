"""The loop that claims jobs, drives them through a backend, finishes them, and delivers cancels.

Any process that holds a `Service` may run one, several at once: a job belongs to whoever holds its lease.
Each driven job has a thread of its own, so that a slow network never delays another job; one more loop
delivers pending remote stops until they are confirmed.

Nothing here decides a state by itself: every change is a compare-and-set in the store, and whoever loses it
cleans up after its own run only.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from faceswap.backends import Backend, Handle, Media, Report, RunState
from faceswap.errors import (
    BackendLost,
    BackendUnavailable,
    FaceSwapError,
    JobNotFound,
    JobStopped,
    SubmissionUnknown,
)
from faceswap.folders import Folders
from faceswap.jobs import EtaEstimator, Job, JobType, RemoteStop, Result, Stage, Status, isoformat
from faceswap.provenance import Ingredient, Marks, Provenance, ingredients_of, made_by
from faceswap.settings import Settings
from faceswap.store import JobStore
from faceswap.uploads import people_path

log = logging.getLogger(__name__)

LEASE_S = 5.0
"""How long after the death of its process a job is taken up again."""
HEARTBEAT_S = 0.5
"""How often leases are renewed and progress is written, and how soon another process's writes are noticed."""
STOP_BACKOFF_S = (1.0, 60.0)
STOPS_AT_ONCE = 8
GIVE_UP_AFTER_S = 3600.0
"""How long a stop may stay unconfirmed after its run must have ended by itself. Any process that can ask
RunPod, also one that has the key again, has its answer before that."""


class Seal(Protocol):
    """Writes a fetched result with all its marks, see `Provenance.seal`; None once it is not `wanted`."""

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
class _Run:
    job: Job
    backend: Backend
    look: threading.Event = field(default_factory=threading.Event)
    """Set to make the driving thread look at the store now."""
    remote: bool = False
    """A run may exist elsewhere, and goes on unless it is stopped."""


@dataclass
class _Stop:
    next_try_s: float = 0.0
    delay_s: float = STOP_BACKOFF_S[0]
    in_flight: bool = False


class Dispatcher:
    """Runs from `start` to `close`. `slots` says how many jobs of each backend run here at once; `on_change`
    is called when a run got its remote id and after each run."""

    def __init__(
        self,
        store: JobStore,
        backends: Mapping[str, Backend],
        folders: Folders,
        settings: Settings,
        slots: Mapping[str, int],
        monotonic: Callable[[], float] = time.monotonic,
        on_change: Callable[[], None] = lambda: None,
        seal: Seal | None = None,
    ) -> None:
        """`seal` defaults to that of `Provenance`."""
        self._store = store
        self._backends = backends
        self._folders = folders
        self._settings = settings
        self._slots = slots
        self._monotonic = monotonic
        self._on_change = on_change
        self._seal: Seal = seal or Provenance(settings, folders).seal
        self._worker = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._runs: dict[str, _Run] = {}
        self._stops: dict[str, _Stop] = {}
        self._lock = threading.Lock()
        self._wake_claims = threading.Event()
        self._wake_stops = threading.Event()
        self._closing = threading.Event()
        self._threads: set[threading.Thread] = set()

    def start(self) -> None:
        self._spawn("claims", self._loop, self._claim, self._wake_claims)
        self._spawn("stops", self._loop, self._deliver_stops, self._wake_stops)

    def wake(self, job_id: str | None = None) -> None:
        """Look at the store now: for new work or, with an id, at a job that may have been cancelled."""
        with self._lock:
            run = self._runs.get(job_id) if job_id else None
        if run:
            run.look.set()
        self._wake_claims.set()
        self._wake_stops.set()

    def close(self) -> None:
        """Give local runs back to the queue and leave remote ones to whoever comes next."""
        self._closing.set()
        with self._lock:
            threads, runs = list(self._threads), list(self._runs.values())
        for event in (self._wake_claims, self._wake_stops, *(run.look for run in runs)):
            event.set()
        for thread in threads:
            thread.join()

    @property
    def alive(self) -> bool:
        """Whether jobs are being claimed."""
        return any(thread.name == "faceswap-claims" and thread.is_alive() for thread in list(self._threads))

    def _spawn(self, name: str, work: Callable[..., None], *arguments: object) -> None:
        def run() -> None:
            try:
                work(*arguments)
            finally:
                self._store.close()
                with self._lock:
                    self._threads.discard(thread)

        thread = threading.Thread(target=run, name=f"faceswap-{name}", daemon=True)
        with self._lock:
            self._threads.add(thread)
        thread.start()

    def _loop(self, step: Callable[[], None], wake: threading.Event) -> None:
        while not self._closing.is_set():
            wake.clear()
            try:
                step()
            except Exception:  # a full disk or a busy store must not end the loop; the next step tries again
                log.exception("the dispatcher goes on after an error")
            if not self._closing.is_set():
                wake.wait(HEARTBEAT_S)

    # -- claiming ----------------------------------------------------------------------------------------

    def _claim(self) -> None:
        with self._lock:
            ours = list(self._runs)
        if ours:
            self._store.keep(self._worker, LEASE_S, ours)
        for job in self._store.expired():
            self._take_up(job)
        for name, backend in self._backends.items():
            while not self._closing.is_set() and self._free_slots(name) > 0:
                job = self._store.claim(self._worker, name, LEASE_S)
                if job is None:
                    break
                log.debug("job %s: claimed, attempt %d on %s", job.id, job.attempt, name)
                self._begin(job, backend)

    def _take_up(self, job: Job) -> None:
        """Go on with a run whose process died: a remote one where it stands, a local one from the start."""
        backend = self._backends.get(job.backend)
        with self._lock:
            ours = job.id in self._runs
        if ours or (backend is None and not self._must_be_over(job)):
            return  # of one whose backend is not configured here, somebody else may know more
        adopted = self._store.adopt(job, self._worker, LEASE_S)
        if adopted is None:
            return
        if backend is None:
            self._fail(adopted, BackendUnavailable())
            self._clean_up(job)
            return
        log.info("job %s: restored, run %d had died", job.id, job.attempt)
        if backend.survives_restart and adopted.submitted_at is not None:
            self._begin(adopted, backend)
            return
        if adopted.attempt >= self._settings.max_attempts:
            self._fail(adopted, BackendLost(attempts=adopted.attempt))
        else:
            self._store.release(adopted, "restarted: the run had died", spent=True)
        self._clean_up(job)

    def _free_slots(self, backend: str) -> int:
        with self._lock:
            return self._slots[backend] - sum(run.backend.name == backend for run in self._runs.values())

    def _begin(self, job: Job, backend: Backend) -> None:
        run = _Run(job, backend)
        with self._lock:
            self._runs[job.id] = run
        self._spawn(f"job-{job.id}", self._drive, run)

    # -- driving one job ---------------------------------------------------------------------------------

    def _drive(self, run: _Run) -> None:
        try:
            self._run_to_end(run)
        except FaceSwapError as error:
            self._give_up(run, error)
        except Exception:
            log.exception("job %s: unexpected error", run.job.id)
            self._give_up(run, FaceSwapError())
        finally:
            try:
                if not run.backend.survives_restart:
                    run.backend.stop(_handle(run.job))
                self._clean_up(run.job)
            except Exception:  # it must not cost the slot
                log.exception("job %s: what its run left could not be removed", run.job.id)
            with self._lock:
                del self._runs[run.job.id]
            self._on_change()
            self.wake()

    def _run_to_end(self, run: _Run) -> None:
        handle = self._submit(run)
        eta = EtaEstimator()
        while True:
            report = run.backend.poll(handle)
            log.debug("job %s: polled: %s %.1f %s", run.job.id, report.state, report.progress, report.stage)
            if report.error:
                run.remote = report.stop_needed
                raise report.error
            job = self._store.report(
                run.job,
                progress=min(report.progress, 99.9),
                stage=report.stage,
                eta_s=eta.update(self._monotonic(), report.progress),
            )
            if job is None:  # cancelled, or taken over while this machine slept
                log.debug("job %s: not ours any more", run.job.id)
                return
            run.job = job
            if report.state is RunState.SUCCEEDED:
                run.remote = False
                self._finish(run, handle, report)
                return
            if self._closing.is_set():
                self._hand_over(run)
                return
            run.look.wait(HEARTBEAT_S)
            run.look.clear()

    def _submit(self, run: _Run) -> Handle:
        """Start a run, or go on with one. Raises `JobStopped` when the job was cancelled before it began."""
        job = run.job
        if run.backend.survives_restart and job.submitted_at is not None:
            run.remote = True
            if job.runpod_id is None:
                raise SubmissionUnknown()
            return _handle(job)
        media = replace(self._media(job), sending=lambda: self._note_submission(run))
        if run.backend.survives_restart:
            run.job = self._store.report(job, progress=0.0, stage=Stage.UPLOADING, eta_s=None) or job
        try:
            handle = run.backend.submit(run.job, media)
        except FaceSwapError as error:
            run.remote = isinstance(error, SubmissionUnknown)
            raise
        if handle.remote_id is not None:
            self._store.submitted(job.id, handle.remote_id)
            self._on_change()
            self._wake_stops.set()  # a cancel that came meanwhile can be delivered now
        return handle

    def _note_submission(self, run: _Run) -> None:
        """From here on a run may exist that nobody can name. A death before it costs an upload, no task."""
        noted = self._store.submitting(run.job)
        if noted is None:
            raise JobStopped()
        run.job, run.remote = noted, True

    def _media(self, job: Job) -> Media:
        work = self._folders.work(job)
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        if job.backend == "simulated":
            return Media(sources={}, target=work, work_dir=work)
        sources = job.face_mappings or {"": job.source_file}
        upload = self._store.upload(job.target_file)
        target = self._folders.media(upload)
        people = people_path(target) if job.type is JobType.MULTI_VIDEO else None
        return Media(
            sources={face: self._folders.media(self._store.upload(name)) for face, name in sources.items()},
            target=target,
            work_dir=work,
            people=people if people and people.is_file() else None,
            target_duration_s=upload.duration_s,
        )

    def _finish(self, run: _Run, handle: Handle, report: Report) -> None:
        """What was fetched lacks the last of its marks: it becomes the result once it has them all."""
        name = run.job.type.result_name
        fetched, sealed = (self._folders.work(run.job) / f"{stage}-{name}" for stage in ("fetched", "sealed"))
        fetched.parent.mkdir(parents=True, exist_ok=True)
        run.backend.fetch(handle, report, fetched)
        made: Result | None = None
        marks: Marks | None = None
        if run.job.backend == "simulated":  # two colours, in which nobody is shown
            fetched.replace(sealed)
        else:
            marks = self._seal(
                run.job,
                fetched,
                sealed,
                self._ingredients(run.job),
                engine=made_by(report.engine, report.weights),
                wanted=lambda: self._is_ours(run.job),
            )
            if marks is None:
                log.debug("job %s: not ours any more", run.job.id)
                return
            made = Result(marks.sha256, marks.size_bytes, report.frames, report.swapped_frames)
        result = self._folders.result(run.job)
        sealed.replace(result)
        done = self._store.complete(
            run.job,
            report.notes,
            made,
            engine=report.engine,
            weights=report.weights,
            marks=marks.as_json() if marks else None,
        )
        if done is not None:
            log.debug("job %s: completed by %s", run.job.id, report.engine)
            run.backend.forget(handle)
            return
        with suppress(JobNotFound):
            if self._store.get(run.job.id).status is not Status.FAILED:
                return  # another process took the run over and owns the result now
        result.unlink(missing_ok=True)
        log.debug("job %s: a result came after the cancel and was deleted", run.job.id)

    def _ingredients(self, job: Job) -> tuple[Ingredient, ...]:
        sources = job.face_mappings or {"": job.source_file}
        uploads = {face: self._store.upload(name) for face, name in sources.items()}
        return ingredients_of(uploads, self._store.upload(job.target_file))

    def _is_ours(self, job: Job) -> bool:
        try:
            now = self._store.get(job.id)
        except JobNotFound:
            return False
        return now.status is Status.PROCESSING and (now.worker, now.attempt) == (job.worker, job.attempt)

    def _hand_over(self, run: _Run) -> None:
        if run.backend.survives_restart:
            self._store.expire(run.job)
        else:
            self._store.release(run.job, "given back: the app was stopped", spent=False)

    def _give_up(self, run: _Run, error: FaceSwapError) -> None:
        self._fail(run.job, error, stop_remote=run.remote)
        if not run.remote:
            run.backend.forget(_handle(run.job))
            # A cancel that came meanwhile asked for the stop of a run that never was, or is over.
            self._store.stopped(run.job.id, RemoteStop.CONFIRMED)

    def _fail(self, job: Job, error: FaceSwapError, *, stop_remote: bool = False) -> None:
        log.info("job %s: failed: %s", job.id, error.code)
        try:
            self._store.fail(job, error.code, str(error), error.details, stop_remote=stop_remote)
        except FaceSwapError:  # a full disk: the lease runs out, and the job is taken up when there is room
            log.exception("job %s: the failure could not be written", job.id)

    def _clean_up(self, job: Job) -> None:
        shutil.rmtree(self._folders.work(job), ignore_errors=True)
        try:
            write_summary(self._store, self._folders, job.id)
        except JobNotFound:  # deleted while it ran
            shutil.rmtree(self._folders.job(job.id), ignore_errors=True)
        except OSError:
            log.exception("job %s: job.json could not be written", job.id)

    # -- remote stops ------------------------------------------------------------------------------------

    def _deliver_stops(self) -> None:
        jobs = self._store.to_stop()
        now = self._monotonic()
        with self._lock:
            self._stops = {job.id: self._stops.get(job.id, _Stop()) for job in jobs}
            in_flight = sum(stop.in_flight for stop in self._stops.values())
        for job in jobs:
            stop, backend = self._stops[job.id], self._backends.get(job.backend)
            if stop.in_flight or stop.next_try_s > now or in_flight >= STOPS_AT_ONCE:
                continue
            in_flight += 1
            stop.in_flight = True
            self._spawn(f"stop-{job.id}", self._deliver_stop, job, backend, stop)

    def _deliver_stop(self, job: Job, backend: Backend | None, stop: _Stop) -> None:
        try:
            if backend is not None and backend.stop(_handle(job)):
                self._store.stopped(job.id, RemoteStop.CONFIRMED)
                log.debug("job %s: remote stop confirmed", job.id)
            elif self._must_be_over(job):
                log.warning("job %s: nobody could confirm that its run was stopped", job.id)
                sent = job.submitted_at is not None  # nothing can have run of a job that was never sent
                self._store.stopped(job.id, RemoteStop.GIVEN_UP if sent else RemoteStop.CONFIRMED)
        except FaceSwapError as error:
            log.info("job %s: the remote stop failed (%s) and is tried again", job.id, error.code)
        except Exception:  # whatever it was, a GPU may be running: the next try comes
            log.exception("job %s: the remote stop failed and is tried again", job.id)
        finally:
            stop.next_try_s = self._monotonic() + stop.delay_s
            stop.delay_s = min(stop.delay_s * 2, STOP_BACKOFF_S[1])
            stop.in_flight = False

    def _must_be_over(self, job: Job) -> bool:
        """By the limits that its run was sent with, however little was heard of it."""
        since = job.submitted_at or job.updated_at
        longest_s = self._settings.runpod_wait_s + self._settings.engine_timeout_s
        return time.time() - since.timestamp() > longest_s + GIVE_UP_AFTER_S


def _handle(job: Job) -> Handle:
    return Handle(job.id, job.runpod_id, job.submitted_at)


def write_summary(store: JobStore, folders: Folders, job_id: str) -> None:
    """Leave `job.json` beside a finished job's result, for people; a live job has none.

    Raises:
        JobNotFound: it was deleted meanwhile.
    """
    job = store.get(job_id)
    if not store.has_job(job_id):
        raise JobNotFound()
    if job.status.live:
        return
    events = [
        {"at": isoformat(event.at), "status": event.status.value, "reason": event.reason}
        for event in store.events(job_id)
    ]
    path = folders.job(job_id) / "job.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{secrets.token_hex(4)}")
    draft.write_text(json.dumps(job.public() | {"events": events}, ensure_ascii=False, indent=2) + "\n")
    draft.chmod(0o444)
    draft.replace(path)
    if not store.has_job(job_id):  # forgotten meanwhile, perhaps before the file was there to be deleted
        shutil.rmtree(path.parent, ignore_errors=True)
        raise JobNotFound()
