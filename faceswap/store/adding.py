"""Adds jobs: one, or those of a batch. Each is added with its consent, or not at all."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence

from faceswap.consent import Consent
from faceswap.errors import (
    BatchFull,
    ConsentRequired,
    InvalidRequest,
    QueueFull,
    TooManyFromAddress,
    TooManyJobs,
    UploadNotFound,
)
from faceswap.jobs import Job, Status
from faceswap.settings import ADDRESS_SHARE
from faceswap.store.access import LIVE, POSITION, StoreAccess
from faceswap.store.rows import job_of, row_of

BATCHES_OF_ALL = 10
"""So many times as many tasks of batches as one owner may have may all owners together have."""


class JobAdding(StoreAccess):
    """A job of a batch has the batch's id. Batches have limits of their own."""

    def require_room(self, owner: str, sender: str = "", *, max_active: int, max_queue: int) -> None:
        """Check that `add` would accept a job of this owner now. Raises: TooManyJobs, QueueFull."""
        with self._database.reading() as db:
            _require_room(db, owner, sender, max_active, max_queue)

    def add(
        self,
        job: Job,
        consent: Consent | None,
        *,
        max_active: int,
        max_queue: int,
        needs: Collection[str] = (),
        sender: str = "",
    ) -> Job:
        """Insert a pending job with its consent, unless a limit is reached. A simulated job needs no consent.

        `needs` are ids of uploads that must still exist. `sender` stands for the network address that the
        job came from, see `Owners.sender`. It is kept until the job has ended and another one is added.

        Raises:
            ConsentRequired: there is no consent, and the job is not simulated.
            TooManyJobs: the owner already has `max_active` live jobs.
            TooManyFromAddress: the sender already has `ADDRESS_SHARE` times as many.
            QueueFull: `max_queue` jobs of all owners are waiting. A sender with live jobs may not use the
                last quarter of these places.
            UploadNotFound: one of `needs` was deleted meanwhile.
        """
        if consent is None and job.backend != "simulated":
            raise ConsentRequired()
        with self._write() as db:
            _require_room(db, job.owner, sender, max_active, max_queue)
            return self._insert(db, job, consent, needs, sender)

    def require_batch_room(self, owner: str, sender: str, count: int, *, max_batch: int) -> None:
        """Check that `add_batch` would accept `count` jobs of this owner now.

        Raises: BatchFull, TooManyFromAddress, QueueFull.
        """
        with self._database.reading() as db:
            _require_batch_room(db, owner, sender, count, max_batch)

    def add_batch(
        self,
        jobs: Sequence[tuple[Job, Consent]],
        *,
        max_batch: int,
        sender: str = "",
        instead_of: Collection[str] = (),
    ) -> list[Job]:
        """Insert all jobs of a batch, or none. They have one owner.

        `instead_of` are ids of jobs of the same batch that ended. They leave it.

        Raises:
            BatchFull: the owner would have more than `max_batch` live jobs of batches.
            TooManyFromAddress: the sender would have `ADDRESS_SHARE` times as many.
            QueueFull: there are too many jobs of batches of all owners.
            UploadNotFound: a file of a job was deleted meanwhile.
            InvalidRequest: a job of `instead_of` has left the batch meanwhile.
        """
        with self._write() as db:
            _require_batch_room(db, jobs[0][0].owner, sender, len(jobs), max_batch)
            for job_id in instead_of:
                left = "UPDATE jobs SET batch = NULL WHERE id = ? AND batch = ? RETURNING id"
                if not db.execute(left, (job_id, jobs[0][0].batch)).fetchall():
                    raise InvalidRequest(reason="this batch was queued again meanwhile")
            return [self._insert(db, job, consent, job.uploads, sender) for job, consent in jobs]

    def _insert(
        self, db: sqlite3.Connection, job: Job, consent: Consent | None, needs: Collection[str], sender: str
    ) -> Job:
        for upload_id in needs:
            if not db.execute("SELECT 1 FROM uploads WHERE id = ?", (upload_id,)).fetchall():
                raise UploadNotFound()
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
        db.execute(f"DELETE FROM senders WHERE job_id NOT IN (SELECT id FROM jobs WHERE {LIVE})")
        if sender:
            db.execute("INSERT INTO senders VALUES (?, ?)", (job.id, sender))
            for upload_id in needs:
                db.execute("UPDATE uploads SET sender = '' WHERE id = ?", (upload_id,))
        label = "" if job.options.visible_label else ", asked for no visible label"
        self._record(db, job.id, Status.PENDING, f"submitted{label}")
        # Read here: an error after the commit would tell the caller that the job was not queued.
        return job_of(db.execute(f"SELECT *, {POSITION} FROM jobs WHERE id = ?", (job.id,)).fetchone())


def _require_room(db: sqlite3.Connection, owner: str, sender: str, max_active: int, max_queue: int) -> None:
    counts = db.execute(
        "SELECT count(*) FILTER (WHERE owner = ?), count(*) FILTER (WHERE status = 'pending') "
        f"FROM jobs WHERE {LIVE} AND batch IS NULL",
        (owner,),
    ).fetchone()
    if counts[0] >= max_active:
        raise TooManyJobs(limit=max_active)
    places = max_queue
    if sender:
        live = db.execute(
            f"SELECT count(*) FROM senders JOIN jobs ON id = job_id WHERE sender = ? AND {LIVE} "
            "AND batch IS NULL",
            (sender,),
        ).fetchone()[0]
        if live >= ADDRESS_SHARE * max_active:
            raise TooManyFromAddress(limit=ADDRESS_SHARE * max_active)
        if live:  # the rest is for those who have none
            places -= max_queue // 4
    if counts[1] >= places:
        raise QueueFull(limit=places)


def _require_batch_room(db: sqlite3.Connection, owner: str, sender: str, count: int, max_batch: int) -> None:
    own, every = db.execute(
        f"SELECT count(*) FILTER (WHERE owner = ?), count(*) FROM jobs WHERE {LIVE} AND batch IS NOT NULL",
        (owner,),
    ).fetchone()
    if own + count > max_batch:
        raise BatchFull(limit=max_batch)
    if sender:
        live = db.execute(
            f"SELECT count(*) FROM senders JOIN jobs ON id = job_id WHERE sender = ? AND {LIVE} "
            "AND batch IS NOT NULL",
            (sender,),
        ).fetchone()[0]
        if live + count > ADDRESS_SHARE * max_batch:
            raise TooManyFromAddress(limit=ADDRESS_SHARE * max_batch)
    if every + count > BATCHES_OF_ALL * max_batch:
        raise QueueFull(limit=BATCHES_OF_ALL * max_batch)
