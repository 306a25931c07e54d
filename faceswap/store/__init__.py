"""The job store: one SQLite file that app, notebook and command line open at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from faceswap.store.database import Database, is_whole
from faceswap.store.deletion import JobDeletion
from faceswap.store.lives import JobLives
from faceswap.store.rows import Erasure, Event, Upload
from faceswap.store.uploads import UploadRows

__all__ = ["Erasure", "Event", "JobStore", "Upload", "is_whole"]


class JobStore(JobLives, JobDeletion, UploadRows):
    """Every operation on jobs, events, uploads and consents. Safe to use from any thread and process.

    Raises:
        StoreUnavailable: the file cannot be opened, refuses WAL, or was written by a newer version.
        DiskFull: from any write.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        super().__init__(Database(path), clock)

    def version(self) -> object:
        """Equal to what it was in this thread as long as nothing in the store has changed; costs no query.

        Source: sqlite.org, PRAGMA data_version: it changes with the commits of other connections only.
        """
        db = self._database.connection()
        return db.execute("PRAGMA data_version").fetchone()[0], db.total_changes

    def compact(self) -> bool:
        """See that what was deleted is in no file any more; False: not now, try again."""
        return self._database.compact()

    def backup(self, path: Path) -> None:
        """Copy the whole store, consistently, to a new local file."""
        self._database.backup(path)

    def close(self) -> None:
        """Close this thread's connection; those of other threads close with their threads."""
        self._database.close()
