"""The SQLite file: its schema, its connections (one for each thread of each process), its transactions."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from faceswap.disks import why_unusable
from faceswap.errors import DataFolderUnusable, DiskFull, StoreUnavailable
from faceswap.private import private_file

log = logging.getLogger(__name__)

RESERVE_BYTES = 2 << 20
"""The size of the reserve file. It has room for a few hundred transactions that must work on a full disk."""
LITTLE_BYTES = 256 * 1024
_BUSY_WAIT_S = 30
_COMPACT_WAIT_MS = 500
_NOT_NOW = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL)
"""The primary result codes that mean: try again later."""

_ABOUT_THE_FILE = {
    sqlite3.SQLITE_BUSY: "another program has locked it",
    sqlite3.SQLITE_LOCKED: "another program has locked it",
    sqlite3.SQLITE_READONLY: "it is read-only",
    sqlite3.SQLITE_PERM: "it may not be read",
    sqlite3.SQLITE_CANTOPEN: "it is not there any more",
    sqlite3.SQLITE_IOERR: "its disk failed",
    sqlite3.SQLITE_CORRUPT: "it is damaged",
    sqlite3.SQLITE_NOTADB: "it is damaged",
}
"""What a primary result code says about the file. Every other code means an error in this program."""

_FIRST_SCHEMA = """
CREATE TABLE uploads (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL, file TEXT NOT NULL, kind TEXT NOT NULL,
    size_bytes INTEGER NOT NULL, sha256 TEXT NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,
    duration_s REAL, fps REAL, has_audio INTEGER NOT NULL, faces INTEGER, created_at REAL NOT NULL
) STRICT;
CREATE INDEX uploads_by_age ON uploads (created_at);

CREATE TABLE jobs (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, type TEXT NOT NULL, status TEXT NOT NULL, backend TEXT NOT NULL,
    title TEXT NOT NULL, source_file TEXT NOT NULL, target_file TEXT NOT NULL, face_mappings TEXT NOT NULL,
    options TEXT NOT NULL, notes TEXT NOT NULL, engine TEXT, weights TEXT NOT NULL, marks TEXT,
    progress REAL NOT NULL, stage TEXT NOT NULL, eta_s REAL,
    attempt INTEGER NOT NULL, created_at REAL NOT NULL, updated_at REAL NOT NULL, started_at REAL,
    completed_at REAL, cancelled_at REAL, error_code TEXT, error_message TEXT, submitted_at REAL,
    runpod_id TEXT, remote_stop TEXT NOT NULL, worker TEXT, lease_until REAL, result TEXT
) STRICT;
CREATE INDEX jobs_live ON jobs (created_at, id) WHERE status IN ('pending', 'processing');
CREATE INDEX jobs_to_stop ON jobs (id) WHERE remote_stop = 'pending';
CREATE INDEX jobs_of_owner ON jobs (owner, created_at, id);
CREATE INDEX jobs_by_source ON jobs (source_file);
CREATE INDEX jobs_by_target ON jobs (target_file);

CREATE TABLE events (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    at REAL NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL
) STRICT;
CREATE INDEX events_of_job ON events (job_id, at);

CREATE TABLE consents (
    job_id TEXT PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    owner TEXT NOT NULL, version TEXT NOT NULL, statement_sha256 TEXT NOT NULL,
    sources_sha256 TEXT NOT NULL, target_sha256 TEXT NOT NULL, stated_at REAL NOT NULL
) STRICT;

