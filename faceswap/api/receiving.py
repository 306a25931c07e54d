"""Receives a multipart upload and counts its bytes as they arrive."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.types import Message

from faceswap.errors import InvalidRequest, TooLarge

_ENVELOPE_BYTES = 64 * 1024
"""Room for the boundaries, headers and small fields around the file."""


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """`file` is a temporary file that nobody else can open. It is deleted after the `with` block."""

    file: BinaryIO
    name: str


@asynccontextmanager
async def received_file(request: Request, limit_mb: int) -> AsyncGenerator[ReceivedFile]:
    """Receive the part called `file` of a multipart body.

    Raises:
        TooLarge: as soon as the announced or the received size is over the limit (10**6 bytes each).
        InvalidRequest: there is no such part.
    """
    limit = limit_mb * 10**6 + _ENVELOPE_BYTES
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise TooLarge(limit_mb=limit_mb)
    size = 0

    async def receive() -> Message:
        nonlocal size
        message = await request.receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise TooLarge(limit_mb=limit_mb)
        return message

    limited = Request(request.scope, receive)
    async with limited.form(max_files=1, max_fields=8, max_part_size=16 * 1024) as form:
        part = form.get("file")
        if not isinstance(part, UploadFile):
            raise InvalidRequest(reason="send the file as multipart/form-data in a part named 'file'")
        yield ReceivedFile(part.file, _name(part.filename or "file"))


def _name(sent: str) -> str:
    """Undo the encoding of quotation marks in the name of a file.

    Source: WHATWG HTML, multipart/form-data encoding algorithm.
    """
    return sent.replace("%22", '"')
