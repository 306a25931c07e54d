"""Finds the network address that a request comes from."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping


def address_of(headers: Mapping[str, str], peer: str | None, *, behind_proxy: bool) -> str:
    """The address of the client, or "" when it is not known.

    `peer` is the address at the other end of the connection. Behind a proxy that is the proxy's address. Each
    proxy adds the address of its own peer at the end of `X-Forwarded-For`, and the client can write what it
    likes at the beginning. So the last public address is the one that the outermost proxy saw: the proxies
    inside of a network have private addresses. If there is no public address, the last one counts.

    Without `behind_proxy` the header is not read, because any client could write it.
    """
    if not behind_proxy:
        return peer or ""
    named = [part.strip() for part in headers.get("x-forwarded-for", "").split(",")]
    known = [part for part in named if _is_address(part)]
    public = [part for part in known if ipaddress.ip_address(part).is_global]
    return next(reversed(public or known), peer or "")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
