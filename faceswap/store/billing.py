"""Keeps how many seconds the cloud billed for each remote run, also after the run's job was deleted."""

from __future__ import annotations

from faceswap.jobs import JobType, RunKey
from faceswap.store.access import StoreAccess

_LOOKED_AT = 20
"""The usual time is taken from so many of the latest jobs."""


class BillingNotes(StoreAccess):
    """Times are in seconds."""

    def note_billed(self, run: RunKey, seconds: float) -> None:
        """Note what the cloud says it billed for a run, or for a part. The largest value stays."""
        worker = f"{run.worker}/{run.part}" if run.part else run.worker
        with self._write() as db:
            db.execute(
                "INSERT INTO billing VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
                "SET seconds = max(seconds, excluded.seconds)",
                (run.job_id, run.attempt, worker, seconds, self._clock()),
            )
            db.execute(
                "UPDATE jobs SET billed_s = (SELECT sum(seconds) FROM billing WHERE job_id = jobs.id) "
                "WHERE id = ?",
                (run.job_id,),
            )

    def billed_of(self, job_id: str) -> float:
        """Return what was billed for a job so far."""
        row = self._one("SELECT total(seconds) AS seconds FROM billing WHERE job_id = ?", (job_id,))
        return float(row["seconds"]) if row else 0.0

    def billed(self, since: float = 0.0) -> float:
        """Return what was billed since a time in seconds since 1970, for the jobs of all owners."""
        with self._database.reading() as db:
            return float(
                db.execute("SELECT total(seconds) FROM billing WHERE at >= ?", (since,)).fetchone()[0]
            )

    def usually_billed(self, type: JobType, duration_s: float | None) -> float | None:
        """Return what a job like this is usually billed: the median over the latest jobs of the same type.

        For a video that is in proportion to its length. None while no such job is known.
        """
        with self._database.reading() as db:
            rows = db.execute(
                "SELECT billed_s / coalesce(duration_s, 1) "
                "FROM jobs JOIN uploads ON uploads.id = target_file "
                "WHERE type = ? AND status = 'completed' AND billed_s > 0 AND (duration_s IS NULL) = ? "
                "ORDER BY completed_at DESC LIMIT ?",
                (type.value, duration_s is None, _LOOKED_AT),
            ).fetchall()
        if not rows:
            return None
        shares = sorted(float(row[0]) for row in rows)
        return shares[len(shares) // 2] * (duration_s or 1)
