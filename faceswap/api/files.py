"""Sends the contents of results and uploads."""

from __future__ import annotations

from pathlib import PurePath

from fastapi import Response
from fastapi.responses import FileResponse

from faceswap.errors import FaceSwapError, JobNotFound, ResultNotReady, UploadNotFound
from faceswap.jobs import Job
from faceswap.service import Service

_HEADERS = {"Content-Security-Policy": "default-src 'none'; sandbox"}
_KEPT = "private, max-age=600"
"""A list of tasks is drawn anew whenever one changes, and its small pictures stay the same."""


def download_path(file_id: str) -> str:
    """Return the URL path of a file. A signed link is signed for this path."""
    return f"/api/download/{file_id}"


def thumbnail_path(file_id: str) -> str:
    """Return the URL path of an upload's small picture. A signed link is signed for this path."""
    return f"/api/thumbnail/{file_id}"


def thumbnail(service: Service, file_id: str, owner: str) -> Response:
    """Send the small picture of an upload. Raises: UploadNotFound: also when the upload has none."""
    path = service.thumbnail_path(service.find_upload(file_id, owner=owner))
    if not path.is_file():
        raise UploadNotFound()
    return FileResponse(path, media_type="image/webp", headers=_HEADERS | {"Cache-Control": _KEPT})


def stored_file(service: Service, file_id: str, owner: str) -> Response:
    """Send a result or an upload, always as a download, so that no browser shows its content as our page.

    Raises: UploadNotFound, ResultNotReady.
    """
    try:
        job = service.get(file_id, owner=owner)
    except JobNotFound:
        upload = service.find_upload(file_id, owner=owner)
        path, name, kind = service.media_path(upload), upload.name, upload.media_type
        missing: FaceSwapError = UploadNotFound()
    else:
        path = service.result_path(file_id, owner=owner)
        name = _result_name(service, job, path.suffix)
        kind = "video/mp4" if job.type.target_kind == "video" else "image/png"
        missing = ResultNotReady()
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise missing from error
    headers = _HEADERS | {"Cache-Control": "private, no-cache"}
    return FileResponse(path, media_type=kind, filename=name, stat_result=found, headers=headers)


def _result_name(service: Service, job: Job, suffix: str) -> str:
    """Return a name that tells the title, the source and the time apart, such as
    `clip-me-swap-20261124-093000.mp4`. The time is this machine's local time."""
    source = service.files_of([job]).get(job.source_file)
    ended = job.completed_at
    parts = (
        PurePath(job.title).stem,
        PurePath(source.name).stem if source else "",
        "swap",
        f"{ended.astimezone():%Y%m%d-%H%M%S}" if ended else "",
    )
    return "-".join(filter(None, parts)) + suffix
