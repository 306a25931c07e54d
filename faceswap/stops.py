"""Stops remote runs. It asks the backend again and again until the backend confirms the end of the run."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from faceswap.backends import Backend
from faceswap.driving import handle_of
from faceswap.errors import FaceSwapError
from faceswap.jobs import Job, RemoteStop, terms_of
from faceswap.settings import Settings
from faceswap.store import JobStore

log = logging.getLogger(__name__)

BACKOFF_S = (1.0, 60.0)
AT_ONCE = 8
GIVE_UP_AFTER_S = 3600.0
"""A stop that is still not confirmed is given up this long after its run must have ended by itself. A process
that has RunPod's key, or gets it back, has its answer before that."""


@dataclass
class _Try:
    next_s: float = 0.0
    delay_s: float = BACKOFF_S[0]
    in_flight: bool = False


class StopDelivery:
    """Tries to stop runs. `step` begins the tries that are due, each in a thread that `spawn` starts."""

    def __init__(
        self,
        store: JobStore,
        backends: Mapping[str, Backend],
        settings: Settings,
        spawn: Callable[..., None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._backends = backends
        self._settings = settings
        self._spawn = spawn
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._tries: dict[str, _Try] = {}

    def tried(self, job_id: str) -> bool:
        """Whether this process has tried to stop that job's run and will try again."""
        with self._lock:
            found = self._tries.get(job_id)
        return found is not None and found.next_s > 0

    def step(self) -> None:
        jobs = self._store.to_stop()
        now = self._monotonic()
        with self._lock:
            self._tries = {job.id: self._tries.get(job.id, _Try()) for job in jobs}
            in_flight = sum(each.in_flight for each in self._tries.values())
        for job in jobs:
            due, backend = self._tries[job.id], self._backends.get(job.backend)
            if due.in_flight or due.next_s > now or in_flight >= AT_ONCE:
                continue
            in_flight += 1
            due.in_flight = True
            self._spawn(f"stop-{job.id}", self._deliver, job, backend, due)

    def _deliver(self, job: Job, backend: Backend | None, due: _Try) -> None:
        try:
            if backend is not None and backend.stop(handle_of(job)):
                self._store.stopped(job.id, RemoteStop.CONFIRMED)
                log.debug("job %s: remote stop confirmed", job.id)
            elif must_be_over(job, self._settings):
                log.warning("job %s: nobody could confirm that its run was stopped", job.id)
                sent = job.submitted_at is not None  # a job that was never sent has no run
                self._store.stopped(job.id, RemoteStop.GIVEN_UP if sent else RemoteStop.CONFIRMED)
        except FaceSwapError as error:
            log.info("job %s: the remote stop failed (%s) and is tried again", job.id, error.code)
        except Exception:  # try again after any error: a GPU may be running
            log.exception("job %s: the remote stop failed and is tried again", job.id)
        finally:
            due.next_s = self._monotonic() + due.delay_s
            due.delay_s = min(due.delay_s * 2, BACKOFF_S[1])
            due.in_flight = False


def must_be_over(job: Job, settings: Settings) -> bool:
    """Whether the time limit of the job's remote run passed more than `GIVE_UP_AFTER_S` ago."""
    since = job.submitted_at or job.updated_at
    longest_s = terms_of(job, settings).remote_limit_s
    return time.time() - since.timestamp() > longest_s + GIVE_UP_AFTER_S
