"""Simulated jobs. They let a user see the queue, the panel and the job states without any media."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from faceswap.backends import Handle, Media, Report, RunState
from faceswap.errors import BackendLost, EngineCrashed, InvalidRequest
from faceswap.jobs import Job, RunKey, Simulation, Stage
from faceswap.media import write_png

_UPLOADED, _FINISHING, _FAILS_AT = 5.0, 95.0, 60.0
_PICTURE = (180, 320)


@dataclass(frozen=True, slots=True)
class _SimulatedRun:
    started_s: float
    plan: Simulation


class SimulatedBackend:
    """Runs simulated jobs. Progress is the share of `Simulation.duration_s` that has passed. The result is a
    picture of two colours.

    It refuses every real job, because simulated jobs skip the checks of a real one, above all for consent.
    """

    name = "simulated"
    survives_restart = False

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._runs: dict[RunKey, _SimulatedRun] = {}
        self._lock = threading.Lock()

    def check(self, source_bytes: int, target_bytes: int) -> None:
        """Accepts everything, because a simulated job has no media."""

    def submit(self, job: Job, media: Media) -> Handle:
        if not isinstance(job.options, Simulation):
            raise InvalidRequest(reason="this job is no simulation")
        with self._lock:
            self._runs[job.run] = _SimulatedRun(self._monotonic(), job.options)
        return Handle(job.run)

    def poll(self, handle: Handle) -> Report:
        with self._lock:
            run = self._runs.get(handle.run)
        if run is None:
            return Report(RunState.FAILED, error=BackendLost(attempts=1))
        progress = 100 * (self._monotonic() - run.started_s) / run.plan.duration_s
        if run.plan.outcome == "failed" and progress >= _FAILS_AT:
            return Report(RunState.FAILED, _FAILS_AT, error=EngineCrashed())
        if progress >= 100:
            return Report(RunState.SUCCEEDED, 100.0, Stage.FINISHING)
        return Report(RunState.RUNNING, progress, _stage(progress))

    def stop(self, handle: Handle) -> bool:
        with self._lock:
            self._runs.pop(handle.run, None)
        return True

    def fetch(self, handle: Handle, report: Report, path: Path) -> None:
        picture = np.full((*_PICTURE, 3), (79, 70, 229), np.uint8)
        picture[:, _PICTURE[1] // 2 :] = (148, 163, 184)
        write_png(path, picture)
        self.stop(handle)

    def clean_up(self, handle: Handle) -> None:
        """Does nothing, because a simulated run leaves nothing outside this machine."""

    def erase(self, handle: Handle) -> bool:
        """Returns True at once, because a simulated job leaves nothing outside this machine."""
        return True

    def close(self) -> None:
        with self._lock:
            self._runs.clear()


def _stage(progress: float) -> Stage:
    if progress < _UPLOADED:
        return Stage.UPLOADING
    return Stage.PROCESSING if progress < _FINISHING else Stage.FINISHING
