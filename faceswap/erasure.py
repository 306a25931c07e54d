"""Deletes a job's media and keeps its receipt.

A job is deleted in two steps, so that no media stay when the app crashes or the network fails. First, one
transaction replaces the job by its receipt and a note of what must be erased. Then every process with an
eraser for this data folder tries to erase what the notes list, and repeats that until nothing is left. It
erases the job's folders, its title and file names in the store's log, and its copies in the bucket.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from faceswap.backends import Backend, Handle
from faceswap.errors import FaceSwapError, JobNotFound, UploadNotFound
from faceswap.folders import Folders
from faceswap.jobs import Job, RunKey
from faceswap.loops import Loop
from faceswap.receipt import Because, Receipt, receipt_of
from faceswap.store import Erasure, JobStore, Upload
from faceswap.uploads import Intake

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
"""How often the eraser looks for notes of other processes."""
BACKOFF_S = (1.0, 300.0)
DAY_S = 86_400.0
CLOSE_WAIT_S = 3.0


@dataclass(slots=True)
class _Try:
    here: bool = False
    """Whether nothing is left on this machine."""
    next_s: float = 0.0
    delay_s: float = BACKOFF_S[0]


class Eraser:
    """Deletes jobs and reads receipts. Safe to use from any thread and process.

    `start` begins a thread that works through the notes until `close`.
    """

    def __init__(
        self,
        store: JobStore,
        folders: Folders,
        intake: Intake,
        backends: Mapping[str, Backend],
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
        on_erased: Callable[[Sequence[Path]], bool] = lambda folders: True,
    ) -> None:
        """`on_erased` is called with the folders that were deleted. It returns whether no copy is left."""
        self._store = store
        self._folders = folders
        self._intake = intake
        self._backends = backends
        self._now = now
        self._monotonic = monotonic
        self._on_erased = on_erased
        self._tries: dict[str, _Try] = {}
        self._closing = threading.Event()
        self.loop = Loop("erasing", self.step, LOOK_EVERY_S, store.close)

    def start(self) -> None:
        self.loop.start()

    def close(self) -> None:
        """Stop. A step that waits for the bucket is abandoned; the next process works through its notes."""
        self._closing.set()
        self.loop.close(CLOSE_WAIT_S)

    # -- receipts ----------------------------------------------------------------------------------------

    def receipt(self, job_id: str, owner: str) -> Receipt:
        """Return the receipt of a job, which may be deleted. Raises: JobNotFound."""
        try:
            return self._receipt_of(self._store.get(job_id, owner))
        except JobNotFound:
            return Receipt.model_validate_json(self._store.receipt(job_id, owner))

    def receipts(self, owner: str, *, limit: int, offset: int = 0) -> list[Receipt]:
        """Return the receipts of deleted jobs. The job that was deleted last comes first."""
        bodies = self._store.receipts(owner, limit=limit, offset=offset)
        return [Receipt.model_validate_json(body) for body in bodies]

    def _receipt_of(self, job: Job) -> Receipt:
        uploads: dict[str, Upload] = {}
        for upload_id in job.uploads:
            with suppress(UploadNotFound):
                uploads[upload_id] = self._store.upload(upload_id)
        events, consent = self._store.events(job.id), self._store.consent(job.id)
        return receipt_of(job, events, consent, uploads, job.marks)

    # -- deleting ----------------------------------------------------------------------------------------

    def delete(self, job: Job, because: Because) -> None:
        """Delete everything of a finished job except its receipt. Files that another job uses stay.

        When this returns, nothing of the job is left on this machine, unless another program holds the store
        or a folder cannot be deleted: then it is tried again. Copies in the bucket are deleted in the
        background.

        Raises: JobNotFound: another caller deleted it first.
        """
        if not self._delete([job], because):
            raise JobNotFound()

    def delete_older_than(self, days: float, share: float = 1.0) -> int:
        """Delete the jobs that ended more than `days` days ago, the oldest first. Returns how many.

        `share` is the largest fraction of all finished jobs that one call deletes, rounded up.
        """
        expired = self._store.finished_before(self._now().timestamp() - days * DAY_S, share)
        return self._delete(expired, "expired") if expired else 0

    def _delete(self, jobs: Sequence[Job], because: Because) -> int:
        """Returns how many of the jobs this call deleted; other callers may have deleted the rest."""
        erasures: list[Erasure] = []
        for job in jobs:
            with suppress(JobNotFound):
                receipt = None
                if job.backend != "simulated":  # a simulated job has no consent and no files
                    receipt = self._receipt_of(job).reduced(self._now(), because).model_dump_json()
                erasure = self._store.delete_job(job, receipt)
                if erasure is not None:
                    log.debug("job %s: %s", job.id, because)
                    erasures.append(erasure)
        try:
            if erasures and self._erase_here(erasures):
                for erasure in filter(_stayed_here, erasures):
                    self._store.note_erased(erasure.job_id)
        except FaceSwapError as error:  # the jobs are deleted all the same
            log.info("the erasing of deleted jobs failed (%s) and is tried again", error.code)
        self.loop.wake()
        return len(erasures)

    # -- working through the notes -----------------------------------------------------------------------

    def step(self) -> None:
        """Work through those notes that are due for their next try."""
        erasures = self._store.erasures()
        self._tries = {each.job_id: self._tries.get(each.job_id, _Try()) for each in erasures}
        due_now = [each for each in erasures if self._tries[each.job_id].next_s <= self._monotonic()]
        here = [each for each in due_now if not self._tries[each.job_id].here]
        if here and self._erase_here(here):
            for erasure in here:
                self._tries[erasure.job_id].here = True
        for erasure in due_now:
            if self._closing.is_set():
                return
            due = self._tries[erasure.job_id]
            if self._erase_there(erasure) and due.here:
                self._store.note_erased(erasure.job_id)
                log.debug("job %s: nothing is left of it", erasure.job_id)
            due.next_s = self._monotonic() + due.delay_s
            due.delay_s = min(due.delay_s * 2, BACKOFF_S[1])

    def _erase_here(self, erasures: Sequence[Erasure]) -> bool:
        """Erase these jobs on this machine and in its snapshot. Returns whether nothing of them is left."""
        unused = {upload.id: upload for upload in self._store.unused_uploads(older_than_s=0)}
        gone: list[Path] = []
        for erasure in erasures:
            gone.append(self._folders.job(erasure.job_id))
            shutil.rmtree(gone[-1], ignore_errors=True)
            for upload_id in erasure.uploads:
                if upload_id in unused:
                    self._intake.remove(unused.pop(upload_id))
                if not self._store.has_upload(upload_id):
                    gone.append(self._folders.upload(upload_id))
                    shutil.rmtree(gone[-1], ignore_errors=True)
        compact = self._store.compact()
        return self._on_erased(gone) and compact and not any(folder.exists() for folder in gone)

    def _erase_there(self, erasure: Erasure) -> bool:
        """Erase a job's copies on the backend it ran on. Returns whether nothing of it is left there."""
        if _stayed_here(erasure):
            return True
        backend = self._backends.get(erasure.backend)
        if backend is None:  # another process may have it, or this process after a restart
            return False
        try:
            return backend.erase(
                Handle(
                    RunKey(erasure.job_id, 0, ""), erasure.runpod_id, erasure.submitted_at, erasure.limit_s
                )
            )
        except FaceSwapError as error:
            log.info(
                "job %s: erasing it elsewhere failed (%s) and is tried again", erasure.job_id, error.code
            )
            return False


def _stayed_here(erasure: Erasure) -> bool:
    return erasure.submitted_at is None
