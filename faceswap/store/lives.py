"""Lets dispatchers claim and drive jobs, and ends them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from faceswap.errors import (
    JobAlreadyFinished,
    JobNotFound,
)
from faceswap.jobs import (
    CANCELLED_MESSAGE,
    Job,
    RemoteStop,
    Result,
    RunKey,
    Stage,
    Status,
    rising,
)
from faceswap.store.access import LIVE, TURN, urgent
from faceswap.store.reading import JobReads
from faceswap.store.rows import (
    job_of,
    json_of,
    json_of_details,
)

LONGEST_LEASE_S = 60.0
_LAPSED = "NOT lease_until BETWEEN ? AND ?"


class JobLives(JobReads):
    """Every method that changes a status uses `_transition`.

    A method that changes the caller's run checks that the job still has the worker and the attempt of that
    run.
    """

    def claim(self, worker: str, backend: str, lease_s: float) -> Job | None:
        """Take the next pending job of a backend and start its next attempt. None when no job waits whose
        owner has not stopped the queue.
        """
        query = (
            f"SELECT id FROM jobs WHERE {LIVE} AND status = 'pending' AND backend = ? "
            "AND owner NOT IN (SELECT owner FROM stopped_queues) "
            f"ORDER BY {TURN}, id LIMIT 1"
        )
        if self._one(query, (backend,)) is None:  # an idle dispatcher takes no write lock
            return None
        now = self._clock()
        with self._write() as db:
            next_up = db.execute(query, (backend,)).fetchone()
            if next_up is None:
                return None
            return self._transition(
                db,
                next_up["id"],
                Status.PROCESSING,
                f"claimed by {worker}",
                "attempt = attempt + 1, started_at = coalesce(started_at, :now), worker = :worker, "
                "lease_until = :lease, sent_by = NULL, progress = 0, eta_s = NULL, stage = :stage, "
                "frames_done = NULL, frames_per_s = NULL",
                {"now": now, "worker": worker, "lease": now + lease_s, "stage": Stage.PROCESSING.value},
            )

    def keep_leases(self, worker: str, lease_s: float, runs: Sequence[RunKey]) -> None:
        """Renew the leases of the runs that a worker still drives. Its other leases expire."""
        self._change(
            "UPDATE jobs SET lease_until = ? WHERE status = 'processing' AND worker = ? "
            "AND EXISTS (SELECT 1 FROM json_each(?) AS run WHERE json_extract(run.value, '$[0]') = jobs.id "
            "AND json_extract(run.value, '$[1]') = jobs.attempt) RETURNING id",
            (self._clock() + lease_s, worker, json.dumps([[run.job_id, run.attempt] for run in runs])),
        )

    def report(
        self,
        job: Job,
        *,
        progress: float,
        stage: Stage,
        eta_s: float | None,
        frames: tuple[int | None, float | None] = (None, None),
    ) -> Job | None:
        """Write the progress of the caller's run. `frames` are the finished ones, and how many a second.

        Returns None when the run does not belong to the caller any more: the job was cancelled or finished,
        or another dispatcher took the run over after its lease expired.
        """
        rows = self._change(
            "UPDATE jobs SET progress = ?, stage = ?, eta_s = ?, frames_done = ?, frames_per_s = ?, "
            "updated_at = ? "
            "WHERE id = ? AND status = 'processing' AND worker = ? AND attempt = ? RETURNING *",
            (
                rising(job.progress, progress),
                stage,
                eta_s,
                *frames,
                self._clock(),
                *(job.id, job.worker, job.attempt),
            ),
        )
        return job_of(rows[0]) if rows else None

    def submitting(self, job: Job) -> Job | None:
        """Record that the caller is about to send its run to the remote backend.

        Returns None when the run does not belong to the caller any more.
        """
        now = self._clock()
        with self._write() as db:
            rows = db.execute(
                "UPDATE jobs SET submitted_at = ?, sent_by = worker, updated_at = ? "
                "WHERE id = ? AND status = 'processing' AND worker = ? AND attempt = ? RETURNING *",
                (now, now, job.id, job.worker, job.attempt),
            ).fetchall()
            if rows:
                self._record(db, job.id, Status.PROCESSING, "submitting to the remote backend")
        return job_of(rows[0]) if rows else None

    @urgent
    def submitted(self, run: RunKey, runpod_id: str) -> Job:
        """Store the remote id of a run. This works for a cancelled job, too, because its stop needs the id.

        Raises: JobNotFound: the job was deleted, or its last remote run is another one.
        """
        rows = self._change(
            "UPDATE jobs SET runpod_id = ?, updated_at = ? WHERE id = ? AND attempt = ? AND sent_by = ? "
            "RETURNING *",
            (runpod_id, self._clock(), run.job_id, run.attempt, run.worker),
        )
        if not rows:
            raise JobNotFound()
        return job_of(rows[0])

    @urgent
    def complete(
        self,
        job: Job,
        notes: Sequence[str] = (),
        result: Result | None = None,
        *,
        engine: str | None = None,
        weights: Sequence[Mapping[str, Any]] = (),
        marks: Mapping[str, Any] | None = None,
        result_file: str | None = None,
    ) -> Job | None:
        """Complete the job of the caller's run. `result_file` is the name of the result in the job's folder.

        Returns None when the run does not belong to the caller any more. Then the caller must delete its
        result.
        """
        now = self._clock()
        with self._write() as db:
            return self._transition(
                db,
                job.id,
                Status.COMPLETED,
                "completed",
                "completed_at = :now, progress = 100, eta_s = NULL, lease_until = NULL, notes = :notes, "
                "result = :result, engine = :engine, weights = :weights, marks = :marks, result_file = :file",
                {
                    "now": now,
                    "notes": json.dumps([*job.notes, *(n for n in notes if n not in job.notes)]),
                    "result": json_of(result),
                    "file": result_file,
                    "engine": engine,
                    "weights": json.dumps([dict(file) for file in weights]),
                    "marks": None if marks is None else json.dumps(dict(marks)),
                },
                run_of=job,
            )

    @urgent
    def fail(
        self,
        job: Job,
        code: str,
        message: str,
        details: Mapping[str, object] | None = None,
        *,
        stop_remote: bool = False,
    ) -> Job | None:
        """End the caller's run with an error. None when the run does not belong to the caller any more."""
        now = self._clock()
        with self._write() as db:
            return self._transition(
                db,
                job.id,
                Status.FAILED,
                code,
                "completed_at = :now, eta_s = NULL, lease_until = NULL, error_code = :code, "
                "error_message = :message, error_details = :details, "
                "remote_stop = CASE WHEN :stop THEN 'pending' ELSE remote_stop END",
                {
                    "now": now,
                    "code": code,
                    "message": message,
                    "details": json_of_details(details or {}),
                    "stop": int(stop_remote),
                },
                run_of=job,
            )

    @urgent
    def release(self, job: Job, reason: str, *, spent: bool) -> Job | None:
        """Give the caller's run back to the queue. `spent` says whether the attempt counts.

        Returns None when the run does not belong to the caller any more. Also returns None when the run was
        submitted to a remote backend, because it must never be submitted a second time.
        """
        with self._write() as db:
            return self._transition(
                db,
                job.id,
                Status.PENDING,
                reason,
                "worker = NULL, lease_until = NULL, progress = 0, eta_s = NULL, stage = :stage, "
                "attempt = attempt - :unspent",
                {"stage": Stage.QUEUED.value, "unspent": 0 if spent else 1},
                run_of=job,
                condition="submitted_at IS NULL",
            )

    @urgent
    def end_lease(self, job: Job) -> None:
        """Let another dispatcher take over the caller's run at once."""
        self._change(
            "UPDATE jobs SET lease_until = 0 WHERE id = ? AND status = 'processing' AND worker = ? "
            "AND attempt = ? RETURNING id",
            (job.id, job.worker, job.attempt),
        )

    def with_lapsed_lease(self) -> list[Job]:
        """Return the processing jobs whose lease has expired.

        A lease that ends later than any lease can end counts as expired, too. The clock was set back.
        """
        now = self._clock()
        return self._jobs(
            f"SELECT * FROM jobs WHERE {LIVE} AND status = 'processing' AND {_LAPSED}",
            (now, now + LONGEST_LEASE_S),
        )

    def adopt(self, job: Job, worker: str, lease_s: float) -> Job | None:
        """Take over a run whose lease has expired, see `with_lapsed_lease`.

        Returns None when another worker took it over first, or its own worker renewed the lease.
        """
        now = self._clock()
        with self._write() as db:
            rows = db.execute(
                "UPDATE jobs SET worker = ?, lease_until = ?, updated_at = ? WHERE id = ? "
                f"AND status = 'processing' AND worker IS ? AND attempt = ? AND {_LAPSED} RETURNING *",
                (
                    *(worker, now + lease_s, now, job.id, job.worker, job.attempt),
                    *(now, now + LONGEST_LEASE_S),
                ),
            ).fetchall()
            if rows:
                self._record(db, job.id, Status.PROCESSING, f"adopted by {worker}")
        return job_of(rows[0]) if rows else None

    @urgent
    def cancel(self, job_id: str, owner: str | None = None) -> Job:
        """Mark a live job as failed. Where a remote run or its media may exist, mark its stop as pending.

        Raises:
            JobNotFound: the job is unknown, or another owner's.
            JobAlreadyFinished: the job was completed or failed before.
        """
        now = self._clock()
        with self._write() as db:
            row = db.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
            if row is None or (owner is not None and row["owner"] != owner):
                raise JobNotFound()
            job = self._transition(
                db,
                job_id,
                Status.FAILED,
                "cancelled",
                "completed_at = :now, cancelled_at = :now, eta_s = NULL, lease_until = NULL, "
                "error_code = 'cancelled', error_message = :message, "
                "remote_stop = CASE WHEN submitted_at IS NOT NULL OR (backend = 'runpod' AND attempt > 0) "
                "THEN 'pending' ELSE remote_stop END",
                {"now": now, "message": CANCELLED_MESSAGE},
            )
            if job is None:
                raise JobAlreadyFinished(status=row["status"])
            return job

    @urgent
    def retitle(self, job_id: str, owner: str, title: str) -> Job:
        """Give a job in any state another title. Raises: JobNotFound."""
        rows = self._change(
            "UPDATE jobs SET title = ?, updated_at = ? WHERE id = ? AND owner = ? RETURNING *",
            (title, self._clock(), job_id, owner),
        )
        if not rows:
            raise JobNotFound()
        return job_of(rows[0])

    def to_stop(self) -> list[Job]:
        """Return the jobs whose remote run must still be stopped."""
        return self._jobs("SELECT * FROM jobs WHERE remote_stop = 'pending'")

    @urgent
    def stopped(self, job_id: str, outcome: RemoteStop, run: RunKey | None = None) -> None:
        """Record how a pending remote stop ended. With `run`, only if that is the job's latest run.

        Then remove the row of the job, if the job was deleted and its row was kept for the stop.
        """
        with self._write() as db:
            rows = db.execute(
                "UPDATE jobs SET remote_stop = ?, updated_at = ? WHERE id = ? AND remote_stop = 'pending' "
                "AND (? IS NULL OR (attempt = ? AND worker = ?)) RETURNING *",
                (
                    outcome,
                    self._clock(),
                    job_id,
                    *((run.worker, run.attempt, run.worker) if run else (None, None, None)),
                ),
            ).fetchall()
            if rows:
                self._record(db, job_id, Status(rows[0]["status"]), f"remote stop {outcome.value}")
            db.execute("DELETE FROM jobs WHERE id = ? AND owner = '' AND remote_stop <> 'pending'", (job_id,))
