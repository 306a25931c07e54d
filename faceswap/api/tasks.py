"""Makes the answers of /api/tasks, and keeps each until a job changes: hundreds of tabs ask every second."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from fastapi import Response

from faceswap.api.answers import success
from faceswap.api.files import batch_path, pictures_path, thumbnail_path
from faceswap.api.schemas import Scope
from faceswap.jobs import Job, Status, isoformat
from faceswap.owners import Owners
from faceswap.service import Service
from faceswap.store import BatchState, Upload

RECENT = 3
_FINISHED = (Status.COMPLETED, Status.FAILED)
_KEPT_BYTES = 16_000_000
"""The most bytes of answers that are kept. One owner may ask for hundreds of pages of a long history."""
_HEADERS = {"Cache-Control": "private, no-cache", "Vary": "Authorization"}


class TaskAnswers:
    """Only the event loop's thread may use this, because each thread has its own version of the store.

    The queries run in that thread, too. SQLite has the pages in memory, and in WAL mode a reader never waits
    for a writer. So a query takes less time than a switch to another thread.
    """

    def __init__(self, service: Service, owners: Owners) -> None:
        self._service = service
        self._owners = owners
        self._version: object = None
        self._made: dict[tuple[object, ...], tuple[bytes, str]] = {}
        self._made_bytes = 0

    def answer(self, owner: str, scope: Scope, limit: int, offset: int, known: str | None) -> Response:
        """Answer 200 with an ETag, or 304 when `known`, the If-None-Match header, names that ETag."""
        body, tag = self._body(owner, scope, limit, offset)
        headers = {"ETag": tag, **_HEADERS}
        if _matches(known, tag):
            return Response(status_code=304, headers=headers)
        return Response(body, media_type="application/json", headers=headers)

    def _body(self, owner: str, scope: Scope, limit: int, offset: int) -> tuple[bytes, str]:
        version = (self._service.version(), self._owners.period)
        if version != self._version or self._made_bytes > _KEPT_BYTES:
            self._version = version
            self._made.clear()
            self._made_bytes = 0
        asked = (owner, scope, limit, offset)
        if asked not in self._made:
            jobs = _tasks(self._service, owner, scope, limit, offset)
            files = self._service.files_of(jobs)
            batches = self._service.batches.states_of(jobs)
            shown = [shown_job(job, owner, self._service, self._owners, files, batches) for job in jobs]
            body = bytes(success(shown).body)
            tag = f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
            self._made[asked] = (body, tag)
            self._made_bytes += len(body)
        return self._made[asked]


def shown_job(
    job: Job,
    owner: str,
    service: Service,
    owners: Owners,
    files: Mapping[str, Upload],
    batches: Mapping[str, BatchState] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return the job as the API shows it, with links that a page can use. `files` are by upload id, `batches`
    by batch id."""

    def shown_file(upload_id: str) -> dict[str, str] | None:
        upload = files.get(upload_id)
        if upload is None:
            return None
        return {"name": upload.name, "thumbnail": owners.signed_url(thumbnail_path(upload.id), owner)}

    shown = job.public()
    shown |= {"source": shown_file(job.source_file), "target": shown_file(job.target_file)}
    batch = batches.get(job.batch or "")
    shown["batch"] = shown_batch(batch, owner, owners) if batch else None
    frame = service.latest_frame(job)
    shown["frame_url"] = _frame_url(job, owner, owners) if frame else None
    shown["held"] = job.status is Status.PENDING and service.queue_stopped(owner=owner)
    shown["parts"] = service.parts_of(job, files.get(job.target_file))
    shown["cost_usd"] = None if job.billed_s is None else service.costs.of(job.billed_s).usd
    if shown["result_url"]:
        shown["result_url"] = owners.signed_url(shown["result_url"], owner)
    return shown


def _frame_url(job: Job, owner: str, owners: Owners) -> str:
    url = owners.signed_url(pictures_path(job.id), owner)
    return f"{url}{'&' if '?' in url else '?'}of=latest"


def shown_batch(batch: BatchState, owner: str, owners: Owners) -> dict[str, Any]:
    """Return what the API says of all tasks of a batch together."""
    return {
        "id": batch.id,
        "tasks": batch.tasks,
        "completed": batch.completed,
        "failed": batch.failed,
        "progress": round(batch.progress, 1),
        "eta_s": None if batch.eta_s is None else round(batch.eta_s, 1),
        "created_at": isoformat(batch.created_at),
        "result_url": owners.signed_url(batch_path(batch.id), owner) if batch.completed else None,
    }


def _tasks(service: Service, owner: str, scope: Scope, limit: int, offset: int) -> list[Job]:
    if scope == "all":
        return service.history(limit=limit, offset=offset, owner=owner)
    live = service.active(owner=owner)
    if scope == "active":
        return live
    return live + service.history(limit=RECENT, statuses=_FINISHED, owner=owner)


def _matches(if_none_match: str | None, tag: str) -> bool:
    """Whether the If-None-Match header names the tag. Weak comparison, RFC 9110 section 13.1.2."""
    if not if_none_match:
        return False
    sent = {part.strip().removeprefix("W/") for part in if_none_match.split(",")}
    return "*" in sent or tag.removeprefix("W/") in sent
