"""The loop that claims jobs and has them driven through a backend.

Any process that holds a `Service` may run a dispatcher, several at once: a job belongs to whoever holds its
lease. Each driven job has a thread of its own, so that a slow network never delays another job. A second loop
delivers the pending stops of remote runs.
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
from faceswap.loops import Loop
from faceswap.provenance import Provenance
from faceswap.settings import Settings
from faceswap.stops import StopDelivery, must_be_over
from faceswap.store import JobStore

__all__ = ["HEARTBEAT_S", "LEASE_S", "Dispatcher"]

log = logging.getLogger(__name__)

CLOSE_WAIT_S = 3.0
"""How long `close` waits for runs to end in order before it gives them back."""
LEASE_S = 5.0
"""How long a run belongs to its dispatcher after the last heartbeat."""
ADOPT_AFTER_S = 2 * HEARTBEAT_S
"""How long a dispatcher must have seen a lease lapsed before it takes the run over."""


@dataclass(frozen=True, slots=True)
class _Lapse:
    lease_until: datetime | None
    since_s: float


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
        self._settings = settings
        self._monotonic = monotonic
        self._slots = slots
        self._on_change = on_change
        self._worker = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._runs: dict[RunKey, DrivenRun] = {}
        self._lapsed: dict[RunKey, _Lapse] = {}
        """Other workers' runs whose lease has lapsed, and since when this dispatcher has seen that."""
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._threads: set[threading.Thread] = set()
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
        """Look at the store now: for new work or, with an id, at a job that may have been cancelled."""
        with self._lock:
            runs = [run for key, run in self._runs.items() if key.job_id == job_id]
        for run in runs:
            run.look.set()
        for loop in self.loops:
            loop.wake()

    def close(self) -> None:
        """Give local runs back to the queue and leave remote ones to whoever comes next.

        A run that is held up, by an upload that stalls for example, is given back without it: what its thread
        does later changes nothing, because the run is not its own any more.
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
        """Whether jobs are being claimed."""
        return self.loops[0].state == "ok"

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
        """Runs whose lease this dispatcher has seen lapsed for `ADOPT_AFTER_S`.

        After a suspend or a jump of the clock every lease looks lapsed. The time in between gives each owner
        that is alive a heartbeat to renew its lease.
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
        """Go on with a run whose process died: a remote one where it stands, a local one from the start."""
        backend = self._backends.get(job.backend)
        with self._lock:
            ours = any(key.job_id == job.id for key in self._runs)
        if ours or (backend is None and not must_be_over(job, self._settings)):
            return  # of one whose backend is not configured here, somebody else may know more
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
        if backend.survives_restart:  # in a thread of its own: the bucket may be slow
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
        self._driver.drive(run)
        with self._lock:
            self._runs.pop(key, None)
        self._on_change()
        self.wake()

    def _submitted(self) -> None:
        self._on_change()
        self.loops[1].wake()  # a cancel that came meanwhile can be delivered now
