"""Puts answers into envelopes. Errors become HTTP codes only here."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Message

from faceswap import errors
from faceswap.shortage import is_shortage

log = logging.getLogger(__name__)

STATUS: dict[type[errors.FaceSwapError], int] = {
    errors.FaceSwapError: 500,
    errors.NotFound: 404,
    errors.JobAlreadyFinished: 400,
    errors.TooManyJobs: 429,
    errors.TooManyUploads: 429,
    errors.TooExpensive: 402,
    errors.TooBusy: 429,
    errors.ConsentRequired: 400,
    errors.NotSignedIn: 401,
    errors.InvalidRequest: 400,
    errors.LabelRequired: 403,
    errors.MarksMissing: 500,
    errors.SigningKeyUnusable: 503,
    errors.BadMedia: 400,
    errors.UnsupportedMedia: 415,
    errors.WrongKind: 400,
    errors.TooLarge: 413,
    errors.BackendUnavailable: 503,
    errors.NeuralUnavailable: 400,  # the client can ask for the mesh engine instead
    errors.EngineCrashed: 400,  # over HTTP the file that the client sent caused the crash
    errors.JobTimeout: 400,  # the same: the client's file took too long
    errors.JobStopped: 409,
    errors.DiskFull: 507,
    errors.StoreUnavailable: 503,
}
"""The code of an error class also applies to its subclasses that are not listed."""

CODE_HEADER = "X-FaceSwap-Error"
"""This header has the code of the error, for clients that translate the message."""
DETAILS_HEADER = "X-FaceSwap-Error-Details"
"""This header has the values for the placeholders of that message, as a JSON object in ASCII."""

BODY_LIMIT_BYTES = 256 * 1024
"""The limit for the body of every request, except one with files."""

UNLIMITED_BODY = frozenset({"/api/upload", "/api/single-image-swap"})
"""These routes check the size of their bodies themselves."""


def status_of(error: errors.FaceSwapError) -> int:
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def success(data: object, headers: dict[str, str] | None = None) -> Response:
    return _json({"success": True, "data": data}, 200, headers)


def failure(error: errors.FaceSwapError, sentence: str = "") -> Response:
    """`sentence` takes the place of the error's own English message."""
    status = status_of(error)
    headers = {
        401: {"WWW-Authenticate": "Bearer"},
        429: {"Retry-After": "10"},
        503: {"Retry-After": "60"},
    }.get(status, {})
    details = {DETAILS_HEADER: json.dumps(error.details, default=str)} if error.details else {}
    return refusal(status, sentence or str(error), headers | {CODE_HEADER: error.code} | details)


def refusal(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    return _json({"success": False, "error": sentence}, status, headers)


def _json(content: object, status: int, headers: dict[str, str] | None) -> Response:
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    response = Response(body, status, media_type="application/json", headers=headers)
    response.headers.setdefault("Cache-Control", "no-store")
    return response


Say = Callable[[errors.FaceSwapError, str | None], str]
"""Makes the sentence of an error for an Accept-Language header."""


def speak(app: FastAPI, say: Say) -> None:
    """Let the routes of `app` answer errors with the sentences that `say` makes."""
    app.state.faceswap_say = say


def _failure(request: Request, error: errors.FaceSwapError) -> Response:
    say: Say | None = getattr(request.app.state, "faceswap_say", None)
    return failure(error, say(error, request.headers.get("accept-language")) if say else "")


class EnvelopeRoute(APIRoute):
    """A route that answers every failure in the envelope, and that limits the size of the body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        limited = self.path not in UNLIMITED_BODY

        async def handler(request: Request) -> Response:
            try:
                return await handle(_limited(request) if limited else request)
            except errors.FaceSwapError as error:
                log.debug("%s %s: %s", request.method, request.url.path, error.code)
                return _failure(request, errors.OutOfResources() if is_shortage(error) else error)
            except RequestValidationError as error:
                return _failure(request, errors.InvalidRequest(reason=_reason(error)))
            except HTTPException as error:
                return refusal(error.status_code, str(error.detail), dict(error.headers or {}))
            except ClientDisconnect:
                log.debug("%s %s: the client went away", request.method, request.url.path)
                return refusal(400, str(errors.InvalidRequest(reason="it ended early")))
            except Exception as error:
                log.exception("%s %s: unexpected error", request.method, request.url.path)
                shortage = is_shortage(error)
                return _failure(request, errors.OutOfResources() if shortage else errors.FaceSwapError())

        return handler


def _limited(request: Request) -> Request:
    """Return the request with a limit on its body.

    The error is an HTTPException, because FastAPI answers any other error during the reading of a body
    with 400.
    """
    size = 0

    async def receive() -> Message:
        nonlocal size
        message = await request.receive()
        size += len(message.get("body", b""))
        if size > BODY_LIMIT_BYTES:
            raise HTTPException(413, f"This request is larger than {BODY_LIMIT_BYTES // 1024} KiB.")
        return message

    return Request(request.scope, receive)


def _reason(error: RequestValidationError) -> str:
    """Return which field is wrong and why, without the value that was sent."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][1:])
    return f"{place}: {first['msg']}" if place else str(first["msg"])
