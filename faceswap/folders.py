"""Where everything lies below the data folder. Pure paths: nothing is created or deleted here.

jobs.sqlite3            the store
signing/                the key that results are signed with, see `signing.py`
weights/                model files, checked by SHA-256
unlabelled.jsonl        who asked for a result without the visible label, and when
examples/               what the pages offer to try, from packages
uploads/<id>/media.*    what passed the intake
uploads/<id>/people.json  whom a video shows, once that was asked
jobs/<id>/result-RUN.*  the result of the run RUN; the job's row names the one that can be downloaded
jobs/<id>/job.json      the finished job, for people
jobs/<id>/attempt-RUN/  the work of a run; deleted with it
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from faceswap.errors import JobNotFound, UploadNotFound
from faceswap.jobs import Job, RunKey
from faceswap.store import Upload

WORK, RESULT = "attempt", "result"
"""How the names of work folders and of result files begin."""
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
    def incoming(self) -> Path:
        """Where Gradio puts what a browser sends, until it is taken in. Snapshots leave it out."""
        return self.root / ".incoming"

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
        """The result that the job's row names."""
        return self.job(job.id) / (job.result_file or job.type.result_name)

    def result_of(self, run: RunKey, name: str) -> Path:
        """Where one run puts its result, called `name` (`result.mp4`): no other run writes there."""
        return self.job(run.job_id) / f"{RESULT}-{run.name}{Path(name).suffix}"

    def work(self, run: RunKey) -> Path:
        """The work folder of one run: no other run writes or deletes there."""
        return self.job(run.job_id) / f"{WORK}-{run.name}"
