"""The job store: one SQLite file that app, notebook and command line open at once.

The rules that keep it right:

* A status changes only in `_transition`: one guarded UPDATE … RETURNING together with its event, inside
  BEGIN IMMEDIATE. No row back means somebody else was first, and the caller is told what was found.
* Decisions rest on the row that came back, never on `rowcount`, which CPython reports wrongly for some
  RETURNING statements (cpython#93421).
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from faceswap.consent import Consent
from faceswap.errors import (
    ConsentRequired,
    JobAlreadyFinished,
    JobNotFound,
    QueueFull,
    TooManyJobs,
    UploadNotFound,
)
from faceswap.jobs import (
    CANCELLED_MESSAGE,
    Job,
    RemoteStop,
    Result,
    Stage,
    Status,
    rising,
    sources_of,
)
from faceswap.store.database import Database, is_whole
from faceswap.store.rows import (
    Erasure,
    Event,
    Upload,
    erasure_of,
    event_of,
    job_of,
    json_of,
    json_of_details,
    row_of,
    row_of_upload,
    time_of,
    upload_of,
)

__all__ = ["Erasure", "Event", "JobStore", "Upload", "is_whole"]

_LIVE = "status IN ('pending', 'processing')"
_POSITION = """CASE WHEN status = 'pending' THEN (
    SELECT count(*) FROM jobs AS ahead
    WHERE ahead.status IN ('pending', 'processing') AND ahead.status = 'pending'
    AND ahead.backend = jobs.backend AND (ahead.created_at, ahead.id) <= (jobs.created_at, jobs.id)
) END AS position"""


class JobStore:
    """Every operation on jobs, events, uploads and consents. Safe to use from any thread and process.

    Raises:
        StoreUnavailable: the file cannot be opened, refuses WAL, or was written by a newer version.
        DiskFull: from any write.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._database = Database(path)
        self._write = self._database.write
        self._clock = clock

    # -- jobs: create and read ---------------------------------------------------------------------------

    def add(self, job: Job, consent: Consent | None, *, max_active: int, max_queue: int) -> Job:
        """Insert a pending job with its consent, unless a limit is reached. Only a simulated one has none.

        Raises:
            ConsentRequired: it needs one.
            TooManyJobs: its owner has `max_active` live jobs.
            QueueFull: `max_queue` jobs of all owners wait.
        """
        if consent is None and job.backend != "simulated":
            raise ConsentRequired()
        with self._write() as db:
            counts = db.execute(
                f"SELECT count(*) FILTER (WHERE owner = ?), count(*) FILTER (WHERE status = 'pending') "
                f"FROM jobs WHERE {_LIVE}",
                (job.owner,),
            ).fetchone()
            if counts[0] >= max_active:
                raise TooManyJobs(limit=max_active)
            if counts[1] >= max_queue:
                raise QueueFull(limit=max_queue)
            row = row_of(job)
            names = ", ".join(row)
            marks = ", ".join(f":{name}" for name in row)
            db.execute(f"INSERT INTO jobs ({names}) VALUES ({marks})", row)
            if consent is not None:
                db.execute(
                    "INSERT INTO consents VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        job.id,
                        consent.owner,
                        consent.version,
                        consent.statement_sha256,
                        json.dumps(consent.sources_sha256),
                        consent.target_sha256,
                        consent.stated_at.timestamp(),
                    ),
                )
            label = "" if job.options.visible_label else ", asked for no visible label"
            self._record(db, job.id, Status.PENDING, f"submitted{label}")
        return self.get(job.id)

    def get(self, job_id: str, owner: str | None = None) -> Job:
        """One job; somebody else's is as unknown as none. Raises: JobNotFound."""
        row = self._one(f"SELECT *, {_POSITION} FROM jobs WHERE id = ?", (job_id,))
        if row is None or (owner is not None and row["owner"] != owner):
            raise JobNotFound()
        return job_of(row)

    def active(self, owner: str | None = None) -> list[Job]:
        """Live jobs, oldest first; of everyone when no owner is given."""
        return self._jobs(
            f"SELECT *, {_POSITION} FROM jobs WHERE {_LIVE} AND (?1 IS NULL OR owner = ?1) "
            "ORDER BY created_at, id",
            (owner,),
        )

    def history(
        self,
        owner: str,
        *,
        limit: int = 50,
        offset: int = 0,
        statuses: Sequence[Status] = tuple(Status),
        search: str = "",
    ) -> list[Job]:
        """Jobs of one owner, newest first; `search` is part of a title."""
        marks = ", ".join("?" * len(statuses))
        return self._jobs(
            f"SELECT *, {_POSITION} FROM jobs WHERE owner = ? AND status IN ({marks}) "
            "AND instr(lower(title), lower(?)) > 0 ORDER BY created_at DESC, id DESC LIMIT ? OFFSET ?",
            (owner, *statuses, search, limit, offset),
        )

    def events(self, job_id: str) -> list[Event]:
        rows = self._all("SELECT * FROM events WHERE job_id = ? ORDER BY at, rowid", (job_id,))
        return [event_of(row) for row in rows]

    def consent(self, job_id: str) -> Consent:
        row = self._one("SELECT * FROM consents WHERE job_id = ?", (job_id,))
        if row is None:
            raise JobNotFound()
        return Consent(
            owner=row["owner"],
            sources_sha256=tuple(json.loads(row["sources_sha256"])),
            target_sha256=row["target_sha256"],
            stated_at=time_of(row["stated_at"]),
            version=row["version"],
            statement_sha256=row["statement_sha256"],
        )

    def finished_before(self, moment: float) -> list[Job]:
        """Jobs of everyone that ended before that time (seconds since 1970) and are not forgotten."""
        return self._jobs(
            f"SELECT * FROM jobs WHERE NOT {_LIVE} AND owner <> '' AND completed_at < ? "
            "ORDER BY completed_at",
            (moment,),
        )

    def sharing(self, job_id: str, uploads: Collection[str]) -> list[str]:
        """Ids of the other jobs that use one of these uploads."""
        rows = self._all(
            "SELECT id FROM jobs WHERE id <> ?2 AND owner <> '' "
            "AND EXISTS (SELECT 1 FROM json_each(?1) AS file WHERE file.value IN (source_file, target_file) "
            "OR file.value IN (SELECT face.value FROM json_each(jobs.face_mappings) AS face)) "
            "ORDER BY created_at, id",
            (json.dumps(list(uploads)), job_id),
        )
        return [row["id"] for row in rows]

    # -- jobs: the end of one ----------------------------------------------------------------------------

    def forget(self, job: Job, receipt: str | None) -> Erasure | None:
        """Leave of a finished job its receipt and the note of what must be erased, and nothing else.

        While its remote run must still be stopped, what is needed for that stays, without owner, title and
        files; `stopped` removes the rest. None: it is live, or somebody else has forgotten it.
        """
        uploads = json.dumps(sorted(job.uploads))
        with self._write() as db:
            rows = db.execute(
                "UPDATE jobs SET owner = '', title = '', source_file = '', target_file = '', "
                f"face_mappings = '{{}}', result = NULL WHERE id = ? AND owner <> '' AND NOT {_LIVE} "
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
                "INSERT INTO erasures VALUES (?, ?, ?, ?, ?)",
                (job.id, row["backend"], row["runpod_id"], row["submitted_at"], uploads),
            )
            db.execute("DELETE FROM consents WHERE job_id = ?", (job.id,))
            db.execute("DELETE FROM jobs WHERE id = ? AND remote_stop <> 'pending'", (job.id,))
            return erasure_of(db.execute("SELECT * FROM erasures WHERE job_id = ?", (job.id,)).fetchone())

    def receipt(self, job_id: str, owner: str | None = None) -> str:
        """What `forget` was given; somebody else's is as unknown as none. Raises: JobNotFound."""
        row = self._one("SELECT * FROM receipts WHERE job_id = ?", (job_id,))
        if row is None or (owner is not None and row["owner"] != owner):
            raise JobNotFound()
        return row["body"]

    def receipts(self, owner: str, *, limit: int, offset: int = 0) -> list[str]:
        """Of one owner's forgotten jobs, those forgotten last first."""
        rows = self._all(
            "SELECT body FROM receipts WHERE owner = ? ORDER BY forgotten_at DESC, job_id LIMIT ? OFFSET ?",
            (owner, limit, offset),
        )
        return [row["body"] for row in rows]

    def erasures(self) -> list[Erasure]:
        """What is still to be erased, of everyone."""
        return [erasure_of(row) for row in self._all("SELECT * FROM erasures")]

    def erased(self, job_id: str) -> None:
        """Nothing is left of a forgotten job, here or elsewhere."""
        self._change("DELETE FROM erasures WHERE job_id = ?", (job_id,))

    def has_job(self, job_id: str) -> bool:
        """Whether there is such a job that is not forgotten."""
        return self._one("SELECT 1 FROM jobs WHERE id = ? AND owner <> ''", (job_id,)) is not None

    # -- jobs: the life of one ---------------------------------------------------------------------------

    def claim(self, worker: str, backend: str, lease_s: float) -> Job | None:
        """Take the oldest pending job of a backend and start its next attempt; None when none waits."""
        query = (
            f"SELECT id FROM jobs WHERE {_LIVE} AND status = 'pending' AND backend = ? "
            "ORDER BY created_at, id LIMIT 1"
        )
        if self._one(query, (backend,)) is None:  # spares an idle dispatcher the write lock
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
                "lease_until = :lease, progress = 0, eta_s = NULL, stage = :stage",
                {"now": now, "worker": worker, "lease": now + lease_s, "stage": Stage.PROCESSING.value},
            )

    def keep(self, worker: str, lease_s: float, job_ids: Sequence[str]) -> None:
        """Prolong the leases of those runs of a worker that it still drives; the others run out."""
        self._change(
            "UPDATE jobs SET lease_until = ? WHERE status = 'processing' AND worker = ? "
            "AND id IN (SELECT value FROM json_each(?)) RETURNING id",
            (self._clock() + lease_s, worker, json.dumps(job_ids)),
        )

    def report(self, job: Job, *, progress: float, stage: Stage, eta_s: float | None) -> Job | None:
        """Write the progress of a run of ours; None when the run is not ours any more (cancelled, finished,
        or taken over after its lease ran out)."""
        rows = self._change(
            "UPDATE jobs SET progress = ?, stage = ?, eta_s = ?, updated_at = ? "
            "WHERE id = ? AND status = 'processing' AND worker = ? AND attempt = ? RETURNING *",
            (rising(job.progress, progress), stage, eta_s, self._clock(), job.id, job.worker, job.attempt),
        )
        return job_of(rows[0]) if rows else None

    def submitting(self, job: Job) -> Job | None:
        """Write down that a remote submission is about to be made; None when the job is not ours any more."""
        now = self._clock()
        with self._write() as db:
            rows = db.execute(
                "UPDATE jobs SET submitted_at = ?, updated_at = ? "
                "WHERE id = ? AND status = 'processing' AND worker = ? AND attempt = ? RETURNING *",
                (now, now, job.id, job.worker, job.attempt),
            ).fetchall()
            if rows:
                self._record(db, job.id, Status.PROCESSING, "submitting to the remote backend")
        return job_of(rows[0]) if rows else None

    def submitted(self, job_id: str, runpod_id: str) -> Job:
        """Keep the remote id, whatever became of the job meanwhile: a cancelled one is stopped by it."""
        rows = self._change(
            "UPDATE jobs SET runpod_id = ?, updated_at = ? WHERE id = ? RETURNING *",
            (runpod_id, self._clock(), job_id),
        )
        if not rows:
            raise JobNotFound()
        return job_of(rows[0])

    def complete(
        self,
        job: Job,
        notes: Sequence[str] = (),
        result: Result | None = None,
        *,
        engine: str | None = None,
        weights: Sequence[Mapping[str, Any]] = (),
        marks: Mapping[str, Any] | None = None,
    ) -> Job | None:
        """Finish a run of ours; None when it is not ours any more and its result must go."""
        now = self._clock()
        with self._write() as db:
            return self._transition(
                db,
                job.id,
                Status.COMPLETED,
                "completed",
                "completed_at = :now, progress = 100, eta_s = NULL, lease_until = NULL, notes = :notes, "
                "result = :result, engine = :engine, weights = :weights, marks = :marks",
                {
                    "now": now,
                    "notes": json.dumps([*job.notes, *(n for n in notes if n not in job.notes)]),
                    "result": json_of(result),
                    "engine": engine,
                    "weights": json.dumps([dict(file) for file in weights]),
                    "marks": None if marks is None else json.dumps(dict(marks)),
                },
                run_of=job,
            )

    def fail(
        self,
        job: Job,
        code: str,
        message: str,
        details: Mapping[str, object] | None = None,
        *,
        stop_remote: bool = False,
    ) -> Job | None:
        """End a run of ours with an error; None when it is not ours any more."""
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

    def release(self, job: Job, reason: str, *, spent: bool) -> Job | None:
        """Give a run of ours back to the queue; `spent` says whether the attempt counts."""
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
            )

    def expire(self, job: Job) -> None:
        """Let another dispatcher take over a run of ours at once."""
        self._change(
            "UPDATE jobs SET lease_until = 0 WHERE id = ? AND status = 'processing' AND worker = ? "
            "AND attempt = ? RETURNING id",
            (job.id, job.worker, job.attempt),
        )

    def expired(self) -> list[Job]:
        """Processing jobs whose worker let the lease run out."""
        return self._jobs(
            f"SELECT * FROM jobs WHERE {_LIVE} AND status = 'processing' AND lease_until < ?",
            (self._clock(),),
        )

    def adopt(self, job: Job, worker: str, lease_s: float) -> Job | None:
        """Take over an expired run where it stands; None when somebody else did."""
        now = self._clock()
        with self._write() as db:
            rows = db.execute(
                "UPDATE jobs SET worker = ?, lease_until = ?, updated_at = ? WHERE id = ? "
                "AND status = 'processing' AND worker IS ? AND attempt = ? AND lease_until < ? RETURNING *",
                (worker, now + lease_s, now, job.id, job.worker, job.attempt, now),
            ).fetchall()
            if rows:
                self._record(db, job.id, Status.PROCESSING, f"adopted by {worker}")
        return job_of(rows[0]) if rows else None

    def cancel(self, job_id: str, owner: str | None = None) -> Job:
        """Mark a live job failed and, where a remote run or media for one may exist, its stop as pending.

        Raises:
            JobNotFound: unknown, or somebody else's.
            JobAlreadyFinished: it was completed or failed before.
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

    def to_stop(self) -> list[Job]:
        """Jobs whose remote run must still be stopped."""
        return self._jobs("SELECT * FROM jobs WHERE remote_stop = 'pending'")

    def stopped(self, job_id: str, outcome: RemoteStop) -> None:
        """Record how a pending remote stop ended."""
        with self._write() as db:
            rows = db.execute(
                "UPDATE jobs SET remote_stop = ?, updated_at = ? "
                "WHERE id = ? AND remote_stop = 'pending' RETURNING *",
                (outcome, self._clock(), job_id),
            ).fetchall()
            if rows:
                self._record(db, job_id, Status(rows[0]["status"]), f"remote stop {outcome.value}")
            db.execute("DELETE FROM jobs WHERE id = ? AND owner = '' AND remote_stop <> 'pending'", (job_id,))

    # -- uploads -----------------------------------------------------------------------------------------

    def add_upload(self, upload: Upload) -> None:
        row = row_of_upload(upload)
        names = ", ".join(row)
        marks = ", ".join(f":{name}" for name in row)
        self._change(f"INSERT INTO uploads ({names}) VALUES ({marks})", row)

    def upload(self, upload_id: str, owner: str | None = None) -> Upload:
        """One upload; somebody else's is as unknown as none. Raises: UploadNotFound."""
        row = self._one("SELECT * FROM uploads WHERE id = ?", (upload_id,))
        if row is None or (owner is not None and row["owner"] != owner):
            raise UploadNotFound()
        return upload_of(row)

    def note_faces(self, upload_id: str, faces: int) -> None:
        """So many people were found in a video. Without effect when it was deleted meanwhile."""
        self._change("UPDATE uploads SET faces = ? WHERE id = ?", (faces, upload_id))

    def has_upload(self, upload_id: str) -> bool:
        return self._one("SELECT 1 FROM uploads WHERE id = ?", (upload_id,)) is not None

    def unused_uploads(self, older_than_s: float) -> list[Upload]:
        """Uploads of that age which no job refers to."""
        rows = self._all(
            "SELECT * FROM uploads WHERE created_at < ? "
            "AND NOT EXISTS (SELECT 1 FROM jobs WHERE source_file = uploads.id) "
            "AND NOT EXISTS (SELECT 1 FROM jobs WHERE target_file = uploads.id) "
            "AND NOT EXISTS (SELECT 1 FROM jobs, json_each(jobs.face_mappings) AS face "
            "WHERE face.value = uploads.id)",
            (self._clock() - older_than_s,),
        )
        return [upload_of(row) for row in rows]

    def delete_upload(self, upload_id: str) -> None:
        self._change("DELETE FROM uploads WHERE id = ?", (upload_id,))

    def version(self) -> object:
        """Equal to what it was in this thread as long as nothing in the store has changed; costs no query.

        Source: sqlite.org, PRAGMA data_version: it changes with the commits of other connections only.
        """
        db = self._database.connection()
        return db.execute("PRAGMA data_version").fetchone()[0], db.total_changes

    # -- the file ----------------------------------------------------------------------------------------

    def compact(self) -> bool:
        """See that what was deleted is in no file any more; False: not now, try again."""
        return self._database.compact()

    def backup(self, path: Path) -> None:
        """Copy the whole store, consistently, to a new local file."""
        self._database.backup(path)

    def close(self) -> None:
        """Close this thread's connection; those of other threads close with their threads."""
        self._database.close()

    def _transition(
        self,
        db: sqlite3.Connection,
        job_id: str,
        destination: Status,
        reason: str,
        assignments: str,
        values: dict[str, Any],
        run_of: Job | None = None,
    ) -> Job | None:
        guards = ", ".join(f"'{state}'" for state in sources_of(destination))
        mine = "AND worker IS :run_worker AND attempt = :run_attempt" if run_of else ""
        run = {"run_worker": run_of.worker, "run_attempt": run_of.attempt} if run_of else {}
        rows = db.execute(
            f"UPDATE jobs SET status = :status, updated_at = :at, {assignments} "
            f"WHERE id = :id AND status IN ({guards}) {mine} RETURNING *",
            {"status": destination, "at": self._clock(), "id": job_id, **values, **run},
        ).fetchall()
        if not rows:
            return None
        self._record(db, job_id, destination, reason)
        return job_of(rows[0])

    def _record(self, db: sqlite3.Connection, job_id: str, status: Status, reason: str) -> None:
        db.execute("INSERT INTO events VALUES (?, ?, ?, ?)", (job_id, self._clock(), status, reason))

    def _change(self, statement: str, values: Sequence[Any] | Mapping[str, Any]) -> list[sqlite3.Row]:
        with self._write() as db:
            return db.execute(statement, values).fetchall()

    def _all(self, query: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        return self._database.connection().execute(query, values).fetchall()

    def _one(self, query: str, values: Sequence[Any]) -> sqlite3.Row | None:
        rows = self._all(query, values)
        return rows[0] if rows else None

    def _jobs(self, query: str, values: Sequence[Any] = ()) -> list[Job]:
        return [job_of(row) for row in self._all(query, values)]
