"""Claims waiting jobs and starts a thread for each, which drives the job through its backend.

Every process that has a `Service` may run a dispatcher, and several may run at once. A job belongs to the
dispatcher that holds its lease. Each job has its own thread, so that a slow network never delays another job.
A second loop sends the pending stops of remote runs.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from faceswap.backends import Backend
from faceswap.driving import HEARTBEAT_S, DrivenRun, Driver, Seal
from faceswap.errors import BackendLost, BackendUnavailable
from faceswap.folders import Folders
from faceswap.jobs import Job, RunKey
from faceswap.loops import Loop, State
from faceswap.provenance import Provenance
from faceswap.settings import Settings
from faceswap.stops import StopDelivery, must_be_over
from faceswap.store import JobStore

__all__ = ["HEARTBEAT_S", "LEASE_S", "Dispatcher"]

log = logging.getLogger(__name__)

CLOSE_WAIT_S = 3.0
"""How long `close` waits for runs to end by themselves before it gives them back to the queue."""
LEASE_S = 5.0
"""How long a run belongs to its dispatcher after the last heartbeat."""
ADOPT_AFTER_S = 2 * HEARTBEAT_S
"""A dispatcher takes a run over when it has seen the run's lease expired for this long."""


@dataclass(frozen=True, slots=True)
class _Lapse:
    lease_until: datetime | None
    since_s: float


