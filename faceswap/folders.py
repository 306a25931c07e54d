"""Where everything lies below the data folder. Pure paths: nothing is created or deleted here.

jobs.sqlite3            the store
signing/                the key that results are signed with, see `signing.py`
weights/                model files, checked by SHA-256
unlabelled.jsonl        who asked for a result without the visible label, and when
examples/               what the pages offer to try, from packages
uploads/<id>/media.*    what passed the intake
uploads/<id>/people.json  whom a video shows, once that was asked
jobs/<id>/result.*      what can be downloaded
jobs/<id>/job.json      the finished job, for people
jobs/<id>/attempt-…/    the work of a run; gone with it
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from faceswap.errors import JobNotFound, UploadNotFound
from faceswap.jobs import Job
from faceswap.store import Upload

_ID = re.compile(r"[A-Za-z0-9_-]{16,64}")


@dataclass(frozen=True, slots=True)
class Folders:
    root: Path

    @property
    def store(self) -> Path:
        return self.root / "jobs.sqlite3"

    @property
    def weights(self) -> Path:
        return self.root / "weights"

    @property
    def examples(self) -> Path:
        return self.root / "examples"

    @property
    def unlabelled(self) -> Path:
        return self.root / "unlabelled.jsonl"

    @property
    def signing(self) -> Path:
        return self.root / "signing"

    @property
    def uploads(self) -> Path:
        return self.root / "uploads"

    def upload(self, upload_id: str) -> Path:
        """The folder of one upload. Raises: UploadNotFound for what cannot be an id."""
        if not _ID.fullmatch(upload_id):
            raise UploadNotFound()
        return self.uploads / upload_id

    def media(self, upload: Upload) -> Path:
        return self.upload(upload.id) / upload.file

    @property
    def jobs(self) -> Path:
        return self.root / "jobs"

    def job(self, job_id: str) -> Path:
        """The folder of one job. Raises: JobNotFound for what cannot be an id."""
        if not _ID.fullmatch(job_id):
            raise JobNotFound()
        return self.jobs / job_id

    def result(self, job: Job) -> Path:
        return self.job(job.id) / job.type.result_name

    def work(self, job: Job) -> Path:
        """Of one attempt by one worker, so that nobody removes the work of another."""
        worker = (job.worker or "none").rpartition(":")[2]
        return self.job(job.id) / f"attempt-{job.attempt}-{worker}"
