"""Adds to /api/openapi.json what the models do not say: errors, file contents, and the multipart body."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

from faceswap.api.schemas import Failure

TITLE = "faceswap"
VERSION = "1"
DESCRIPTION = "Consented face swap whose tasks you can see, stop and get back."


def described(routes: Sequence[BaseRoute]) -> dict[str, Any]:
    """Return the OpenAPI document of these routes.

    FastAPI adds an answer 422 to each route. It is left out, because `EnvelopeRoute` answers 400 instead.
    """
    document = get_openapi(title=TITLE, version=VERSION, description=DESCRIPTION, routes=routes)
    for methods in document["paths"].values():
        for operation in methods.values():
            operation["responses"].pop("422", None)
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
    return document


_SENTENCES = {
    304: "Nothing changed since that ETag.",
    400: "The request, or the file it names, cannot be used.",
    401: "No session, or one that this server did not make.",
    402: "It would cost more in the cloud than it may.",
    403: "Not allowed by whoever runs this server.",
    404: "Unknown, or somebody else's.",
    413: "Over the size limit.",
    415: "Not a supported picture or video.",
    416: "The file is shorter than the range.",
    429: "Too many tasks wait or run.",
    503: "The store or the backend cannot be reached.",
    507: "The disk is full.",
}


def failures(*codes: int) -> dict[int | str, dict[str, Any]]:
    return {code: {"model": Failure, "description": _SENTENCES[code]} for code in codes}


def links(name: str, *operations: str) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI links: these operations take the id `name` from the data of a successful answer."""
    into = {operation: "fileId" if operation == "download" else name for operation in operations}
    return {
        200: {
            "links": {
                operation: {
                    "operationId": operation,
                    "parameters": {parameter: f"$response.body#/data/{name}"},
                }
                for operation, parameter in into.items()
            }
        }
    }


_BINARY = {"schema": {"type": "string", "format": "binary"}}
BYTES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The whole file.", "content": {"image/*": _BINARY, "video/*": _BINARY}},
    206: {"description": "A range of it.", "content": {"image/*": _BINARY, "video/*": _BINARY}},
    416: {"description": _SENTENCES[416], "content": {"text/plain": {}}},
}


def multipart(*files: str, **texts: str) -> dict[str, Any]:
    """Return the OpenAPI body of a form with these files, and with these texts and their descriptions."""
    return {
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": list(files),
                        "properties": dict.fromkeys(files, _BINARY["schema"])
                        | {name: {"type": "string", "description": said} for name, said in texts.items()},
                    }
                }
            },
        }
    }
