"""The web server: it serves the app's API and Gradio's pages, and checks every request.

On a public host Gradio's own CORS rules allow any origin, with credentials. They also apply to the app's own
routes. So this server replaces them. It checks each request in this order:

1. Host (one user only): the server refuses a name that another site could own. Otherwise that site could make
   its name point to this machine, and its page could then call this app (DNS rebinding).
2. Origin: the server refuses a request that changes something when a page of another site sent it, unless
   that origin is allowed. Loopback origins are allowed; `FACESWAP_CORS_ORIGINS` adds more.
3. CORS: pages of allowed origins may read answers, but never with credentials. No route uses a cookie.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

import gradio as gr
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from faceswap.api import CONSENT_HEADER, router
from faceswap.api.answers import refusal, speak
from faceswap.errors import FaceSwapError
from faceswap.owners import Owners
from faceswap.service import Service
from faceswap.settings import Settings
from faceswap.ui import texts
from faceswap.ui.assets import assets
from faceswap.ui.door import Door, rules_of
from faceswap.ui.gradio_internals import without_cors

_LOOPBACK_ORIGIN = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?")
_LOOPBACK_FRAMES = "'self' http://localhost:* http://127.0.0.1:* https://localhost:* https://127.0.0.1:*"
_NOTEBOOK_FRAMES = "vscode-webview:"
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Policy:
    """Which hosts and origins may do what."""

    own_machine: bool
    """Whether the app has one user. Then it answers only to names of this machine."""
    server_name: str
    origins: tuple[str, ...]

    @classmethod
    def of(cls, settings: Settings) -> Policy:
        return cls(not settings.multi_user, settings.server_name, settings.cors_origins)

    def knows_host(self, host: str) -> bool:
        """Whether the Host header is allowed.

        DNS rebinding needs a name that an attacker can register. Nobody can register an address or a name
        without dots.
        """
        if not self.own_machine:
            return True
        name = _host_name(host)
        if not name:
            return False
        if name == "localhost" or name.endswith(".localhost") or _is_address(name):
            return True
        ours = {self.server_name.lower()}
        if self.server_name not in _LOOPBACK_NAMES:  # other machines call this one by its name
            machine = socket.gethostname().lower()
            ours |= {machine, f"{machine}.local"}
        return name in ours | {_host_name(urlsplit(origin).netloc) for origin in self.origins}

    def allows_origin(self, origin: str) -> bool:
        return "*" in self.origins or origin in self.origins or bool(_LOOPBACK_ORIGIN.fullmatch(origin))

    def allows_change(self, headers: Headers) -> bool:
        """Whether a request that changes something comes from our own page, an allowed page, or no page.

        A page cannot set `Sec-Fetch-Site`, and no proxy changes it. Browsers leave it out on plain http,
        except for loopback hosts. When it is missing, this compares Origin with Host.
        """
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site in ("same-origin", "none"):
            return True
        if origin is None:
            return site is None
        same = site is None and urlsplit(origin).netloc.lower() == headers.get("host", "").lower() != ""
        return same or self.allows_origin(origin)

    @property
    def frame_ancestors(self) -> str | None:
        """Value of the Content-Security-Policy: which sites may show our pages in a frame. None means all.

        A site that frames a page can trick the user into clicks on it. So with one user only this machine,
        its notebooks and the allowed origins may. A Space is always shown in a frame, and there the site
        around the frame cannot read the tokens.
        """
        if not self.own_machine or "*" in self.origins:
            return None
        return " ".join(["frame-ancestors", _LOOPBACK_FRAMES, _NOTEBOOK_FRAMES, *self.origins])


def _said(error: FaceSwapError, accepted: str | None) -> str:
    """English clients get the error's own message, which names its details."""
    language = texts.language_of(accepted)
    return str(error) if language == "en" else texts.sentence(error, language)


def _host_name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class Guard:
    """ASGI middleware that applies a `Policy` to every route, including Gradio's."""

    def __init__(self, app: ASGIApp, policy: Policy) -> None:
        self._app = app
        self._policy = policy
        self._headers = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}
        if policy.frame_ancestors:
            self._headers["Content-Security-Policy"] = policy.frame_ancestors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        changing = scope["type"] == "websocket" or scope["method"] not in _SAFE_METHODS
        if not self._policy.knows_host(headers.get("host", "")):
            sentence = "This app answers only to names of this machine. Add yours to FACESWAP_CORS_ORIGINS."
            await refusal(403, sentence)(scope, receive, send)
        elif changing and not self._policy.allows_change(headers):
            sentence = "Pages of other sites may not do this. Add their origin to FACESWAP_CORS_ORIGINS."
            await refusal(403, sentence)(scope, receive, send)
        else:
            await self._app(scope, receive, self._protected(send))

    def _protected(self, send: Send) -> Send:
        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        return protected


class Server(gr.Server):
    """The web server. Make it with `for_app`, and start it with `gradio_internals.launch_on`."""

    policy: Policy
    door: Middleware

    @classmethod
    def for_app(
        cls, service: Service, owners: Owners, settings: Settings, demo: gr.Blocks | None = None
    ) -> Self:
        """A server for the API and the pages in `demo`. Without `demo` it serves only the API."""
        server = cls(title="faceswap", openapi_url=None, docs_url=None, redoc_url=None)
        server.policy = Policy.of(settings)
        server.door = Middleware(Door, rules=rules_of(service, owners, demo))
        speak(server, _said)
        server.include_router(router(service, owners))
        server.router.routes.append(assets().route())
        return server

    def build_middleware_stack(self) -> ASGIApp:
        """Put the app's own middleware outermost, and leave out Gradio's CORS rules."""
        given = self.user_middleware
        self.user_middleware = [*_outermost(self.policy), self.door, *without_cors(given)]
        try:
            return super().build_middleware_stack()
        finally:
            self.user_middleware = given  # Starlette may build the stack again


def _outermost(policy: Policy) -> list[Middleware]:
    return [
        Middleware(Guard, policy=policy),
        Middleware(
            CORSMiddleware,
            allow_origins=policy.origins,
            allow_origin_regex=_LOOPBACK_ORIGIN.pattern,
            allow_methods=["GET", "HEAD", "POST", "DELETE"],
            allow_headers=["Authorization", "If-None-Match", "Range", CONSENT_HEADER],
            expose_headers=["ETag", "Content-Disposition", "Content-Range", "Accept-Ranges", "Retry-After"],
        ),
    ]
