"""Writes `job.json`: the summary of a finished job, for people to read. It is beside the job's result."""

from __future__ import annotations

import json
import secrets
import shutil
from pathlib import Path

from faceswap.errors import JobNotFound
from faceswap.folders import Folders
from faceswap.jobs import isoformat
from faceswap.private import private_folder
from faceswap.store import JobStore

SUMMARY = "job.json"


def is_draft(path: Path) -> bool:
    """Whether it is a summary that is being written, or that a killed process did not finish."""
    return path.name.startswith(f".{SUMMARY}.")


def write_summary(store: JobStore, folders: Folders, job_id: str) -> None:
    """Write `job.json` of a finished job. A live job gets none.

    Raises:
        JobNotFound: the job was deleted. If that happened during the writing, its folder is removed.
    """
    job = store.get(job_id)
    if not store.has_job(job_id):
        raise JobNotFound()
    if job.status.live:
        return
    events = [
        {"at": isoformat(event.at), "status": event.status.value, "reason": event.reason}
        for event in store.events(job_id)
    ]
    path = folders.job(job_id) / SUMMARY
    private_folder(folders.jobs)
    path.parent.mkdir(exist_ok=True)
    draft = path.with_name(f".{SUMMARY}.{secrets.token_hex(4)}")
    content = json.dumps(job.public() | {"events": events}, ensure_ascii=False, indent=2)
    try:
        draft.write_text(content + "\n", encoding="utf-8")
        draft.chmod(0o444)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        if not store.has_job(job_id):  # its folder was deleted meanwhile
            raise JobNotFound() from error
        raise
    if not store.has_job(job_id):  # deleted while this file was written: the deletion may have missed it
        shutil.rmtree(path.parent, ignore_errors=True)
        raise JobNotFound()
