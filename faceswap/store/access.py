"""Reads and writes the store for its parts, and changes the status of jobs.

* A status changes only in `_transition`: one guarded UPDATE ... RETURNING together with its event, inside
  BEGIN IMMEDIATE. If no row comes back, another caller changed the job first.
* The code decides by the row that came back, never by `rowcount`. CPython reports `rowcount` wrongly for some
  RETURNING statements (cpython#93421).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from faceswap.errors import DiskFull
from faceswap.jobs import (
    Job,
    Status,
    sources_of,
)
from faceswap.store.database import Database
from faceswap.store.rows import (
    job_of,
)

P = ParamSpec("P")
R = TypeVar("R")
Access = TypeVar("Access", bound="StoreAccess")

LIVE = "status IN ('pending', 'processing')"
TURN = "coalesce(jobs.turn, jobs.created_at)"
POSITION = f"""CASE WHEN status = 'pending' THEN (
    SELECT count(*) FROM jobs AS ahead
    WHERE ahead.status IN ('pending', 'processing') AND ahead.status = 'pending'
    AND ahead.backend = jobs.backend
    AND (coalesce(ahead.turn, ahead.created_at), ahead.id) <= ({TURN}, jobs.id)
) END AS position"""


def urgent(method: Callable[Concatenate[Access, P], R]) -> Callable[Concatenate[Access, P], R]:
    """Make a method work on a full disk. It is for methods of one transaction, such as a cancel.

    When there is no room for the transaction, the store's reserve file is deleted, and the method is called
    again.
    """

    @wraps(method)
    def with_reserve(self: Access, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(self, *args, **kwargs)
        except DiskFull:
            if not self.release_reserve():
                raise
        return method(self, *args, **kwargs)

    return with_reserve


class StoreAccess:
    """Reads and writes one store file. Only the parts of `JobStore` use it."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._write = database.write
        self._clock = clock

    def release_reserve(self) -> bool:
        """Delete the reserve file, to give its room back to the disk. Returns whether there was one."""
        return self._database.release_reserve()

    def keep_reserve(self) -> None:
        """Write the reserve file again, if it was deleted and there is enough room."""
        self._database.keep_reserve()

    def _transition(
        self,
        db: sqlite3.Connection,
        job_id: str,
        destination: Status,
        reason: str,
        assignments: str,
        values: dict[str, Any],
        run_of: Job | None = None,
        condition: str = "TRUE",
    ) -> Job | None:
        guards = ", ".join(f"'{state}'" for state in sources_of(destination))
        mine = "AND worker IS :run_worker AND attempt = :run_attempt" if run_of else ""
        run = {"run_worker": run_of.worker, "run_attempt": run_of.attempt} if run_of else {}
        rows = db.execute(
            f"UPDATE jobs SET status = :status, updated_at = :at, {assignments} "
            f"WHERE id = :id AND status IN ({guards}) AND {condition} {mine} RETURNING *",
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
        with self._database.reading() as db:
            return db.execute(query, values).fetchall()

    def _one(self, query: str, values: Sequence[Any]) -> sqlite3.Row | None:
        rows = self._all(query, values)
        return rows[0] if rows else None

    def _jobs(self, query: str, values: Sequence[Any] = ()) -> list[Job]:
        return [job_of(row) for row in self._all(query, values)]