CREATE TABLE receipts (
    job_id TEXT PRIMARY KEY, owner TEXT NOT NULL, forgotten_at REAL NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE INDEX receipts_of_owner ON receipts (owner, forgotten_at);

CREATE TABLE erasures (
    job_id TEXT PRIMARY KEY, backend TEXT NOT NULL, runpod_id TEXT, submitted_at REAL, uploads TEXT NOT NULL
) STRICT;
"""

MIGRATIONS = (
    _FIRST_SCHEMA,
    "ALTER TABLE jobs ADD COLUMN error_details TEXT",
    """
    ALTER TABLE jobs ADD COLUMN terms TEXT;
    ALTER TABLE jobs ADD COLUMN sent_by TEXT;
    ALTER TABLE jobs ADD COLUMN result_file TEXT;
    ALTER TABLE erasures ADD COLUMN limit_s REAL;
    """,
    """
    CREATE TABLE clock (seen_at REAL NOT NULL, steady_s REAL NOT NULL) STRICT;
    """,
    """
    ALTER TABLE uploads ADD COLUMN kept_bytes INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE uploads ADD COLUMN sender TEXT NOT NULL DEFAULT '';
    CREATE INDEX uploads_of_owner ON uploads (owner);
    CREATE INDEX uploads_of_sender ON uploads (sender);
    CREATE TABLE senders (
        job_id TEXT PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE, sender TEXT NOT NULL
    ) STRICT;
    CREATE INDEX jobs_of_sender ON senders (sender);
    """,
    # The percentage was called `video_quality`, which is a rate factor now.
    """
    UPDATE jobs SET options = json_set(
        json_remove(options, '$.video_quality'), '$.quality_percent', json_extract(options, '$.video_quality')
    ) WHERE json_extract(options, '$.video_quality') IS NOT NULL;
    UPDATE receipts SET body = json_set(
        json_remove(body, '$.options.video_quality'),
        '$.options.quality_percent', json_extract(body, '$.options.video_quality')
    ) WHERE json_extract(body, '$.options.video_quality') IS NOT NULL;
    """,
    "ALTER TABLE uploads ADD COLUMN notes TEXT;",
    """
    CREATE TABLE billing (
        job_id TEXT NOT NULL, attempt INTEGER NOT NULL, worker TEXT NOT NULL, seconds REAL NOT NULL,
        at REAL NOT NULL, PRIMARY KEY (job_id, attempt, worker)
    ) STRICT;
    CREATE INDEX billing_by_time ON billing (at);
    ALTER TABLE jobs ADD COLUMN billed_s REAL;
    """,
    "ALTER TABLE jobs ADD COLUMN turn REAL;",
    """
    ALTER TABLE jobs ADD COLUMN batch TEXT;
    CREATE INDEX jobs_of_batch ON jobs (batch) WHERE batch IS NOT NULL;
    """,
    """
    CREATE TABLE stopped_queues (owner TEXT PRIMARY KEY) STRICT;
    ALTER TABLE jobs ADD COLUMN frames_done INTEGER;
    ALTER TABLE jobs ADD COLUMN frames_per_s REAL;
    """,
    """
    ALTER TABLE jobs ADD COLUMN parts TEXT;
    CREATE TABLE part_runs (
        job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE, part INTEGER NOT NULL,
        try INTEGER NOT NULL, attempt INTEGER NOT NULL, worker TEXT NOT NULL, submitted_at REAL NOT NULL,
        remote_id TEXT, ended TEXT, PRIMARY KEY (job_id, part, try)
    ) STRICT;
    """,
)
"""Script number N changes a store of version N into one of version N + 1. Statements end with a semicolon."""
SCHEMA_VERSION = len(MIGRATIONS)


class Database:
    """Opens and migrates the file, and translates its errors. Safe to use from any thread and process.

    Each thread of each process has its own connection. A connection that threads share returns wrong rows on
    CPython 3.12.1 and 3.13.0 (cpython#118172). A forked process must not use its parent's connection.

    Raises:
        StoreUnavailable: the file cannot be opened, refuses WAL, or was written by a newer version. From any
            read or write: the file is locked, read-only, damaged, or not there any more.
        DiskFull: from any write.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._found = False
        """Whether the file was there once. Then an empty one must not be made in its place."""
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # only its user may read it
            private_file(path)  # SQLite gives the files beside it the same mode
            self._migrate()
        except (OSError, sqlite3.DatabaseError) as error:
            if not self.release_reserve():  # on a full disk SQLite cannot make the log's index
                raise _unavailable(error) from error
            self._open_again()
        self._found = True
        self.keep_reserve()

    def _open_again(self) -> None:
        try:
            self._migrate()
        except (OSError, sqlite3.DatabaseError) as error:
            raise _unavailable(error) from error

    def close(self) -> None:
        """Close this thread's connection. Other threads' connections close when those threads end."""
        held: tuple[int, sqlite3.Connection] | None = getattr(self._local, "held", None)
        if held is not None and held[0] == os.getpid():
            held[1].close()
            del self._local.held

    def connection(self) -> sqlite3.Connection:
        held: tuple[int, sqlite3.Connection] | None = getattr(self._local, "held", None)
        if held is not None and held[0] == os.getpid():  # not the one of a parent process
            return held[1]
        mode = "rw" if self._found else "rwc"
        address = f"{self._path.absolute().as_uri()}?mode={mode}"
        db = sqlite3.connect(address, uri=True, timeout=_BUSY_WAIT_S, isolation_level=None)
        db.row_factory = sqlite3.Row
        mode = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            db.close()
            raise StoreUnavailable(reason=f"journal mode {mode} instead of WAL")
        for pragma in (
            "synchronous = FULL",
            "foreign_keys = ON",
            "trusted_schema = OFF",
            "secure_delete = ON",
        ):
            db.execute(f"PRAGMA {pragma}")
        db.execute("PRAGMA journal_size_limit = 16777216").fetchone()
        self._local.held = (os.getpid(), db)
        return db

    def _migrate(self) -> None:
        db = self.connection()
        found = db.execute("PRAGMA user_version").fetchone()[0]
        if found > SCHEMA_VERSION:
            raise StoreUnavailable(reason="it was written by a newer version of faceswap")
        if found == SCHEMA_VERSION:
            return
        with self.write() as db:
            found = db.execute("PRAGMA user_version").fetchone()[0]  # another process may have migrated it
            for script in MIGRATIONS[found:]:
                for statement in filter(None, map(str.strip, script.split(";"))):
                    db.execute(statement)
            db.execute(f"PRAGMA user_version = {max(found, SCHEMA_VERSION)}")

    @property
    def _reserve(self) -> Path:
        return self._path.with_name(f"{self._path.name}-reserve")

    def release_reserve(self) -> bool:
        """Delete the reserve file, to give its room back to the disk. Returns whether there was one."""
        try:
            self._reserve.unlink()
        except OSError:
            return False
        log.warning("the disk is full: the store's reserve was released")
        return True

    def keep_reserve(self) -> None:
        """Write the reserve file of `RESERVE_BYTES`, unless it exists or the disk has little room."""
        if self._reserve.exists() or shutil.disk_usage(self._path.parent).free < 4 * RESERVE_BYTES:
            return
        draft = self._reserve.with_name(f"{self._reserve.name}.part")
        try:
            draft.write_bytes(os.urandom(1 << 16) * (RESERVE_BYTES >> 16))  # zeros might take no room
            draft.replace(self._reserve)
        except OSError:
            draft.unlink(missing_ok=True)

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection, None, None]:
        with self._told_in_words():
            yield self.connection()

    @contextmanager
    def write(self) -> Generator[sqlite3.Connection, None, None]:
        with self._told_in_words():
            db = self.connection()
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    @contextmanager
    def _told_in_words(self) -> Generator[None, None, None]:
        """Translate SQLite's errors. After one about the file, this thread opens the file again next time."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if self._says_full(error):
                raise DiskFull() from error
            reason = _ABOUT_THE_FILE.get(_code_of(error))
            if reason is None:
                raise
            if _code_of(error) not in _NOT_NOW:
                with suppress(sqlite3.DatabaseError):
                    self.close()
            raise StoreUnavailable(reason=reason) from error

    def _says_full(self, error: sqlite3.DatabaseError) -> bool:
        """Whether the error means that the disk is full.

        SQLite reports a full disk as such, or as a failed write, or as a file that it cannot open.
        """
        code = _code_of(error)
        if code == sqlite3.SQLITE_FULL:
            return True
        if code not in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN):
            return False
        try:
            return shutil.disk_usage(self._path.parent).free < LITTLE_BYTES
        except OSError:  # the folder is gone
            return False

    def compact(self) -> bool:
        """Rewrite the file and empty its log. Returns False when that does not work now: call it again later.

        `secure_delete` overwrites deleted rows. But copies may remain in the log, and in the free space of
        pages that were split earlier. Takes 8 ms for 2,000 jobs and 0.4 s for 100,000.
        """
        try:
            with self._told_in_words():
                db = self.connection()
                db.execute(f"PRAGMA busy_timeout = {_COMPACT_WAIT_MS}").fetchone()
                try:
                    db.execute("VACUUM")
                    return db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
                finally:
                    db.execute(f"PRAGMA busy_timeout = {_BUSY_WAIT_S * 1000}").fetchone()
        except (DiskFull, StoreUnavailable):
            return False

    def backup(self, path: Path) -> None:
        """Copy the whole store, in a consistent state, to a new local file."""
        with self._told_in_words():
            target = sqlite3.connect(path)
            try:
                self.connection().backup(target)
            finally:
                target.close()


def _code_of(error: sqlite3.DatabaseError) -> int:
    """Return the primary result code. 0 when the error does not come from SQLite itself."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _reason(error: OSError | sqlite3.DatabaseError) -> str:
    known = _ABOUT_THE_FILE.get(_code_of(error)) if isinstance(error, sqlite3.DatabaseError) else None
    return known or type(error).__name__


def _unavailable(error: OSError | sqlite3.DatabaseError) -> StoreUnavailable:
    if isinstance(error, OSError):
        return DataFolderUnusable(reason=why_unusable(error))
    if _code_of(error) in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
        return DataFolderUnusable(reason="this user may not write there")
    return StoreUnavailable(reason=_reason(error))


def is_whole(path: Path) -> bool:
    """Whether the file is an undamaged store that this version can open. No other program may use it."""
    try:
        db = sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)
        try:
            sound = db.execute("PRAGMA quick_check").fetchone()[0] == "ok"
            return sound and 0 < db.execute("PRAGMA user_version").fetchone()[0] <= SCHEMA_VERSION
        finally:
            db.close()
    except sqlite3.DatabaseError:
        return False
