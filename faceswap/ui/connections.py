"""Limits the connections to the web server, so that open ones cannot keep everybody else out.

uvicorn waits for the head of a request as long as its client likes. So a few hundred connections that send
nothing take all descriptors of the process, and then neither a visitor nor a running task gets one.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from functools import partial
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

log = logging.getLogger(__name__)

HEAD_S = 15.0
"""How long a client may take for the head of its first or its next request."""
BODY_S = 30.0
"""How often it is checked that the body of a request goes on."""
LEAST_BYTES = 16 * 1024
"""So much of a body must come between two checks, unless the app does not read it."""
RESERVE = 256
"""Descriptors that connections leave for our own files and for engine processes."""
WANTED = 8192
"""The limit of descriptors that we ask the system for."""
OF_ADDRESS = 256
"""Most connections of one address, if there are descriptors enough."""


class Connections:
    """Counts the open connections. Only the server's event loop uses it."""

    def __init__(self, most: int, most_of_address: int | None) -> None:
        """`most_of_address` is None behind a proxy, from which all connections come."""
        self._most = most
        self._most_of_address = most_of_address
        self._open: Counter[str] = Counter()

    @classmethod
    def of_process(cls, *, behind_proxy: bool) -> Connections:
        """The limits for this process."""
        most = max(64, _descriptors() - RESERVE)
        return cls(most, None if behind_proxy else min(OF_ADDRESS, most // 3))

    def enter(self, address: str) -> bool:
        """Count a new connection. Returns whether it may stay."""
        self._open[address] += 1
        crowded = self._most_of_address is not None and self._open[address] > self._most_of_address
        return not crowded and self._open.total() <= self._most

    def leave(self, address: str) -> None:
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]


class LimitedProtocol(H11Protocol):
    """A connection that is closed if there are too many, or if its client takes too long for a head or for
    the next part of a body.
    """

    def __init__(
        self, *args: Any, connections: Connections, head_s: float, body_s: float, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self.ws_protocol_class = None  # no route of ours is a WebSocket, and one would leave this class
        self._all = connections
        self._head_s = head_s
        self._body_s = body_s
        self._received = 0
        """Bytes since the last check."""
        self._body_timer: asyncio.TimerHandle | None = None
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self._all.enter(self._address):
            self._watch()
        else:
            log.warning("a connection was refused: too many are open")
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.leave(self._address)
        self._stop_watching()
        if self._body_timer is not None:
            self._body_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    @property
    def _address(self) -> str:
        return self.client[0] if self.client else ""

    def _watch(self) -> None:
        """Run the timer exactly while no request is in progress. More bytes of a head do not restart it."""
        cycle: Any = self.cycle  # None before the first request, although its type does not say so
        if cycle is not None and cycle.more_body and self._body_timer is None:
            self._await_body()
        if cycle is not None and not cycle.response_complete:
            self._stop_watching()
        elif self._head_timer is None and not self.transport.is_closing():
            self._head_timer = self.loop.call_later(self._head_s, self.transport.abort)

    def _await_body(self) -> None:
        self._received = 0
        self._body_timer = self.loop.call_later(self._body_s, self._check_body)

    def _check_body(self) -> None:
        """Close the connection if its body stands still, or only drips. Bytes that wait because the app does
        not read them are no fault of the client's.
        """
        self._body_timer = None
        cycle: Any = self.cycle
        if self.transport.is_closing() or not cycle.more_body or cycle.response_complete:
            return
        if self._received < LEAST_BYTES and not self.flow.read_paused:
            log.info("a request was given up: its body came too slowly")
            self.transport.abort()
        else:
            self._await_body()

    def _stop_watching(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def limit_connections(
    config: uvicorn.Config, *, behind_proxy: bool, head_s: float = HEAD_S, body_s: float = BODY_S
) -> None:
    """Limit the connections that a server accepts from now on."""
    connections = Connections.of_process(behind_proxy=behind_proxy)
    protocol: Any = partial(LimitedProtocol, connections=connections, head_s=head_s, body_s=body_s)
    config.http_protocol_class = protocol


def _descriptors() -> int:
    """Raise this process's limit of open descriptors, if the system allows it, and return the limit."""
    try:
        import resource
    except ImportError:  # Windows: a socket is no descriptor there
        return WANTED
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft != unlimited and soft < WANTED:
        soft = WANTED if hard == unlimited else min(WANTED, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return WANTED if soft == unlimited else soft
