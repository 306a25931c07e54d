"""Changes the order in which one owner's waiting jobs are run, and stops and resumes their queue."""

from __future__ import annotations

import math

from faceswap.errors import InvalidRequest, JobNotFound
from faceswap.jobs import Status
from faceswap.store.access import LIVE, TURN, StoreAccess


class JobOrder(StoreAccess):
    """A waiting job runs by its turn: its creation in seconds since 1970, unless it was moved."""

    def move(self, job_id: str, owner: str, place: int, before: str | None = None) -> None:
        """Put a waiting job in the given place, 1 = first, among its owner's waiting jobs of its backend, or
        before another one of them.

        These jobs exchange their turns, so every other owner's job keeps its place in the queue. A place
        after the last one is the last one.

        Raises: JobNotFound; InvalidRequest: one of the jobs does not wait.
        """
        with self._write() as db:
            row = db.execute(
                "SELECT status, backend FROM jobs WHERE id = ? AND owner = ?", (job_id, owner)
            ).fetchone()
            if row is None:
                raise JobNotFound()
            if row["status"] != Status.PENDING:
                raise InvalidRequest(reason="only a waiting task can be moved")
            waiting = db.execute(
                f"SELECT id, {TURN} AS turn FROM jobs WHERE {LIVE} AND status = 'pending' "
                "AND owner = ? AND backend = ? ORDER BY turn, id",
                (owner, row["backend"]),
            ).fetchall()
            order = [each["id"] for each in waiting if each["id"] != job_id]
            if before is not None and before not in order:
                raise InvalidRequest(reason="a task can be moved only before one of your waiting tasks")
            order.insert(order.index(before) if before is not None else max(place, 1) - 1, job_id)
            turn = -math.inf
            for each, moved in zip(waiting, order, strict=True):
                turn = max(each["turn"], math.nextafter(turn, math.inf))  # two may have been made at once
                db.execute("UPDATE jobs SET turn = ? WHERE id = ? AND status = 'pending'", (turn, moved))

    def stop_queue(self, owner: str) -> None:
        """Let no waiting job of this owner be claimed until `resume_queue`."""
        self._change("INSERT INTO stopped_queues VALUES (?) ON CONFLICT DO NOTHING RETURNING owner", (owner,))

    def resume_queue(self, owner: str) -> None:
        self._change("DELETE FROM stopped_queues WHERE owner = ? RETURNING owner", (owner,))

    def is_stopped(self, owner: str) -> bool:
        return self._one("SELECT 1 FROM stopped_queues WHERE owner = ?", (owner,)) is not None
