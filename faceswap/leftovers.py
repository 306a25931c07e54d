"""Deletes what dead runs left in the job folders, no matter which process drove them.

A run normally deletes its own work folder. A run whose process was killed cannot do that. If its job is
cancelled meanwhile, no dispatcher takes the run over. So every process that dispatches jobs looks for work
folders, result files and unfinished summaries whose run has ended. It writes the summary that a killed
process did not write.
"""

from __future__ import annotations

import logging
import shutil
import time
from pathlib import Path

from faceswap.errors import JobNotFound
from faceswap.folders import PARTS, RESULT, THUMBNAIL, WORK, Folders
from faceswap.jobs import Job, Status
from faceswap.store import JobStore
from faceswap.summary import SUMMARY, is_draft, write_summary

log = logging.getLogger(__name__)

DRAFT_AGE_S = 30.0
"""A draft of a summary that is older was left by a killed process."""


class Leftovers:
    """Only one thread may use an instance at a time. Several processes may each have their own."""

    def __init__(self, store: JobStore, folders: Folders) -> None:
        self._store = store
        self._folders = folders
        self._clean: dict[str, int] = {}
        """For each job folder that was found clean: when it was last changed (ns)."""

    def remove(self) -> int:
        """Look through the job folders that changed since the last call.

        Returns how many files and folders were deleted.
        """
        found = {folder.name: folder for folder in self._folders.jobs.glob("*")}
        self._clean = {name: changed for name, changed in self._clean.items() if name in found}
        removed = 0
        for name, folder in found.items():
            try:
                changed_ns = folder.stat().st_mtime_ns
                if self._clean.get(name) == changed_ns:
                    continue
                gone, clean = self._remove_of(name, folder)
            except OSError:
                continue  # it was deleted meanwhile
            removed += gone
            if clean and not gone:
                self._clean[name] = changed_ns
        return removed

    def remove_of(self, job_id: str) -> int:
        """Look through the folder of one job. Returns how many files and folders were deleted."""
        folder = self._folders.job(job_id)
        return self._remove_of(job_id, folder)[0] if folder.is_dir() else 0

    def _remove_of(self, job_id: str, folder: Path) -> tuple[int, bool]:
        """Return how many files and folders were deleted, and whether a later call has nothing to delete."""
        entries = [path for path in folder.iterdir() if _may_be_left(path)]
        try:
            # Read after the listing: a run is stored before it makes its folder.
            job = self._store.get(job_id)
        except JobNotFound:
            job = None
        if job is None or not self._store.has_job(job_id):
            shutil.rmtree(folder, ignore_errors=True)
            return 1, True
        doomed = [path for path in entries if not _is_needed(path, job)]
        for path in doomed:
            log.info("job %s: %s was left by a run that is over", job_id, path.name)
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        if not job.status.live and not (folder / SUMMARY).exists():
            try:
                write_summary(self._store, self._folders, job_id)
            except JobNotFound:  # deleted meanwhile
                return len(doomed) + 1, True
        drafts = any(is_draft(path) for path in entries if path not in doomed)
        return len(doomed), not job.status.live and not drafts


def _may_be_left(path: Path) -> bool:
    of_run = path.name.startswith((f"{WORK}-", f"{RESULT}-", f"{THUMBNAIL}-"))
    return of_run or path.name == PARTS or is_draft(path)


def _is_needed(path: Path, job: Job) -> bool:
    if is_draft(path):
        return time.time() - path.stat().st_mtime < DRAFT_AGE_S
    if path.name == PARTS:
        return job.status.live
    running = job.status is Status.PROCESSING
    own = [f"{kind}-{job.run.name}" for kind in (WORK, RESULT, THUMBNAIL)]
    if path.name.startswith(THUMBNAIL) and job.result_file:
        return path.stem == Path(job.result_file).stem.replace(RESULT, THUMBNAIL, 1)
    return path.name == job.result_file or (running and path.stem in own)
