"""Owners, the tokens that name them, and signed links that open one file for one owner.

With one user there is one owner, `local`, and no token. With several users, each browser has a token: a
random owner id, signed with a key that never leaves the server.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import os
import re
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from faceswap.errors import NotSignedIn, StoreUnavailable
from faceswap.jobs import LOCAL_OWNER

KEY_FILE = "server.key"
KEY_BYTES = 32
LINK_S = 3600
"""The length of a period. A link works for one to two periods. Within a period the same link is made each
time, so that polled answers stay the same and the browser's cache works."""

_OWNER = re.compile(r"u[A-Za-z0-9_-]{22}")
_TOKEN = re.compile(rf"({_OWNER.pattern})\.([A-Za-z0-9_-]{{43}})")
_LINK = re.compile(rf"({_OWNER.pattern})\.([0-9]{{1,12}})\.([A-Za-z0-9_-]{{43}})")


class Owners:
    """Makes and checks tokens and links. `key` is 32 random bytes. Pure except for the clock; thread-safe."""

    def __init__(self, key: bytes, multi_user: bool, clock: Callable[[], float] = time.time) -> None:
        if len(key) != KEY_BYTES:
            raise StoreUnavailable(reason=f"{KEY_FILE} is damaged; remove it to make a new one")
        self.multi_user = multi_user
        self._key = key
        self._clock = clock

    @classmethod
    def load(cls, data_dir: Path, multi_user: bool) -> Owners:
        """Read the key of this data folder. The first call makes it.

        Raises: StoreUnavailable: the key cannot be read or written, or is damaged.
        """
        try:
            return cls(_key_of(data_dir), multi_user)
        except OSError as error:
            raise StoreUnavailable(reason=f"{KEY_FILE}: {type(error).__name__}") from error

    def new_token(self) -> str:
        """Make a token for a new owner."""
        owner = "u" + secrets.token_urlsafe(16)
        return f"{owner}.{self._sign('token', owner)}"

    def owner_of(self, token: str | None) -> str:
        """Return the owner that a token names. With one user, no token is needed.

        Raises: NotSignedIn: there is no token, or this server did not make it.
        """
        if not self.multi_user:
            return LOCAL_OWNER
        parts = _TOKEN.fullmatch(token or "")
        if parts is None or not hmac.compare_digest(parts[2], self._sign("token", parts[1])):
            raise NotSignedIn()
        return parts[1]

    @property
    def period(self) -> int:
        """The number of the current period. When it changes, new links differ from earlier ones."""
        return int(self._clock()) // LINK_S

    def signed_url(self, path: str, owner: str) -> str:
        """Return `path` with `?t=…`, for links and `<video src>`, which send no header.

        With one user, `path` is returned unchanged.
        """
        if not self.multi_user:
            return path
        expires = (self.period + 2) * LINK_S
        return f"{path}?t={owner}.{expires}.{self._sign('link', path, owner, str(expires))}"

    def owner_of_link(self, path: str, ticket: str) -> str:
        """Return the owner for whom the link `path?t=ticket` was made.

        Raises: NotSignedIn: the link is forged, is for another path, or has expired.
        """
        if not self.multi_user:
            return LOCAL_OWNER
        parts = _LINK.fullmatch(ticket)
        if parts is None:
            raise NotSignedIn()
        owner, expires, signature = parts.groups()
        genuine = hmac.compare_digest(signature, self._sign("link", path, owner, expires))
        if not genuine or int(expires) <= self._clock():
            raise NotSignedIn()
        return owner

    def owner_of_url(self, url: str) -> str:
        """Return the owner for whom a whole `signed_url` was made. Raises: NotSignedIn."""
        parts = urlsplit(url)
        return self.owner_of_link(parts.path, parse_qs(parts.query).get("t", [""])[0])

    def seal(self, mark: str, sender: str, owner: str) -> str:
        """Return 22 characters that bind a random `mark` and a sender to an owner. Only this server can make
        them."""
        return self._sign("upload", owner, mark, sender)[:22]

    def sender(self, address: str) -> str:
        """Return 22 characters that stand for the network of an address, to count what comes from there.

        An IPv6 address counts with its whole /64, which one customer has. The address cannot be read from
        them without this server's key. With one user, or without an address, "" stands for everybody.
        """
        try:
            found = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return ""
        if not self.multi_user:
            return ""
        if isinstance(found, ipaddress.IPv6Address):
            found = found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False).network_address
        return self._sign("sender", str(found))[:22]

    def _sign(self, purpose: Literal["token", "link", "upload", "sender"], *words: str) -> str:
        """Return the signature of the purpose and the words.

        It covers the purpose, so that a link's signature is not accepted as a token's.
        """
        message = "\0".join([purpose, *words]).encode()
        return base64.urlsafe_b64encode(hmac.digest(self._key, message, hashlib.sha256)).rstrip(b"=").decode()


def _key_of(data_dir: Path) -> bytes:
    """Read the key, or make it. If several processes make it at once, all use the file of the first one."""
    path = data_dir / KEY_FILE
    if not path.exists():
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = data_dir / f".{KEY_FILE}.{secrets.token_hex(8)}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            _publish(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    if path.stat().st_mode & 0o077 and os.name == "posix":
        path.chmod(0o600)
    return path.read_bytes()


def _publish(draft: Path, path: Path) -> None:
    """Publish the key by a hard link, which never replaces a key in use.

    On a file system without hard links, it is renamed instead.
    """
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    except OSError:
        if not path.exists():
            draft.replace(path)
