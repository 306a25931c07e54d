"""The methods that read jobs. No method here changes a job."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from faceswap.consent import Consent
from faceswap.erasure import Eraser
from faceswap.errors import ResultNotReady
from faceswap.folders import Folders
from faceswap.jobs import LOCAL_OWNER, Job, Status
from faceswap.media.kept import PART_S
from faceswap.receipt import Receipt
from faceswap.store import Event, JobStore, Upload

if TYPE_CHECKING:
    import pandas as pd

_WATCH_S = 0.1
FRAME_COLUMNS = ("id", "title", "status", "progress", "stage", "eta_s", "position", "backend", "created_at")


class JobQueries:
    """The methods of `Service` that read. Every method takes `owner`; another owner's job is not found."""

    def __init__(self, store: JobStore, folders: Folders, eraser: Eraser) -> None:
        self._store = store
        self._folders = folders
        self._eraser = eraser
        self._closing = False
        """Becomes True when the service closes, to end every `watch`.

        This is no `threading.Event`. A Ctrl-C that arrives while the main thread waits for one may leave its
        lock taken, and then `close` would wait for ever.
        """

    def get(self, job_id: str, *, owner: str = LOCAL_OWNER) -> Job:
        """Return one job. Raises: JobNotFound."""
        return self._store.get(job_id, owner)

    def active(self, *, owner: str = LOCAL_OWNER) -> list[Job]:
        """Return the waiting and running jobs, oldest first."""
        return self._store.active(owner)

    def active_frame(self, *, owner: str = LOCAL_OWNER) -> pd.DataFrame:
        """Return `active` as a table with the columns `FRAME_COLUMNS`.

        `progress` is in percent, times are in UTC.
        """
        import pandas as pd  # takes a second or two, so only callers who want a table wait for it

        rows = [[getattr(job, column) for column in FRAME_COLUMNS] for job in self.active(owner=owner)]
        return pd.DataFrame(rows, columns=list(FRAME_COLUMNS))

    def history(
        self,
        *,
        limit: int = 50,
        offset: int = 0,
        statuses: Sequence[Status] = tuple(Status),
        search: str = "",
        owner: str = LOCAL_OWNER,
    ) -> list[Job]:
        """Return jobs in any state, newest first. `search` keeps those whose title contains it."""
        return self._store.history(owner, limit=limit, offset=offset, statuses=statuses, search=search)

    def version(self) -> object:
        """Return a value that stays the same in this thread until any owner's job changes. It is cheap."""
        return self._store.version()

    def queue_stopped(self, *, owner: str = LOCAL_OWNER) -> bool:
        """Whether the owner's waiting jobs wait until `Service.resume_queue` is called."""
        return self._store.is_stopped(owner)

    def events(self, job_id: str, *, owner: str = LOCAL_OWNER) -> list[Event]:
        """Return every state change of a job, with its time and reason. Raises: JobNotFound."""
        self._store.get(job_id, owner)
        return self._store.events(job_id)

    def files_of(self, jobs: Iterable[Job]) -> dict[str, Upload]:
        """Return the sources and targets of these jobs that still exist, by upload id."""
        return self._store.uploads({upload_id for job in jobs for upload_id in job.uploads})

    def watch(self, job_id: str, *, owner: str = LOCAL_OWNER) -> Iterator[Job]:
        """Yield the job now and after each change, until it is finished or the service closes.

        Raises: JobNotFound.
        """
        shown: Job | None = None
        while True:
            job = self._store.get(job_id, owner)
            if job != shown:
                shown = job
                yield job
            if not job.status.live or self._closing:
                return
            time.sleep(_WATCH_S)

    def wait(self, job_id: str, timeout_s: float | None = None, *, owner: str = LOCAL_OWNER) -> Job:
        """Wait for a job and return it when it is finished.

        Raises: JobNotFound; TimeoutError: it is not finished in time.
        """
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while (job := self._store.get(job_id, owner)).status.live:
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(f"job {job_id} is still {job.status}")
            time.sleep(_WATCH_S)
        return job

    def result_path(self, job_id: str, *, owner: str = LOCAL_OWNER) -> Path:
        """Return the path of a completed job's result. Raises: JobNotFound, ResultNotReady."""
        job = self._store.get(job_id, owner)
        path = self._folders.result(job)
        if job.status is not Status.COMPLETED or not path.is_file():
            raise ResultNotReady()
        return path

    def latest_frame(self, job: Job) -> Path | None:
        """Return the path of a small JPEG of the frame that was swapped last. None if the job is not running,
        runs elsewhere, or has no frame yet."""
        if job.status is not Status.PROCESSING:
            return None
        path = self._folders.latest(job.run)
        return path if path.is_file() else None

    def result_thumbnail(self, job: Job) -> Path | None:
        """Return the path of the small JPEG of a job's result. None if the job has no such file."""
        if job.status is not Status.COMPLETED:
            return None
        path = self._folders.result_thumbnail(job.run)
        return path if path.is_file() else None

    def parts_of(self, job: Job, target: Upload | None) -> Mapping[str, int] | None:
        """Return how many parts a running job's video has (`total`), and how many are `done` and `running`.
        None if it is made in one go. Parts in the cloud may still run after the job was cancelled.
        """
        if job.parts:
            return asdict(job.parts)
        if job.backend != "local":
            return None
        if job.status is not Status.PROCESSING or target is None or not target.duration_s:
            return None
        done = sum(path.stem.isdecimal() for path in self._folders.parts(job.id).glob("*.json"))
        if not done:
            return None
        end_s = min(target.duration_s, job.options.end_s or target.duration_s)
        total = max(done + 1, math.ceil((end_s - job.options.start_s) / PART_S))
        return {"total": total, "done": done, "running": 1}

    def consent(self, job_id: str, *, owner: str = LOCAL_OWNER) -> Consent:
        """Return the consent that was stated for a job. Raises: JobNotFound."""
        self._store.get(job_id, owner)
        return self._store.consent(job_id)

    def receipt(self, job_id: str, *, owner: str = LOCAL_OWNER) -> Receipt:
        """Return the receipt of a job in any state, or of a deleted job. Raises: JobNotFound."""
        return self._eraser.receipt(job_id, owner)

    def receipts(self, *, limit: int = 50, offset: int = 0, owner: str = LOCAL_OWNER) -> list[Receipt]:
        """Return the receipts of deleted jobs. The job that was deleted last comes first."""
        return self._eraser.receipts(owner, limit=limit, offset=offset)
