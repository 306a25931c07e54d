"""The deletion of jobs, and what is kept of them: receipts, and notes of what must be erased."""

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
    """A deleted job is one row in `receipts`, and one in `erasures` until its media are gone everywhere."""

    @urgent
    def delete_job(self, job: Job, receipt: str | None) -> Erasure | None:
        """Replace a finished job by its receipt and a note of what must be erased.

        While its remote run must still be stopped, what is needed for that stays, without owner, title and
        files; `stopped` removes the rest. None: it is live, or somebody else deleted it first.
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
        """What `delete_job` was given; somebody else's is as unknown as none. Raises: JobNotFound."""
        row = self._one("SELECT * FROM receipts WHERE job_id = ?", (job_id,))
        if row is None or (owner is not None and row["owner"] != owner):
            raise JobNotFound()
        return row["body"]

    def receipts(self, owner: str, *, limit: int, offset: int = 0) -> list[str]:
        """Of one owner's deleted jobs, those deleted last first."""
        rows = self._all(
            "SELECT body FROM receipts WHERE owner = ? ORDER BY forgotten_at DESC, job_id LIMIT ? OFFSET ?",
            (owner, limit, offset),
        )
        return [row["body"] for row in rows]

    def erasures(self) -> list[Erasure]:
        """The notes of what must still be erased, of all owners."""
        return [erasure_of(row) for row in self._all("SELECT * FROM erasures")]

    @urgent
    def note_erased(self, job_id: str) -> None:
        """Remove the note of a deleted job of which nothing is left, here or elsewhere."""
        self._change("DELETE FROM erasures WHERE job_id = ?", (job_id,))
