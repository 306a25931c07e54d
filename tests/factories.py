"""Jobs and uploads for tests that need no media."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

from faceswap.consent import Consent
from faceswap.jobs import LOCAL_OWNER, Job, JobType, Status
from faceswap.store import JobStore, Upload

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def make_job(**changes: Any) -> Job:
    return Job(
        id=secrets.token_urlsafe(16),
        owner=LOCAL_OWNER,
        type=JobType.SINGLE_VIDEO,
        status=Status.PENDING,
        backend="local",
        title="clip.mp4",
        source_file="source-file-of-test",
        target_file="target-file-of-test",
        created_at=NOON,
        updated_at=NOON,
    ).evolve(**changes)


def make_upload(**changes: Any) -> Upload:
    values: dict[str, Any] = {
        "id": secrets.token_urlsafe(16),
        "owner": LOCAL_OWNER,
        "name": "me.png",
        "file": "media.png",
        "kind": "image",
        "size_bytes": 1,
        "sha256": "0" * 64,
        "width": 64,
        "height": 64,
        "duration_s": None,
        "fps": None,
        "has_audio": False,
        "faces": 1,
        "created_at": NOON,
    }
    return Upload(**values | changes)


def add_job(
    store: JobStore, *, max_active: int = 1000, max_queue: int = 1000, sender: str = "", **changes: Any
) -> Job:
    job = make_job(**changes)
    consent = Consent(job.owner, ("0" * 64,), "1" * 64, job.created_at)
    return store.add(job, consent, max_active=max_active, max_queue=max_queue, sender=sender)


class Clock:
    """A clock that moves only when told to."""

    def __init__(self, now_s: float = NOON.timestamp()) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s
