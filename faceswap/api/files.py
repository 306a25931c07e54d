"""Sends the contents of results and uploads."""

from __future__ import annotations

from pathlib import PurePath
from typing import Literal

from fastapi import Response
from fastapi.responses import FileResponse, StreamingResponse

from faceswap.api.archive import zipped
from faceswap.batches import different_names
from faceswap.errors import FaceSwapError, JobNotFound, ResultNotReady, UploadNotFound
from faceswap.jobs import Job, Status
from faceswap.service import Service

_HEADERS = {"Content-Security-Policy": "default-src 'none'; sandbox"}
PictureOf = Literal["source", "target", "result", "latest"]
_KEPT = "private, max-age=600"
"""A list of tasks is drawn anew whenever one changes, and its small pictures stay the same."""


def download_path(file_id: str) -> str:
    """Return the URL path of a file. A signed link is signed for this path."""
    return f"/api/download/{file_id}"


def thumbnail_path(file_id: str) -> str:
    """Return the URL path of an upload's small picture. A signed link is signed for this path."""
    return f"/api/thumbnail/{file_id}"


def pictures_path(job_id: str) -> str:
    """Return the URL path of a job's small pictures. A signed link is signed for this path."""
    return f"/api/jobs/{job_id}/thumbnail"


def picture_of_job(service: Service, job_id: str, of: PictureOf, owner: str) -> Response:
    """Send a small picture of a job's source, target, result or latest frame. The answer is 204 if there is
    none of the result or the latest frame.

    Raises: JobNotFound, UploadNotFound.
    """
    job = service.get(job_id, owner=owner)
    if of in ("source", "target"):
        return thumbnail(service, job.source_file if of == "source" else job.target_file, owner)
    path = service.result_thumbnail(job) if of == "result" else service.latest_frame(job)
    try:
        content = path.read_bytes() if path else b""
    except OSError:  # the run has ended just now
        content = b""
    headers = _HEADERS | {"Cache-Control": "private, no-store"}
    if not content:
        return Response(status_code=204, headers=headers)
    return Response(content, media_type="image/jpeg", headers=headers)


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
        name = result_name(service, job, path.suffix)
        kind = "video/mp4" if job.type.target_kind == "video" else "image/png"
        missing = ResultNotReady()
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise missing from error
    headers = _HEADERS | {"Cache-Control": "private, no-cache"}
    return FileResponse(path, media_type=kind, filename=name, stat_result=found, headers=headers)


def batch_path(batch_id: str) -> str:
    """Return the URL path of the results of a batch. A signed link is signed for this path."""
    return f"/api/batches/{batch_id}/download"


def batch_results(service: Service, batch_id: str, owner: str) -> Response:
    """Send the results of a batch as a ZIP, without those of jobs that are not completed.

    Raises: JobNotFound; ResultNotReady: no job is completed.
    """
    state, jobs = service.batches.get(batch_id, owner=owner)
    done = [job for job in jobs if job.status is Status.COMPLETED]
    if not done:
        raise ResultNotReady()
    paths = [service.result_path(job.id, owner=owner) for job in done]
    own_names = [result_name(service, job, path.suffix) for job, path in zip(done, paths, strict=True)]
    names = different_names(own_names)
    ends = [job.completed_at.astimezone() if job.completed_at else None for job in done]
    name = f"faceswap-{state.created_at.astimezone():%Y%m%d-%H%M%S}.zip"
    headers = _HEADERS | {
        "Cache-Control": "private, no-store",
        "Content-Disposition": f'attachment; filename="{name}"',
    }
    return StreamingResponse(
        zipped(zip(names, paths, ends, strict=True)), media_type="application/zip", headers=headers
    )


def result_name(service: Service, job: Job, suffix: str) -> str:
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
