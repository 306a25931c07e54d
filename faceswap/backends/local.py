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
from faceswap.folders import Folders
from faceswap.jobs import Job, Stage
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
        self._runs: dict[str, _EngineRun] = {}
        self._lock = threading.Lock()

    def check(self, source_bytes: int, target_bytes: int) -> None:
        """Nothing travels: what was accepted as an upload can be used."""

    def submit(self, job: Job, media: Media) -> Handle:
        run = _EngineRun(
            EngineProcess(
                SwapSpec(
                    limits=engine_limits(self._settings),
                    kind=job.type.target_kind,
                    sources=media.sources,
                    target=media.target,
                    result=media.work_dir / job.type.result_name,
                    options=Options.of(job.options.for_engine()),
                    marking=marking_of(job, self._settings),
                    people=media.people,
                    weights_dir=self._folders.weights,
                    models_dir=self._settings.neural_models_dir,
                )
            ),
            media.work_dir / job.type.result_name,
        )
        with self._lock:
            self._runs[job.id] = run
        return Handle(job.id)

    def poll(self, handle: Handle) -> Report:
        run = self._runs.get(handle.job_id)
        if run is None:
            return Report(RunState.FAILED, error=BackendLost(attempts=1))
        report = run.process.poll()
        if report.error:
            return Report(RunState.FAILED, report.progress, error=report.error)
        if report.done:
            return Report(RunState.SUCCEEDED, 100.0, Stage.FINISHING, swap=report.result_or_raise())
        limit_s = self._settings.engine_timeout_s
        if time.monotonic() - run.started_s > limit_s:
            self.stop(handle)
            return Report(RunState.FAILED, report.progress, error=JobTimeout(limit_s=limit_s))
        return Report(RunState.RUNNING, report.progress)

    def stop(self, handle: Handle) -> bool:
        with self._lock:
            run = self._runs.pop(handle.job_id, None)
        if run is not None:
            run.process.kill()
        return True

    def fetch(self, handle: Handle, report: Report, path: Path) -> None:
        run = self._runs[handle.job_id]
        try:
            shutil.move(run.result, path)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull() from error
            raise
        self.stop(handle)

    def clean_up(self, handle: Handle) -> None:
        """Nothing of a local run is anywhere but in its work folder."""

    def erase(self, handle: Handle) -> bool:
        """Nothing of a local run is anywhere but in its work folder."""
        return True

    def close(self) -> None:
        for job_id in list(self._runs):
            self.stop(Handle(job_id))


class _EngineRun:
    def __init__(self, process: EngineProcess[SwapResult], result: Path) -> None:
        self.process = process
        self.result = result
        self.started_s = time.monotonic()
