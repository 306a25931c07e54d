"""The embedded engine: each job is one child process on this machine."""

from __future__ import annotations

import errno
import shutil
import threading
import time
from pathlib import Path

from faceswap.backends import Handle, Media, Report, RunState
from faceswap.engine.child.contract import SwapSpec
from faceswap.engine.child.process import EngineProcess
from faceswap.engine.options import Options
from faceswap.errors import BackendLost, DiskFull, JobTimeout
from faceswap.folders import LATEST, Folders
from faceswap.jobs import Job, RunKey, Stage, terms_of
from faceswap.provenance import marking_of
from faceswap.settings import Settings
from faceswap.swap_result import SwapResult
from faceswap.uploads import engine_limits


class LocalBackend:
    name = "local"
    survives_restart = False

    def __init__(self, settings: Settings, folders: Folders) -> None:
        self._settings = settings
        self._folders = folders
        self._runs: dict[RunKey, _EngineRun] = {}
        self._lock = threading.Lock()

    def check(self, source_bytes: int, target_bytes: int) -> None:
        """Accepts everything: this machine can use every accepted upload, because nothing is sent."""

    def submit(self, job: Job, media: Media) -> Handle:
        terms = terms_of(job, self._settings)
        run = _EngineRun(
            EngineProcess(
                SwapSpec(
                    limits=engine_limits(terms),
                    kind=job.type.target_kind,
                    sources=media.sources,
                    target=media.target,
                    result=media.work_dir / job.type.result_name,
                    options=Options.of(job.options.for_engine()),
                    marking=marking_of(job, self._settings),
                    people=media.people,
                    weights_dir=self._folders.weights,
                    models_dir=self._settings.neural_models_dir,
                    parts=media.parts,
                    latest=media.work_dir / LATEST,
                )
            ),
            media.work_dir / job.type.result_name,
            terms.engine_timeout_s,
        )
        with self._lock:
            self._runs[job.run] = run
        return Handle(job.run)

    def poll(self, handle: Handle) -> Report:
        run = self._runs.get(handle.run)
        if run is None:
            return Report(RunState.FAILED, error=BackendLost(attempts=1))
        report = run.process.poll()
        if report.error:
            return Report(RunState.FAILED, report.progress, error=report.error)
        if report.done:
            return Report(RunState.SUCCEEDED, 100.0, Stage.FINISHING, swap=report.result_or_raise())
        if time.monotonic() - run.started_s > run.limit_s:
            self.stop(handle)
            return Report(RunState.FAILED, report.progress, error=JobTimeout(limit_s=run.limit_s))
        return Report(RunState.RUNNING, report.progress, frames=report.frames)

    def stop(self, handle: Handle) -> bool:
        with self._lock:
            run = self._runs.pop(handle.run, None)
        if run is not None:
            run.process.kill()
        return True

    def fetch(self, handle: Handle, report: Report, path: Path) -> None:
        run = self._runs[handle.run]
        try:
            shutil.move(run.result, path)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull() from error
            raise
        self.stop(handle)

    def clean_up(self, handle: Handle) -> None:
        """Does nothing: all files of a local run are in its work folder, which the dispatcher removes."""

    def erase(self, handle: Handle) -> bool:
        """Returns True at once: all files of a local run are in its work folder on this machine."""
        return True

    def close(self) -> None:
        for run in list(self._runs):
            self.stop(Handle(run))


class _EngineRun:
    def __init__(self, process: EngineProcess[SwapResult], result: Path, limit_s: float) -> None:
        self.process = process
        self.result = result
        self.limit_s = limit_s
        self.started_s = time.monotonic()
