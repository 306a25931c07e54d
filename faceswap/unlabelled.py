"""Keeps the log of jobs that asked for no visible label. The log stays when the jobs are deleted.

Such a choice must be recorded for at least half a year. Source: GB 45438-2025.
"""

from __future__ import annotations

import json
import logging
import os

from faceswap.folders import Folders
from faceswap.jobs import Job, isoformat

log = logging.getLogger(__name__)


def note_unlabelled(folders: Folders, job: Job) -> None:
    """Append one JSON line: when, which job, which owner."""
    log.warning("job %s: asked for no visible label", job.id)
    line = json.dumps({"at": isoformat(job.created_at), "job": job.id, "owner": job.owner})
    descriptor = os.open(folders.unlabelled, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with open(descriptor, "a", encoding="utf-8") as file:  # noqa: PTH123 - its mode is set above
        file.write(line + "\n")
