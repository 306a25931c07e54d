"""Ports for servers that a test starts in another process."""

from __future__ import annotations

import random
import socket

PORTS = range(15_000, 32_000)
"""Below the ports of outgoing connections, so that none of these takes one while its server is down."""


def free_port() -> int:
    """A port of 127.0.0.1 that nothing uses. Random, so that test runs beside this one choose others."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
