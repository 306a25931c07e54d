"""Reads jobs, their events and their consents."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Sequence

from faceswap.consent import Consent
from faceswap.errors import (
    JobNotFound,
)
from faceswap.jobs import (
    Job,
    Status,
)
from faceswap.store.access import LIVE, POSITION, StoreAccess
from faceswap.store.rows import (
    Event,
    event_of,
    job_of,
    time_of,
)


class JobReads(StoreAccess):
    """No method here writes."""

    def get(self, job_id: str, owner: str | None = None) -> Job:
        """Return one job. Raises: JobNotFound: it is unknown, or another owner's."""
        row = self._one(f"SELECT *, {POSITION} FROM jobs WHERE id = ?", (job_id,))
        if row is None or (owner is not None and row["owner"] != owner):
            raise JobNotFound()
        return job_of(row)

    def active(self, owner: str | None = None) -> list[Job]:
        """Return the live jobs, oldest first; without `owner`, those of all owners."""
        return self._jobs(
            f"SELECT *, {POSITION} FROM jobs WHERE {LIVE} AND (?1 IS NULL OR owner = ?1) "
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
        """Return the jobs of one owner, newest first. `search` keeps those whose title contains it."""
        marks = ", ".join("?" * len(statuses))
        return self._jobs(
            f"SELECT *, {POSITION} FROM jobs WHERE owner = ? AND status IN ({marks}) "
            "AND instr(lower(title), lower(?)) > 0 ORDER BY created_at DESC, id DESC LIMIT ? OFFSET ?",
            (owner, *statuses, search, limit, offset),
        )

    def events(self, job_id: str) -> list[Event]:
        """Return the events in the order in which they happened, even if the clock was set back meanwhile."""
        rows = self._all("SELECT * FROM events WHERE job_id = ? ORDER BY rowid", (job_id,))
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

    def finished_before(self, moment: float, share: float = 1.0) -> list[Job]:
        """Return the jobs of all owners that ended before `moment` (seconds since 1970), oldest end first.

        `share` limits them to this fraction of all finished jobs, rounded up. Deleted jobs are left out.
        """
        finished = f"FROM jobs WHERE NOT {LIVE} AND owner <> ''"
        counted = self._one(f"SELECT count(*) {finished}", ())
        most = math.ceil(share * (counted[0] if counted else 0))
        return self._jobs(
            f"SELECT * {finished} AND completed_at < ? ORDER BY completed_at LIMIT ?", (moment, most)
        )

    def sharing(self, job_id: str, uploads: Collection[str]) -> list[str]:
        """Return the ids of the other jobs that use one of these uploads."""
        rows = self._all(
            "SELECT id FROM jobs WHERE id <> ?2 AND owner <> '' "
            "AND EXISTS (SELECT 1 FROM json_each(?1) AS file WHERE file.value IN (source_file, target_file) "
            "OR file.value IN (SELECT face.value FROM json_each(jobs.face_mappings) AS face)) "
            "ORDER BY created_at, id",
            (json.dumps(list(uploads)), job_id),
        )
        return [row["id"] for row in rows]

    def has_job(self, job_id: str) -> bool:
        """Whether the job exists and is not deleted."""
        return self._one("SELECT 1 FROM jobs WHERE id = ? AND owner <> ''", (job_id,)) is not None
