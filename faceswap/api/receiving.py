"""Receives a multipart upload and counts its bytes as they arrive."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
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


@dataclass(frozen=True, slots=True)
class ReceivedForm:
    files: Mapping[str, ReceivedFile]
    fields: Mapping[str, str]
    """The other parts, which are short texts."""


def announced_bytes(request: Request) -> int:
    """The size of the body by its header. 0 when the header does not say it."""
    announced = request.headers.get("content-length", "")
    return int(announced) if announced.isdecimal() else 0


@asynccontextmanager
async def received_form(
    request: Request, names: Sequence[str], limit_mb: int
) -> AsyncGenerator[ReceivedForm]:
    """Receive a multipart body with a file in each of the parts called `names`. `limit_mb` is for each file.

    Raises:
        TooLarge: as soon as the announced or the received size is over the limit (10**6 bytes each).
        InvalidRequest: such a part is missing, or there are more.
    """
    limit = limit_mb * len(names) * 10**6 + _ENVELOPE_BYTES
    if announced_bytes(request) > limit:
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
    async with limited.form(max_files=len(names), max_fields=8, max_part_size=16 * 1024) as form:
        files: dict[str, ReceivedFile] = {}
        for name in names:
            part = form.get(name)
            if not isinstance(part, UploadFile):
                raise InvalidRequest(reason=f"send the file as multipart/form-data in a part named '{name}'")
            files[name] = ReceivedFile(part.file, _name(part))
        fields = {name: part for name, part in form.multi_items() if isinstance(part, str)}
        yield ReceivedForm(files, fields)


def _name(part: UploadFile) -> str:
    """The name of a file, with its quotation marks, and with U+FFFD for bytes that are not UTF-8.

    Starlette takes a name that is not UTF-8 for Latin-1, which it hardly ever is.
    Source: WHATWG HTML, multipart/form-data encoding algorithm.
    """
    name = part.filename or "file"
    try:
        part.headers.get("content-disposition", "").encode("latin-1").decode()
    except UnicodeDecodeError:
        name = name.encode("latin-1", "replace").decode("utf-8", "replace")
    return name.replace("%22", '"')
