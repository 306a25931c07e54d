"""Where a job runs. A backend runs the swap; the dispatcher decides about the job's state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from faceswap.errors import FaceSwapError
from faceswap.jobs import Job, RunKey, Stage
from faceswap.swap_result import SwapResult


class RunState(StrEnum):
    """What a backend knows of a run. An answer it does not understand is RUNNING."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Media:
    """The files of one job on this machine. `sources` maps `""` (the only source) or a face id to a file."""

    sources: Mapping[str, Path]
    target: Path
    work_dir: Path
    """An empty folder for this attempt; the dispatcher removes it after the run."""
    people: Path | None = None
    """What was learned before about the people of a video, see `engine/face/people.py`."""
    target_duration_s: float | None = None
    """Of a video, as far as it is known."""
    sending: Callable[[], None] = lambda: None
    """To be called right before a request that may start a run elsewhere: it writes down that such a run may
    exist. Raises `JobStopped` when the job is not wanted any more."""


@dataclass(frozen=True, slots=True)
class Handle:
    """Names one run of one job, so that another process can pick it up again after a restart."""

    run: RunKey
    """By this key a backend keeps everything of the run. A later run of the same job has another."""
    remote_id: str | None = None
    """What the store keeps as `runpod_id`; None for runs that cannot outlive their process, and for a remote
    submission whose outcome is unknown."""
    submitted_at: datetime | None = None
    """When the remote submission was about to be made; None before that."""
    limit_s: float | None = None
    """How long the remote run may take from `submitted_at` on, as the job's terms say; None: as the settings
    say now."""

    @property
    def job_id(self) -> str:
        return self.run.job_id


@dataclass(frozen=True, slots=True)
class Report:
    state: RunState
    progress: float = 0.0
    """0..100; may fall or repeat: the dispatcher keeps what is shown rising."""
    stage: Stage = Stage.PROCESSING
    output: object = None
    """What `fetch` needs, as the backend got it. Opaque to the dispatcher."""
    swap: SwapResult = field(default_factory=SwapResult)
    """Of a SUCCEEDED run: what it reports about its result."""
    error: FaceSwapError | None = None
    """Set exactly when `state` is FAILED."""
    stop_needed: bool = False
    """The run failed for us but may go on by itself: `stop` it until that says True."""


class Backend(Protocol):
    """Both implementations pass `tests/integration/test_backends.py`.

    Every method may be called from any thread. For one job `submit`, `poll` and `fetch` never overlap, but
    `stop` may come at any time, also while `submit` is under way. `submit` and `poll` may raise
    `FaceSwapError`, which ends the job; `poll` returns quickly and never waits for progress.
    """

    name: str
    survives_restart: bool
    """True when a run goes on while no process of ours lives, and is picked up by its `Handle`."""

    def check(self, source_bytes: int, target_bytes: int) -> None:
        """Refuse media that could never reach a run, before a job is queued. Touches nothing.

        `source_bytes` is that of all sources together. Raises: TooLarge.
        """
        ...

    def submit(self, job: Job, media: Media) -> Handle: ...

    def poll(self, handle: Handle) -> Report: ...

    def stop(self, handle: Handle) -> bool:
        """Ask for the end of a run. True only when it is known not to run any more; repeat until then."""
        ...

    def fetch(self, handle: Handle, report: Report, path: Path) -> None:
        """Put the result of a SUCCEEDED run at `path`, whole or not at all."""
        ...

    def clean_up(self, handle: Handle) -> None:
        """Delete what a run that is over left outside this machine: media, result, marker.

        Call it once the job is terminal in the store and its run has ended (when `stop` says True it is done
        already); repeatable. A service that cannot be reached is logged, not raised: the bucket's lifecycle
        rule is the last resort.
        """
        ...

    def erase(self, handle: Handle) -> bool:
        """Delete all that a forgotten job left outside this machine. True once nothing is there and nothing
        can come any more; repeat until then."""
        ...

    def close(self) -> None:
        """End what cannot outlive this process and release connections."""
        ...
