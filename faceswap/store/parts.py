"""Keeps the runs of the parts of a video that are swapped on other machines, one row for each try."""

from __future__ import annotations

import sqlite3

from faceswap.jobs import Job, PartRun, RunKey
from faceswap.store.access import StoreAccess, urgent
from faceswap.store.rows import time_of

_MINE = "id = ? AND status = 'processing' AND worker = ? AND attempt = ?"


class PartRunRows(StoreAccess):
    """A try is written before its request is sent, and ended when it is known to be over. The job's `parts`
    count the rows.
    """

    def plan_parts(self, job: Job, total: int) -> bool:
        """Note of how many parts the caller's run consists. False when it is not the caller's any more."""
        with self._write() as db:
            rows = db.execute(
                "UPDATE jobs SET parts = json_object('total', ?, 'done', 0, 'running', 0) "
                f"WHERE {_MINE} RETURNING id",
                (total, job.id, job.worker, job.attempt),
            ).fetchall()
            _count(db, job.id)
        return bool(rows)

    def part_submitting(self, job: Job, part: int, number: int) -> PartRun | None:
        """Record that the caller is about to send try `number` of a part. The job counts as submitted now.

        Returns None when the job's run is not the caller's any more. Then nothing may be sent.
        """
        now = self._clock()
        with self._write() as db:
            rows = db.execute(
                "UPDATE jobs SET submitted_at = ?, sent_by = worker, updated_at = ? "
                f"WHERE {_MINE} RETURNING id",
                (now, now, job.id, job.worker, job.attempt),
            ).fetchall()
            if not rows:
                return None
            row = db.execute(
                "INSERT INTO part_runs VALUES (?, ?, ?, ?, ?, ?, NULL, NULL) RETURNING *",
                (job.id, part, number, job.attempt, job.worker, now),
            ).fetchone()
            _count(db, job.id)
            return _part_run_of(row)

    @urgent
    def part_submitted(self, run: PartRun, remote_id: str) -> None:
        """Store the remote id of a try. A cancelled job needs it, too, for its stop."""
        self._change(
            "UPDATE part_runs SET remote_id = ? WHERE job_id = ? AND part = ? AND try = ? RETURNING part",
            (remote_id, *_key(run)),
        )

    @urgent
    def part_ended(self, run: PartRun, *, done: bool) -> None:
        """Note that a try is over. `done` says that its result is here."""
        with self._write() as db:
            db.execute(
                "UPDATE part_runs SET ended = ? WHERE job_id = ? AND part = ? AND try = ?",
                ("done" if done else "over", *_key(run)),
            )
            _count(db, run.run.job_id)

    def part_runs(self, job_id: str) -> list[PartRun]:
        """Return all tries of a job's parts, in the order of the parts and of the tries."""
        rows = self._all("SELECT * FROM part_runs WHERE job_id = ? ORDER BY part, try", (job_id,))
        return [_part_run_of(row) for row in rows]


def _count(db: sqlite3.Connection, job_id: str) -> None:
    db.execute(
        "UPDATE jobs SET parts = json_set(parts, "
        "'$.done', (SELECT count(DISTINCT part) FROM part_runs WHERE job_id = jobs.id AND ended = 'done'), "
        "'$.running', (SELECT count(*) FROM part_runs WHERE job_id = jobs.id AND ended IS NULL)) "
        "WHERE id = ? AND parts IS NOT NULL",
        (job_id,),
    )


def _key(run: PartRun) -> tuple[str, int, int]:
    return run.run.job_id, run.part, int(run.run.part.rpartition("-")[2])


def _part_run_of(row: sqlite3.Row) -> PartRun:
    run = RunKey(row["job_id"], row["attempt"], row["worker"], f"p{row['part']}-{row['try']}")
    return PartRun(run, row["part"], time_of(row["submitted_at"]), row["remote_id"], row["ended"])
