"""The paths of everything in the data folder. This module creates and deletes nothing.

jobs.sqlite3            the store
signing/                the key that results are signed with, see `signing.py`
weights/                model files, checked by SHA-256
unlabelled.jsonl        who asked for a result without the visible label, and when
examples/               the example files that the pages offer
uploads/<id>/media.*    an uploaded file, as the intake stores it
uploads/<id>/thumbnail.webp  a small picture of it
uploads/<id>/people.json  the people in a video, written when somebody asks for them
jobs/<id>/result-RUN.*  the result of the run RUN; the job's row names the one that can be downloaded
jobs/<id>/job.json      the summary of a finished job, for people to read
jobs/<id>/parts/        the finished parts of a long video, deleted when the job ends
jobs/<id>/attempt-RUN/  the work folder of a run, deleted when the run ends
jobs/<id>/attempt-RUN/latest.jpg  a small picture of the latest frame of a local run
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from faceswap.errors import JobNotFound, UploadNotFound
from faceswap.jobs import Job, RunKey
from faceswap.store import Upload

WORK, RESULT = "attempt", "result"
"""The names of work folders and of result files begin with these."""
PARTS = "parts"
LATEST = "latest.jpg"
THUMBNAIL = "thumbnail"
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
        """Gradio puts the files that a browser sends here, until the intake takes them. Not in snapshots."""
        return self.root / ".incoming"

    @property
    def uploads(self) -> Path:
        return self.root / "uploads"

    def upload(self, upload_id: str) -> Path:
        """Return the folder of one upload. Raises: UploadNotFound: `upload_id` cannot be an id."""
        if not _ID.fullmatch(upload_id):
            raise UploadNotFound()
        return self.uploads / upload_id

    def media(self, upload: Upload) -> Path:
        return self.upload(upload.id) / upload.file

    def thumbnail(self, upload: Upload) -> Path:
        """Return the path of an upload's small picture. Uploads of older versions have none."""
        return self.upload(upload.id) / "thumbnail.webp"

    @property
    def jobs(self) -> Path:
        return self.root / "jobs"

    def job(self, job_id: str) -> Path:
        """Return the folder of one job. Raises: JobNotFound: `job_id` cannot be an id."""
        if not _ID.fullmatch(job_id):
            raise JobNotFound()
        return self.jobs / job_id

    def result(self, job: Job) -> Path:
        """Return the path of the result that the job's row names."""
        return self.job(job.id) / (job.result_file or job.type.result_name)

    def result_of(self, run: RunKey, name: str) -> Path:
        """Return the path for the result of one run. No other run writes there.

        `name` is the result's plain name, such as `result.mp4`; only its suffix is used.
        """
        return self.job(run.job_id) / f"{RESULT}-{run.name}{Path(name).suffix}"

    def result_thumbnail(self, run: RunKey) -> Path:
        """Return the path of a small picture of the result of one run. Results of the cloud have none."""
        return self.job(run.job_id) / f"{THUMBNAIL}-{run.name}.jpg"

    def parts(self, job_id: str) -> Path:
        """Return the folder of the parts of a long video. The runs of a job share it."""
        return self.job(job_id) / PARTS

    def work(self, run: RunKey) -> Path:
        """Return the work folder of one run. No other run writes or deletes there."""
        return self.job(run.job_id) / f"{WORK}-{run.name}"

    def latest(self, run: RunKey) -> Path:
        """Return the path of a small picture of the run's latest frame. It exists while a local run works."""
        return self.work(run) / LATEST
