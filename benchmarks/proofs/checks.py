"""What must be true of a data folder at any time, and what must be true once everything has come to rest.

Each function returns the broken promises as sentences.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path

from faceswap.errors import JobNotFound
from faceswap.folders import Folders
from faceswap.jobs import TRANSITIONS, Job, Status
from faceswap.snapshot_manifest import MANIFEST
from faceswap.store import Event, JobStore

ALL = 1_000_000
_OF_THE_ROOT = {
    *("jobs.sqlite3", "jobs.sqlite3-wal", "jobs.sqlite3-shm", "jobs.sqlite3-reserve"),
    *("uploads", "jobs", "weights", "signing", "server.key", "unlabelled.jsonl"),
    *(".snapshot.json", ".snapshot.lock", ".incoming"),
}
_WITHOUT_A_CHANGE = ("adopted by ", "submitting to ", "remote stop ")
"""Events with these reasons repeat the status that the job has."""


def file_faults(path: Path) -> Iterator[str]:
    """Check the file of a store with SQLite's own checks."""
    with closing(sqlite3.connect(path)) as db:
        found = [row[0] for row in db.execute("PRAGMA integrity_check")]
        if found != ["ok"]:
            yield f"integrity_check says {found}"
        foreign = db.execute("PRAGMA foreign_key_check").fetchall()
        if foreign:
            yield f"foreign_key_check says {foreign}"


def chain_faults(job: Job, events: Sequence[Event]) -> Iterator[str]:
    """Check that the events of a job are steps that the table of transitions allows, with one end at most."""
    if not events or events[0].status is not Status.PENDING:
        yield f"job {job.id}: it does not begin as pending: {events}"
        return
    for before, after in pairwise(events):
        same = before.status is after.status and after.reason.startswith(_WITHOUT_A_CHANGE)
        if not same and after.status not in TRANSITIONS[before.status]:
            yield f"job {job.id}: {before.status} was followed by {after.status} ({after.reason})"
    if events[-1].status is not job.status:
        yield f"job {job.id}: it is {job.status}, but its last event says {events[-1].status}"
    ends = [event for event in events if not event.status.live and not event.reason.startswith("remote stop")]
    if len(ends) != (0 if job.status.live else 1):
        yield f"job {job.id}: it ended {len(ends)} times"


def all_jobs(store: JobStore) -> list[Job]:
    return store.history("local", limit=ALL)


def store_faults(store: JobStore) -> Iterator[str]:
    for job in all_jobs(store):
        yield from chain_faults(job, store.events(job.id))
        if job.backend != "simulated":
            try:
                store.consent(job.id)
            except JobNotFound:
                yield f"job {job.id}: its consent is missing"


def folder_faults(store: JobStore, folders: Folders) -> Iterator[str]:
    """Check, once nothing runs, that the folder holds what the store names, and nothing else."""
    strange = {path.name for path in folders.root.iterdir()} - _OF_THE_ROOT
    if strange:
        yield f"the data folder holds {sorted(strange)}"
    jobs = {job.id: job for job in all_jobs(store)}
    for folder in folders.jobs.glob("*"):
        job = jobs.get(folder.name)
        names = {path.name for path in folder.iterdir()}
        if job is None:
            yield f"job {folder.name}: it is deleted, but its folder holds {sorted(names)}"
        elif extra := names - {"job.json", job.result_file}:
            yield f"job {job.id}: its folder holds {sorted(extra)} ({job.status})"
    for job in jobs.values():
        if job.status.live:
            yield f"job {job.id}: it is still {job.status} (attempt {job.attempt})"
        elif folders.job(job.id).exists() and not (folders.job(job.id) / "job.json").is_file():
            yield f"job {job.id}: it has no job.json ({job.status}, {job.error_code})"
        if job.status is Status.COMPLETED:
            yield from _result_faults(job, folders.result(job))
    for folder in folders.uploads.glob("*"):
        if not store.has_upload(folder.name):
            yield f"upload {folder.name}: it has a folder but no row"
    if store.erasures():
        yield f"{len(store.erasures())} deletions are not finished"


def _result_faults(job: Job, path: Path) -> Iterator[str]:
    if not path.is_file():
        yield f"job {job.id}: it is completed, but its result is missing"
    elif job.result and hashlib.sha256(path.read_bytes()).hexdigest() != job.result.sha256:
        yield f"job {job.id}: its result is not the file that was recorded"


def snapshot_faults(folders: Folders, target: Path) -> Iterator[str]:
    """Check, once the last snapshot is taken, that it has the files of the jobs and uploads, and no other."""
    there = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    here = {
        path.relative_to(folders.root).as_posix()
        for folder in (folders.jobs, folders.uploads, folders.signing)
        for path in folder.rglob("*")
        if path.is_file() and not path.parent.name.startswith("attempt-")
    }
    extra = there - here - {MANIFEST, "jobs.sqlite3", "server.key", "unlabelled.jsonl"}
    if extra or here - there:
        yield f"the snapshot has {sorted(extra)} too much, and lacks {sorted(here - there)}"
    yield from (f"in the snapshot: {fault}" for fault in file_faults(target / "jobs.sqlite3"))


def processes_of(marker: str) -> list[int]:
    """Return the ids of the processes whose command line contains `marker`. Source: proc_pid_cmdline(5)."""
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker in path.read_text(errors="replace"):
                found.append(int(path.parent.name))
        except OSError:
            continue  # it ended meanwhile
    return found


def told(faults: Iterable[str], most: int = 20) -> str:
    """Return the faults as text, at most `most` of them."""
    every = list(faults)
    more = f"\n  and {len(every) - most} more" if len(every) > most else ""
    return "".join(f"\n  {fault}" for fault in every[:most]) + more
