"""Deletes jobs. Keeps their receipts, and notes of what must still be erased."""

from __future__ import annotations

import json

from faceswap.errors import (
    JobNotFound,
)
from faceswap.jobs import (
    Job,
)
from faceswap.store.access import LIVE, StoreAccess, urgent
from faceswap.store.rows import (
    Erasure,
    erasure_of,
)


class JobDeletion(StoreAccess):
    """A deleted job has a row in `receipts`, and one in `erasures` until its media are deleted everywhere."""

    @urgent
    def delete_job(self, job: Job, receipt: str | None) -> Erasure | None:
        """Replace a finished job by its receipt and a note of what must be erased.

        If its remote run must still be stopped, the job's row stays, without owner, title and files.
        `stopped` removes it. Returns None when the job is live, or another caller deleted it first.
        """
        uploads = json.dumps(sorted(job.uploads))
        with self._write() as db:
            rows = db.execute(
                "UPDATE jobs SET owner = '', title = '', source_file = '', target_file = '', "
                f"face_mappings = '{{}}', result = NULL WHERE id = ? AND owner <> '' AND NOT {LIVE} "
                "RETURNING *",
                (job.id,),
            ).fetchall()
            if not rows:
                return None
            row = rows[0]
            if receipt is not None:
                db.execute(
                    "INSERT INTO receipts VALUES (?, ?, ?, ?)", (job.id, job.owner, self._clock(), receipt)
                )
            db.execute(
                "INSERT INTO erasures VALUES (?, ?, ?, ?, ?, ?)",
                (
                    job.id,
                    row["backend"],
                    row["runpod_id"],
                    row["submitted_at"],
                    uploads,
                    job.terms.remote_limit_s if job.terms else None,
                ),
            )
            db.execute("DELETE FROM consents WHERE job_id = ?", (job.id,))
            db.execute("DELETE FROM jobs WHERE id = ? AND remote_stop <> 'pending'", (job.id,))
            return erasure_of(db.execute("SELECT * FROM erasures WHERE job_id = ?", (job.id,)).fetchone())

    def receipt(self, job_id: str, owner: str | None = None) -> str:
        """Return the receipt that `delete_job` stored.

        Raises: JobNotFound: there is none, or it is another owner's.
        """
        row = self._one("SELECT * FROM receipts WHERE job_id = ?", (job_id,))
        if row is None or (owner is not None and row["owner"] != owner):
            raise JobNotFound()
        return row["body"]

    def receipts(self, owner: str, *, limit: int, offset: int = 0) -> list[str]:
        """Return the receipts of one owner's deleted jobs. The job that was deleted last comes first."""
        rows = self._all(
            "SELECT body FROM receipts WHERE owner = ? ORDER BY forgotten_at DESC, job_id LIMIT ? OFFSET ?",
            (owner, limit, offset),
        )
        return [row["body"] for row in rows]

    def erasures(self) -> list[Erasure]:
        """Return the notes of what must still be erased, for all owners."""
        return [erasure_of(row) for row in self._all("SELECT * FROM erasures")]

    @urgent
    def note_erased(self, job_id: str) -> None:
        """Remove the note of a deleted job, because nothing of the job is left, here or elsewhere."""
        self._change("DELETE FROM erasures WHERE job_id = ?", (job_id,))
