"""Checks every request to one of Gradio's own routes: which route it is, who sends it, and what it contains.

Gradio has many more routes than our pages and clients use. Some of them run programs on files that anybody
sends, fetch web addresses, or show statistics to strangers. So only the routes in this module pass. Every
other path answers 404, also one that a later version of Gradio adds.

This module checks a request before Gradio parses it:

- With several users, an upload or an event needs a token, in the `Authorization` header or among the values
  of the event. The only exception is the event that returns the first token.
- The body of an event or of a request for MCP has a size limit.
- A file in an event must be one that its sender uploaded. The answer to an upload contains a *reference*. It
  is sealed for the file's owner and contains no path. This module turns it into the path again. It accepts no
  web addresses and no folders.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import gradio as gr
from starlette._utils import get_route_path
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from faceswap.api.answers import failure, refusal
from faceswap.errors import FaceSwapError, InvalidRequest, NotFound, NotSignedIn, UploadNotFound
from faceswap.folders import Folders
from faceswap.owners import Owners
from faceswap.settings import Settings
from faceswap.ui.arrival import whole_or_refused
from faceswap.ui.frame import FIRST_TOKEN, PATHS
from faceswap.ui.missing import missing_page

log = logging.getLogger(__name__)

EVENT_BYTES = 512 * 1024
"""Largest body of an event or of a request for MCP. It holds only ids, options and titles."""
LEFTOVER_AGE_S = 3600.0
SWEEP_S = 600.0
"""Age at which an uploaded file is deleted, and time between two sweeps. An event takes a file in as soon as
it has arrived, so an older file belongs to a page that was closed before that."""
_NAME = r"[^/\x00]{1,255}"
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
_FOLDER = re.compile(r"[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{22}")
_REFERENCE = re.compile(rf"(?P<mark>[A-Za-z0-9_-]{{22}})\.(?P<seal>[A-Za-z0-9_-]{{22}})/(?P<name>{_NAME})")


class Incoming:
    """Files that browsers uploaded to Gradio and that no event has taken in yet.

    Each file is in its own folder below `root`. The name of this folder is random and sealed for the file's
    owner. The class is thread-safe, and several processes may share `root`.
    """

    def __init__(self, root: Path, owners: Owners, *, private: bool) -> None:
        """`private`: `root` contains only Gradio's uploads to this app, so `sweep` may delete all in it."""
        self._root = root
        self._owners = owners
        self._private = private
        self._stop = threading.Event()

    def keep(self, file: Path, owner: str) -> str:
        """Move a file that Gradio has just received into a folder for `owner`, and return its reference."""
        mark = secrets.token_urlsafe(16)
        folder = self._root / f"{mark}.{self._owners.seal(mark, owner)}"
        folder.mkdir(mode=0o700, parents=True)
        file.replace(folder / file.name)
        return f"{folder.name}/{file.name}"

    def sweep(self, older_than_s: float) -> int:
        """Delete uploads that are older than `older_than_s` and that no event took in.

        The list of uploads comes from the disk, so this also deletes what a killed process left. If other
        programs use `root`, too, only folders that `keep` made are deleted.

        Returns: the number of entries that were deleted.
        """
        removed = 0
        oldest_s = time.time() - older_than_s
        for entry in self._root.glob("*"):
            if not (self._private or _FOLDER.fullmatch(entry.name)):
                continue
            with suppress(FileNotFoundError):
                if entry.lstat().st_mtime >= oldest_s:
                    continue
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry, ignore_errors=True)
                else:
                    entry.unlink()
                removed += 1
        return removed

    def sweep_for_ever(self) -> None:
        """Sweep now and every `SWEEP_S` seconds, in a daemon thread."""
        threading.Thread(target=self._sweeping, name="faceswap-incoming", daemon=True).start()

    def _sweeping(self) -> None:
        while True:
            try:
                self.sweep(LEFTOVER_AGE_S)
            except OSError:
                log.exception("uploads that were never taken in could not be removed")
            self._stop.wait(SWEEP_S)

    def find(self, reference: str, owner: str) -> Path:
        """The path of an upload.

        Raises: UploadNotFound: this is no reference of this owner, or an event already took the file in.
        """
        parts = _REFERENCE.fullmatch(reference)
        if parts is None or parts["name"] in (".", ".."):
            raise UploadNotFound()
        if not secrets.compare_digest(parts["seal"], self._owners.seal(parts["mark"], owner)):
            raise UploadNotFound()
        path = self._root / f"{parts['mark']}.{parts['seal']}" / parts["name"]
        if not path.is_file():
            raise UploadNotFound()
        return path


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings of `Door`."""

    owners: Owners
    incoming: Incoming
    pages: frozenset[str]
    """Paths of the app's pages, without a slash at the end."""
    open_events: frozenset[int]
    """Numbers of events that need no token."""
    mcp: bool


def rules_of(owners: Owners, settings: Settings, demo: gr.Blocks | None) -> Rules:
    """The rules for the pages in `demo`.

    This also sets `GRADIO_TEMP_DIR`, Gradio's folder for uploads, if it is not set, and starts to sweep it.
    """
    own = Folders(settings.data_dir).incoming
    chosen = os.environ.setdefault("GRADIO_TEMP_DIR", str(own))
    incoming = Incoming(Path(chosen), owners, private=Path(chosen) == own)
    incoming.sweep_for_ever()
    pages = frozenset("" if path == "./" else f"/{path}" for path in PATHS.values())
    events: dict[int, Any] = demo.fns if demo else {}
    open_events = frozenset(
        number for number, event in events.items() if getattr(event.fn, "__name__", None) == FIRST_TOKEN
    )
    return Rules(owners, incoming, pages, open_events, settings.mcp)


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
            sentence = f"This request is larger than {EVENT_BYTES // 1024} KiB."
            await refusal(413, sentence)(scope, receive, send)

    def _reads(self, method: str, path: str) -> bool:
        listed = path.rstrip("/") in self._rules.pages or _READ.fullmatch(path) is not None
        return method in ("GET", "HEAD") and listed

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let Gradio receive the files, move each into a folder for its owner, and answer the references."""
        owner = self._rules.owners.owner_of(_bearer(scope))
        answer = _Answer()
        await self._app(
            scope, whole_or_refused(receive), answer.take
        )  # also waits for Gradio's tasks that move the files
        if answer.status == 200:
            references = [self._rules.incoming.keep(Path(path), owner) for path in json.loads(answer.body)]
            answer.replace(json.dumps(references).encode())
        await answer.give(send)

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
