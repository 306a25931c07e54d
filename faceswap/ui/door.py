"""Checks every request to one of Gradio's own routes: which route it is, who sends it, and what it contains.

Gradio has many more routes than our pages and clients use. Some of them run programs on files that anybody
sends, fetch web addresses, or show statistics to strangers. So only the routes in this module pass. Every
other path answers 404, also one that a later version of Gradio adds.

This module checks a request before Gradio parses it:

- With several users, an upload or an event needs a token, in the `Authorization` header or among the values
  of the event. The only exception is the event that returns the first token.
- The body of an event or of a request for MCP has a size limit, and so has an upload.
- An owner, and a network address, may have a limited number of files here that no task uses.
- A file in an event must be one that its sender uploaded. The answer to an upload contains a *reference*. It
  is sealed for the file's owner and contains no path. This module turns it into the path again. It accepts no
  web addresses and no folders.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import gradio as gr
from anyio import to_thread
from starlette._utils import get_route_path
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from faceswap.api.answers import failure, refusal
from faceswap.api.senders import address_of
from faceswap.errors import FaceSwapError, InvalidRequest, NotFound, NotSignedIn, UploadNotFound
from faceswap.folders import Folders
from faceswap.incoming import Incoming
from faceswap.owners import Owners
from faceswap.quota import Amount
from faceswap.service import Service
from faceswap.settings import MEGABYTE
from faceswap.ui.frame import FIRST_TOKEN, PATHS
from faceswap.ui.missing import missing_page

log = logging.getLogger(__name__)

UPLOAD_ENVELOPE_BYTES = 64 * 1024
"""Room for the boundaries and headers around the files of an upload."""
EVENT_BYTES = 512 * 1024
"""Largest body of an event or of a request for MCP. It holds only ids, options and titles."""
_ID = r"[A-Za-z0-9_-]{1,64}"

READ = (
    r"/",
    r"/config/?",
    r"/theme\.css",
    r"/gradio_api/theme\.css",
    r"/robots\.txt",
    r"/favicon\.ico",
    r"/manifest\.json",
    rf"/pwa_icon(/{_ID})?",
    r"/static/.+",
    r"/assets/.+",
    r"/gradio_api/info/?",
    r"/gradio_api/startup-events",
    r"/gradio_api/app_id/?",
    rf"/gradio_api/heartbeat/{_ID}",
    r"/gradio_api/upload_progress",
    r"/gradio_api/queue/data",
    rf"/gradio_api/call/{_ID}/{_ID}",
)
"""Gradio's paths for GET and HEAD that its front end and `gradio_client` use."""

EVENTS = (
    r"/gradio_api/queue/join",
    rf"/gradio_api/run/{_ID}/?",
    rf"/gradio_api/call/{_ID}/?",
    rf"/gradio_api/call/v2/{_ID}/?",
)
"""Gradio's paths for POST that run an event."""

OURS = ("/api/", "/ui/")
"""Beginnings of the app's own paths."""
UPLOAD = "/gradio_api/upload"
MCP = "/gradio_api/mcp/"

_READ = re.compile("|".join(READ))
_EVENTS = re.compile("|".join(EVENTS))


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings of `Door`."""

    owners: Owners
    incoming: Incoming
    require_upload_room: Callable[[str, str, int, tuple[Amount, Amount]], None]
    """See `Service.require_upload_room`."""
    upload_bytes: int
    """Largest body of an upload."""
    behind_proxy: bool
    pages: frozenset[str]
    """Paths of the app's pages, without a slash at the end."""
    open_events: frozenset[int]
    """Numbers of events that need no token."""
    mcp: bool


def rules_of(service: Service, owners: Owners, demo: gr.Blocks | None) -> Rules:
    """The rules for the pages in `demo`."""
    settings = service.settings
    pages = frozenset("" if path == "./" else f"/{path}" for path in PATHS.values())
    events: dict[int, Any] = demo.fns if demo else {}
    open_events = frozenset(
        number for number, event in events.items() if getattr(event.fn, "__name__", None) == FIRST_TOKEN
    )
    return Rules(
        owners=owners,
        incoming=Incoming(Folders(settings.data_dir).incoming, owners),
        require_upload_room=service.require_upload_room,
        upload_bytes=settings.max_upload_mb * MEGABYTE + UPLOAD_ENVELOPE_BYTES,
        behind_proxy=settings.behind_proxy,
        pages=pages,
        open_events=open_events,
        mcp=settings.mcp,
    )


