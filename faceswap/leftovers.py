"""Deletes what dead runs left in the job folders, whoever drove them.

A run deletes its own work folder. One whose process was killed cannot, and when its job is cancelled
meanwhile nobody takes it up again. So every process that dispatches looks for work folders and result files
whose run is over.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from faceswap.errors import JobNotFound
from faceswap.folders import RESULT, WORK, Folders
from faceswap.jobs import Job, Status
from faceswap.store import JobStore

log = logging.getLogger(__name__)


class Leftovers:
    """Not for several threads at once. Several processes may hold one each over the same data folder."""

    def __init__(self, store: JobStore, folders: Folders) -> None:
        self._store = store
        self._folders = folders
        self._clean: dict[str, int] = {}
        """When the folder of each job was last changed (ns) that was found clean."""

    def remove(self) -> int:
        """Look through the folders that changed since the last call. Returns how many things were deleted."""
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
        """Look through the folder of one job. Returns how many things were deleted."""
        folder = self._folders.job(job_id)
        return self._remove_of(job_id, folder)[0] if folder.is_dir() else 0

    def _remove_of(self, job_id: str, folder: Path) -> tuple[int, bool]:
        """How many things were deleted, and whether nothing is left that a later look might delete."""
        entries = [path for path in folder.iterdir() if path.name.startswith((f"{WORK}-", f"{RESULT}-"))]
        try:
            job = self._store.get(job_id)  # after the look: a run is in the store before it makes its folder
        except JobNotFound:
            job = None
        if job is None or not self._store.has_job(job_id):
            shutil.rmtree(folder, ignore_errors=True)
            return 1, True
        doomed = [path for path in entries if not _is_needed(path, job)]
        for path in doomed:
            log.info("job %s: %s was left by a run that is over", job_id, path.name)
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        return len(doomed), not job.status.live


def _is_needed(path: Path, job: Job) -> bool:
    running = job.status is Status.PROCESSING
    own = (f"{WORK}-{job.run.name}", f"{RESULT}-{job.run.name}")
    return path.name == job.result_file or (running and path.stem in own)