class Dispatcher:
    """Dispatches jobs from `start` to `close`.

    `slots` says how many jobs of each backend this process runs at once. `on_change` is called when a run
    gets its remote id, and after each run.
    """

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
        """`seal` defaults to `Provenance.seal`."""
        self._store = store
        self._backends = backends
        self._settings = settings
        self._monotonic = monotonic
        self._slots = slots
        self._on_change = on_change
        self._worker = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._runs: dict[RunKey, DrivenRun] = {}
        self._lapsed: dict[RunKey, _Lapse] = {}
        """Other workers' runs whose lease has expired, and since when this dispatcher has seen that."""
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._threads: set[threading.Thread] = set()
        self._thread_died = False
        """Whether the last of `_threads` that ended was ended by an error."""
        self.stops = StopDelivery(store, backends, settings, self._spawn, monotonic)
        self._driver = Driver(
            store,
            folders,
            seal or Provenance(settings, folders).seal,
            self._closing,
            self._submitted,
            monotonic,
        )
        self.loops = (
            Loop("claims", self._claim, HEARTBEAT_S, store.close),
            Loop("stops", self.stops.step, HEARTBEAT_S, store.close),
        )

    def start(self) -> None:
        for loop in self.loops:
            loop.start()

    def wake(self, job_id: str | None = None) -> None:
        """Look for new work in the store now. With `job_id`, also check whether that job was cancelled."""
        with self._lock:
            runs = [run for key, run in self._runs.items() if key.job_id == job_id]
        for run in runs:
            run.look.set()
        for loop in self.loops:
            loop.wake()

    def close(self) -> None:
        """Give local runs back to the queue, and leave remote runs to the next dispatcher.

        A run whose thread does not end in time, for example because an upload stalls, is given back all the
        same. What its thread does later changes nothing, because the run does not belong to it any more.
        """
        self._closing.set()
        for loop in self.loops:
            loop.end()
        with self._lock:
            threads, runs = list(self._threads), list(self._runs.values())
        for run in runs:
            run.look.set()
        end_s = time.monotonic() + CLOSE_WAIT_S
        for loop in self.loops:
            loop.close(max(0.0, end_s - time.monotonic()))
        for thread in threads:
            thread.join(max(0.0, end_s - time.monotonic()))
        with self._lock:
            stalled = list(self._runs.values())
        for run in stalled:
            log.info("job %s: its run is held up and is given back", run.job.id)
            self._driver.give_back(run)
        for thread in threads:
            thread.join(CLOSE_WAIT_S / 4)

    @property
    def alive(self) -> bool:
        """Whether this dispatcher is claiming jobs."""
        return self.loops[0].state == "ok"

    @property
    def threads_state(self) -> State:
        """`failing` after an error ended the thread of a run or of a stop, until another one ends well.

        No such error is expected. The run's lease expires, so that a dispatcher takes the run over.
        """
        return "failing" if self._thread_died else "ok"

    def _spawn(self, name: str, work: Callable[..., None], *arguments: object) -> None:
        def run() -> None:
            try:
                work(*arguments)
                self._thread_died = False
            except BaseException:  # otherwise nobody would notice
                log.exception("the thread %s was ended by an error", name)
                self._thread_died = True
            finally:
                self._store.close()
                with self._lock:
                    self._threads.discard(thread)

        thread = threading.Thread(target=run, name=f"faceswap-{name}", daemon=True)
        with self._lock:
            self._threads.add(thread)
        thread.start()

    # -- claiming ----------------------------------------------------------------------------------------

    def _claim(self) -> None:
        with self._lock:
            ours = list(self._runs)
        if ours:
            self._store.keep_leases(self._worker, LEASE_S, ours)
        for job in self._long_lapsed():
            self._take_up(job)
        for name, backend in self._backends.items():
            while not self._closing.is_set() and self._free_slots(name) > 0:
                job = self._store.claim(self._worker, name, LEASE_S)
                if job is None:
                    break
                log.debug("job %s: claimed, attempt %d on %s", job.id, job.attempt, name)
                self._begin(job, backend)

    def _long_lapsed(self) -> list[Job]:
        """Return the runs whose lease this dispatcher has seen expired for `ADOPT_AFTER_S`.

        When the machine was suspended or the clock jumped, every lease looks expired. During the wait, each
        dispatcher that is alive renews its leases.
        """
        now, before = self._monotonic(), self._lapsed
        self._lapsed = {}
        due: list[Job] = []
        for job in self._store.with_lapsed_lease():
            seen = before.get(job.run)
            if seen is None or seen.lease_until != job.lease_until:
                seen = _Lapse(job.lease_until, now)
            self._lapsed[job.run] = seen
            given_back = job.lease_until is not None and job.lease_until.timestamp() == 0
            if given_back or now - seen.since_s >= ADOPT_AFTER_S:
                due.append(job)
        return due

    def _take_up(self, job: Job) -> None:
        """Take over a run whose process died.

        A submitted remote run continues. Any other job starts again, or fails after its last attempt.
        """
        backend = self._backends.get(job.backend)
        with self._lock:
            ours = any(key.job_id == job.id for key in self._runs)
        if ours or (backend is None and not must_be_over(job, self._settings)):
            return  # its backend is not configured here: another process may have it
        adopted = self._store.adopt(job, self._worker, LEASE_S)
        if adopted is None:
            return
        if backend is None:
            self._driver.fail(adopted, BackendUnavailable())
            self._driver.clean_up(job)
            return
        log.info("job %s: restored, run %d had died", job.id, job.attempt)
        if backend.survives_restart and adopted.submitted_at is not None:
            self._begin(adopted, backend)
            return
        if adopted.attempt >= self._settings.max_attempts:
            self._driver.fail(adopted, BackendLost(attempts=adopted.attempt))
        else:
            self._store.release(adopted, "restarted: the run had died", spent=True)
        if backend.survives_restart:  # in its own thread: the bucket may be slow
            self._spawn(f"clean-{job.id}", self._driver.clean_up_remotely, job, backend)
        self._driver.clean_up(job)

    def _free_slots(self, backend: str) -> int:
        with self._lock:
            return self._slots[backend] - sum(run.backend.name == backend for run in self._runs.values())

    def _begin(self, job: Job, backend: Backend) -> None:
        run = DrivenRun(job, backend)
        with self._lock:
            self._runs[job.run] = run
        self._spawn(f"job-{job.id}", self._drive, run)

    def _drive(self, run: DrivenRun) -> None:
        key = run.job.run
        try:
            self._driver.drive(run)
        finally:  # a run that nobody drives must not keep its slot and its lease
            with self._lock:
                self._runs.pop(key, None)
            self._on_change()
            self.wake()

    def _submitted(self) -> None:
        self._on_change()
        self.loops[1].wake()  # the run has its id now: send the stop of a job cancelled meanwhile
