"""Backends and a dispatcher without threads, whose steps a proof takes one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.proofs.stand_in import sealed_only_by_name
from faceswap.backends import Backend, Handle, Media, Report, RunState
from faceswap.dispatcher import Dispatcher
from faceswap.driving import DrivenRun, in_words
from faceswap.errors import EngineCrashed, SubmissionUnknown
from faceswap.folders import Folders
from faceswap.jobs import Job, RunKey
from faceswap.settings import Settings
from faceswap.store import JobStore


@dataclass
class Cloud:
    """What RunPod does. Each run that it accepted is known by its key."""

    accepted: list[RunKey] = field(default_factory=list[RunKey])
    running: set[RunKey] = field(default_factory=set[RunKey])
    answer: str = "ok"
    """What the next submission meets: ok, lost (accepted, but nobody gets the answer), or refused."""


class CloudBackend:
    name, survives_restart = "runpod", True

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def check(self, source_bytes: int, target_bytes: int) -> None: ...

    def submit(self, job: Job, media: Media) -> Handle:
        media.sending()
        if self.cloud.answer == "refused":
            raise EngineCrashed()
        run = job.evolve(sent_by=job.worker).remote_run
        self.cloud.accepted.append(run)
        self.cloud.running.add(run)
        if self.cloud.answer == "lost":
            raise SubmissionUnknown()
        return Handle(run, f"remote-{run.name}")

    def poll(self, handle: Handle) -> Report:
        assert handle.run in self.cloud.accepted
        return Report(RunState.RUNNING, 50)

    def stop(self, handle: Handle) -> bool:
        self.cloud.running.discard(handle.run)
        return True

    def fetch(self, handle: Handle, report: Report, path: Path) -> None:
        path.write_bytes(handle.run.name.encode())

    def clean_up(self, handle: Handle) -> None:
        assert handle.run not in self.cloud.running, "the place of a live run was emptied"

    def erase(self, handle: Handle) -> bool:
        self.cloud.running = {run for run in self.cloud.running if run.job_id != handle.job_id}
        return True

    def close(self) -> None: ...


class EngineBackend(CloudBackend):
    """The local engines of one process. They die with it."""

    name, survives_restart = "local", False

    def __init__(self) -> None:
        super().__init__(Cloud())

    def submit(self, job: Job, media: Media) -> Handle:
        self.cloud.accepted.append(job.run)
        self.cloud.running.add(job.run)
        return Handle(job.run)

    def clean_up(self, handle: Handle) -> None: ...


class SteppedDispatcher(Dispatcher):
    """A dispatcher without threads. The machine takes the steps of its runs."""

    def __init__(
        self,
        folders: Folders,
        settings: Settings,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        cloud: Cloud,
    ) -> None:
        self.store = JobStore(folders.store, clock)
        self.engines = EngineBackend()
        backends: dict[str, Backend] = {"local": self.engines, "runpod": CloudBackend(cloud)}
        slots = dict.fromkeys(backends, 2)
        super().__init__(self.store, backends, folders, settings, slots, monotonic, seal=sealed_only_by_name)
        self.handles: dict[RunKey, Handle] = {}

    def _begin(self, job: Job, backend: Backend) -> None:
        self._runs[job.run] = DrivenRun(job, backend)

    def _spawn(self, name: str, work: Callable[..., None], *arguments: object) -> None:
        work(*arguments)

    @property
    def driven(self) -> list[tuple[RunKey, DrivenRun]]:
        return sorted(self._runs.items(), key=lambda item: item[1].job.created_at)

    def step(self, key: RunKey, run: DrivenRun, what: str) -> None:
        """Take the next step of a run: what `Driver.drive` does between two looks at the store."""
        driver = self._driver
        try:
            if key not in self.handles:
                self.handles[key] = driver._submit(run)
                return
            handle = self.handles[key]
            if what == "fail":
                run.remote = False
                self._backends[run.backend.name].stop(handle)  # it has ended by itself
                raise EngineCrashed()
            job = self.store.report(run.job, progress=50, stage=run.job.stage, eta_s=None)
            if job is not None:
                run.job = job
                if what == "progress":
                    return
                if what == "give back":
                    driver.give_back(run)
                else:
                    run.remote = False
                    self._backends[run.backend.name].stop(handle)  # it has succeeded by itself
                    driver._finish(run, handle, Report(RunState.SUCCEEDED, 100))
        except Exception as error:  # noqa: BLE001 - as the driver does
            driver._give_up(run, in_words(run.job, error))
        if not run.backend.survives_restart:
            run.backend.stop(Handle(run.job.remote_run))
        driver.clean_up(run.job)
        self._runs.pop(key, None)

    def guarded_step(self, key: RunKey, run: DrivenRun, what: str) -> None:
        """Take a step. After an unexpected error the run is forgotten, as when its thread dies."""
        try:
            self.step(key, run, what)
        except BaseException:
            self._runs.pop(key, None)
            raise
