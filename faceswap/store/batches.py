"""Reads batches. A batch is the jobs that have its id; it is gone when the last of them is deleted."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from faceswap.jobs import Job
from faceswap.store.access import LIVE, POSITION, StoreAccess
from faceswap.store.rows import BatchState, time_of

_STATES = f"""
SELECT batch AS id, count(*) AS tasks, min(created_at) AS created_at,
    count(*) FILTER (WHERE status = 'completed') AS completed,
    count(*) FILTER (WHERE status = 'failed') AS failed,
    count(*) FILTER (WHERE status = 'processing') AS running,
    sum(CASE WHEN {LIVE} THEN progress ELSE 100 END) AS done,
    avg(CASE WHEN status = 'completed' THEN completed_at - started_at
        WHEN status = 'processing' AND progress >= 5 THEN (:now - started_at) * 100 / progress END) AS each_s
FROM jobs WHERE batch IS NOT NULL
"""


class JobBatches(StoreAccess):
    """No method here writes."""

    def batches(self, owner: str, *, limit: int = 50) -> list[BatchState]:
        """Return the batches of one owner, newest first."""
        return self._states("AND owner = :owner", {"owner": owner}, limit)

    def batch_states(self, batch_ids: Collection[str]) -> dict[str, BatchState]:
        """Return the state of each of these batches that exists."""
        if not batch_ids:
            return {}
        names = {f"id{number}": batch_id for number, batch_id in enumerate(batch_ids)}
        marks = ", ".join(f":{name}" for name in names)
        return {one.id: one for one in self._states(f"AND batch IN ({marks})", names, len(names))}

    def jobs_of_batch(self, batch_id: str, owner: str) -> list[Job]:
        """Return the jobs of a batch in their order; empty when it is unknown, or another owner's."""
        return self._jobs(
            f"SELECT *, {POSITION} FROM jobs WHERE batch = ? AND owner = ? ORDER BY created_at, id",
            (batch_id, owner),
        )

    def _states(self, condition: str, values: dict[str, Any], limit: int) -> list[BatchState]:
        with self._database.reading() as db:
            rows = db.execute(
                f"{_STATES} {condition} GROUP BY batch ORDER BY created_at DESC LIMIT :limit",
                values | {"now": self._clock(), "limit": limit},
            ).fetchall()
        return [
            BatchState(
                row["id"],
                row["tasks"],
                row["completed"],
                row["failed"],
                row["done"] / row["tasks"],
                _left(row),
                time_of(row["created_at"]),
            )
            for row in rows
        ]


def _left(row: Any) -> float | None:
    """Estimate the seconds left, from what the tasks took so far. None while that is not known, and at the
    end."""
    left = row["tasks"] - row["done"] / 100
    if row["each_s"] is None or row["completed"] + row["failed"] == row["tasks"]:
        return None
    return row["each_s"] * left / max(1, row["running"])