class Door:
    """ASGI middleware that applies `Rules` to every path that is not one of `OURS`."""

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1008})
            return
        path, method = get_route_path(scope), scope["method"]
        try:
            if path.startswith(OURS) or method == "OPTIONS" or self._reads(method, path):
                await self._app(scope, receive, send)
            elif method == "POST" and path == UPLOAD:
                await self._upload(scope, receive, send)
            elif method == "POST" and _EVENTS.fullmatch(path):
                await self._event(scope, receive, send)
            elif self._rules.mcp and path.startswith(MCP):
                await self._app(scope, await _limited(scope, receive), send)
            else:
                log.debug("no such route: %s", method)
                if method == "GET" and "text/html" in Headers(scope=scope).get("accept", ""):
                    await missing_page(scope)(scope, receive, send)
                    return
                raise NotFound()
        except FaceSwapError as error:
            await failure(error)(scope, receive, send)
        except _TooLarge:
            limit = self._rules.upload_bytes if path == UPLOAD else EVENT_BYTES
            await refusal(413, f"This request is larger than {limit // 1024} KiB.")(scope, receive, send)

    def _reads(self, method: str, path: str) -> bool:
        listed = path.rstrip("/") in self._rules.pages or _READ.fullmatch(path) is not None
        return method in ("GET", "HEAD") and listed

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let Gradio receive the files, move each into a folder for its owner, and answer the references."""
        rules = self._rules
        owner, sender = rules.owners.owner_of(_bearer(scope)), self._sender(scope)
        size_bytes = _announced(scope)
        if size_bytes > rules.upload_bytes:
            raise _TooLarge
        await to_thread.run_sync(self._require_upload_room, owner, sender, size_bytes)
        answer = _Answer()
        # Also waits for Gradio's tasks that move the files.
        await self._app(scope, _counted(receive, rules.upload_bytes), answer.take)
        if answer.status == 200:
            references = [rules.incoming.keep(Path(path), owner, sender) for path in json.loads(answer.body)]
            answer.replace(json.dumps(references).encode())
        await answer.give(send)

    def _require_upload_room(self, owner: str, sender: str, size_bytes: int) -> None:
        pending = self._rules.incoming.pending(owner, sender)
        self._rules.require_upload_room(owner, sender, size_bytes, pending)

    def _sender(self, scope: Scope) -> str:
        peer = scope["client"][0] if scope.get("client") else None
        address = address_of(Headers(scope=scope), peer, behind_proxy=self._rules.behind_proxy)
        return self._rules.owners.sender(address)

    async def _event(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive, _announced(scope))
        try:
            values = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise InvalidRequest(reason="the body is not JSON") from error
        owner = self._owner_of(scope, values)
        checked = json.dumps(self._with_paths(values, owner)).encode()
        await self._app(_with_length(scope, checked), _once(checked, receive), send)

    def _with_paths(self, value: object, owner: str) -> object:
        """The values of an event, with the path of each file in place of its reference.

        None takes the place of a file without a valid reference. Then the event itself reports that there is
        no such file.
        """
        if isinstance(value, list):
            return [self._with_paths(item, owner) for item in cast("list[object]", value)]
        if not isinstance(value, dict):
            return value
        fields = cast("dict[str, object]", value)
        if not fields.keys() & {"path", "meta"}:
            return {name: self._with_paths(item, owner) for name, item in fields.items()}
        try:
            path = self._rules.incoming.find(str(fields.get("path")), owner)
        except UploadNotFound:
            return None
        name = fields.get("orig_name")
        shown = name if isinstance(name, str) and name else path.name
        return {"path": str(path), "orig_name": shown, "meta": {"_type": "gradio.FileData"}}

    def _owner_of(self, scope: Scope, values: object) -> str:
        """The owner who calls an event; "" for an event that needs no token. Raises: NotSignedIn."""
        try:
            return self._rules.owners.owner_of(_bearer(scope))
        except NotSignedIn:
            for text in _strings(values):
                try:
                    return self._rules.owners.owner_of(text)
                except NotSignedIn:
                    continue
            fields = cast("dict[str, object]", values) if isinstance(values, dict) else {}
            if fields.get("fn_index") in self._rules.open_events:
                return ""  # owns no file
            raise


class _TooLarge(Exception):
    pass


class _Answer:
    """Collects a complete response before it is sent."""

    def __init__(self) -> None:
        self._start: Message = {}
        self.body = b""

    @property
    def status(self) -> int:
        return self._start["status"]

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
        else:
            self.body += message.get("body", b"")

    def replace(self, body: bytes) -> None:
        self.body = body
        MutableHeaders(scope=self._start)["content-length"] = str(len(body))

    async def give(self, send: Send) -> None:
        await send(self._start)
        await send({"type": "http.response.body", "body": self.body})


def _bearer(scope: Scope) -> str | None:
    kind, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


def _announced(scope: Scope) -> int:
    length = Headers(scope=scope).get("content-length", "")
    return int(length) if length.isdecimal() else 0


async def _body(receive: Receive, announced: int) -> bytes:
    """Read the whole body. `announced` is its length in the header, in bytes; 0 when there is none.

    Raises:
        _TooLarge: it is announced as larger than `EVENT_BYTES`, or more than that has arrived.
        InvalidRequest: the client left before the end.
    """
    if announced > EVENT_BYTES:
        raise _TooLarge
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InvalidRequest(reason="it ended early")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > EVENT_BYTES:
            raise _TooLarge
    return body


def _counted(receive: Receive, limit: int) -> Receive:
    """A `receive` that raises `_TooLarge` when more than `limit` bytes have arrived."""
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise _TooLarge
        return message

    return counted


async def _limited(scope: Scope, receive: Receive) -> Receive:
    return _once(await _body(receive, _announced(scope)), receive)


def _once(body: bytes, receive: Receive) -> Receive:
    """A `receive` for a request whose body was already read. It first returns the body, and then calls the
    original `receive`, which waits until the client leaves.
    """
    left = [body]

    async def again() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        return await receive()

    return again


def _with_length(scope: Scope, body: bytes) -> Scope:
    headers = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
    return {**scope, "headers": [*headers, (b"content-length", str(len(body)).encode())]}


def _strings(values: object) -> Iterator[str]:
    left = [values]
    while left:
        value = left.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            left += cast("dict[str, object]", value).values()
        elif isinstance(value, list):
            left += cast("list[object]", value)
