"""Sends the contents of results and uploads."""

from __future__ import annotations

from pathlib import PurePath

from fastapi import Response
from fastapi.responses import FileResponse

from faceswap.errors import FaceSwapError, JobNotFound, ResultNotReady, UploadNotFound
from faceswap.service import Service


def download_path(file_id: str) -> str:
    """Return the URL path of a file. A signed link is signed for this path."""
    return f"/api/download/{file_id}"


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
        name = f"{PurePath(job.title).stem}-swap{path.suffix}"
        kind = "video/mp4" if job.type.target_kind == "video" else "image/png"
        missing = ResultNotReady()
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise missing from error
    headers = {"Cache-Control": "private, no-cache", "Content-Security-Policy": "default-src 'none'; sandbox"}
    return FileResponse(path, media_type=kind, filename=name, stat_result=found, headers=headers)
