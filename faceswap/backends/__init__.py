"""The interface of a backend. A backend runs the swap; the dispatcher changes the job's state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from faceswap.errors import FaceSwapError
from faceswap.jobs import Job, RunKey, Stage
from faceswap.media.kinds import Span
from faceswap.swap_result import SwapResult


class RunState(StrEnum):
    """The state of a run. A backend reports RUNNING when it does not understand an answer."""

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
    """File with what an earlier detection learned about the people of a video, see
    `engine/face/people.py`."""
    parts: Path | None = None
    """Folder for the parts of a long video. It stays for the job's next run, see `media/parts.py`."""
    span: Span | None = None
    """With it, `target` is one cut of a video, and `people` the file about the whole of it."""
    target_duration_s: float | None = None
    """Length of a video target in seconds. None for a picture, or when the length is not known."""
    sending: Callable[[], None] = lambda: None
    """The backend calls this right before it sends a request that may start a run on another machine. The
    call records in the store that such a run may exist. Raises `JobStopped` when the job was cancelled."""


@dataclass(frozen=True, slots=True)
class Handle:
    """Names one run of one job, so that another process can continue with it after a restart."""

    run: RunKey
    """A backend stores everything about the run under this key. Each run of a job has its own key."""
    remote_id: str | None = None
    """RunPod's id of the run; the store keeps it as `runpod_id`. None for a run that ends with its process,
    and for a remote submission whose outcome is unknown."""
    submitted_at: datetime | None = None
    """The time just before the remote submission was sent; None before that."""
    limit_s: float | None = None
    """How many seconds the remote run may take after `submitted_at`, by the job's terms. With None the
    current settings decide."""

    @property
    def job_id(self) -> str:
        return self.run.job_id


@dataclass(frozen=True, slots=True)
class Report:
    state: RunState
    progress: float = 0.0
    """0..100. It may fall or repeat; the dispatcher makes sure that the progress on the page only rises."""
    stage: Stage = Stage.PROCESSING
    frames: int | None = None
    """How many frames of a video are finished. None where the backend does not tell."""
    output: object = None
    """What `fetch` needs to get the result. The dispatcher does not read it."""
    swap: SwapResult = field(default_factory=SwapResult)
    """What a SUCCEEDED run reports about its result."""
    error: FaceSwapError | None = None
    """Set exactly when `state` is FAILED."""
    stop_needed: bool = False
    """The job has failed, but the run may still work. The caller repeats `stop` until it returns True."""


class Backend(Protocol):
    """What the dispatcher needs from a backend. `tests/integration/test_backends.py` tests this contract.

    The dispatcher may call every method from any thread. For one job it never calls `submit`, `poll` and
    `fetch` at the same time. It may call `stop` at any time, also while `submit` runs. `submit` and `poll`
    may raise `FaceSwapError`; the job then ends with that error. `poll` returns quickly and never waits for
    progress.
    """

    name: str
    survives_restart: bool
    """True when a run continues after this process has ended. The next process finds it by its `Handle`."""

    def check(self, source_bytes: int, target_bytes: int) -> None:
        """Refuse media that this backend cannot send to a run. Called before a job is queued.

        Changes nothing. `source_bytes` is the size of all sources together. Raises: TooLarge.
        """
        ...

    def submit(self, job: Job, media: Media) -> Handle: ...

    def poll(self, handle: Handle) -> Report: ...

    def stop(self, handle: Handle) -> bool:
        """Ask a run to end. Returns True only when it certainly ended; the caller repeats it until then."""
        ...

    def fetch(self, handle: Handle, report: Report, path: Path) -> None:
        """Write the result of a SUCCEEDED run to `path`. No incomplete file ever appears there."""
        ...

    def clean_up(self, handle: Handle) -> None:
        """Delete the media, result and marker that an ended run left outside this machine.

        The dispatcher calls it when the job is terminal in the store and its run has ended. A `stop` that
        returned True has done the same. Repeated calls are harmless. When a service cannot be reached, the
        method logs that and does not raise; the bucket's lifecycle rule then deletes the objects.
        """
        ...

    def erase(self, handle: Handle) -> bool:
        """Delete everything that a job left outside this machine. Called after the job was deleted.

        Returns True when nothing is left and no worker can write anything more. The caller repeats the call
        until then.
        """
        ...

    def close(self) -> None:
        """Stop the runs that depend on this process, and close connections."""
        ...
