"""The job store: one SQLite file. The app, notebooks and the command line may open it at the same time."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from faceswap.store.adding import JobAdding
from faceswap.store.batches import JobBatches
from faceswap.store.billing import BillingNotes
from faceswap.store.clock import ClockNotes
from faceswap.store.database import Database, is_whole
from faceswap.store.deletion import JobDeletion
from faceswap.store.lives import JobLives
from faceswap.store.order import JobOrder
from faceswap.store.parts import PartRunRows
from faceswap.store.rows import BatchState, Erasure, Event, Upload
from faceswap.store.uploads import UploadRows

__all__ = ["BatchState", "Erasure", "Event", "JobStore", "Upload", "is_whole"]


class JobStore(
    JobAdding,
    JobLives,
    JobBatches,
    JobOrder,
    JobDeletion,
    UploadRows,
    ClockNotes,
    BillingNotes,
    PartRunRows,
):
    """Every operation on jobs, events, uploads and consents. Safe to use from any thread and process.

    Raises:
        StoreUnavailable: the file cannot be opened, refuses WAL, or was written by a newer version.
        DiskFull: from any write.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        super().__init__(Database(path), clock)

    def version(self) -> object:
        """Return a value that stays the same in this thread until the store changes. It reads no table.

        Source: sqlite.org, PRAGMA data_version: it changes with the commits of other connections only. So
        this connection's own changes are added.
        """
        with self._database.reading() as db:
            return db.execute("PRAGMA data_version").fetchone()[0], db.total_changes

    def compact(self) -> bool:
        """Remove deleted data from the store's files. Returns False when it must be tried again later."""
        return self._database.compact()

    def backup(self, path: Path) -> None:
        """Copy the whole store, in a consistent state, to a new local file."""
        self._database.backup(path)

    def close(self) -> None:
        """Close this thread's connection. Other threads' connections close when those threads end."""
        self._database.close()
