"""Moves files into and out of the worker, over https and to public addresses only.

The URLs come from outside and the worker runs inside a data centre. It must not connect to a neighbouring
machine or to the cloud's metadata service. The resolver checks the addresses that it found for a name, and
the connection goes to one of these addresses. A second resolution therefore cannot give another address.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import errno
import hashlib
import ipaddress
import logging
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from faceswap.errors import CloudFailed, DiskFull, FaceSwapError, TooLarge, UnsafeAddress
from faceswap.wire import MediaLocation

log = logging.getLogger(__name__)

CHUNK_BYTES = 256 * 1024
MARKER_TIMEOUT_S = 3.0
ANSWER_TIMEOUT_S = 5.0
"""How long a cancelled upload waits for the answer after its last byte was sent."""
_TRIES = 3
RETRY_PAUSE_S = 1.0
_REDIRECTS = 5
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Transfer:
    """A session of HTTP connections; use it in `async with`.

    The worker connects to `allow_hosts` even if they are not public, and there also over http. A download
    that is larger than `limit_bytes` is refused.
    """

    def __init__(self, allow_hosts: frozenset[str], limit_bytes: int) -> None:
        self._allow_hosts = allow_hosts
        self._limit_bytes = limit_bytes
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=PublicResolver(allow_hosts)),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=30),
            auto_decompress=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def download(self, location: MediaLocation, path: Path, role: str) -> None:
        """Download a file to `path`. `role` names the file in messages.

        Raises:
            UnsafeAddress: the URL or a redirect leads to an address that is not allowed.
            TooLarge, DiskFull.
            CloudFailed: the download failed or its SHA-256 is wrong.
        """
        for attempt in range(1, _TRIES + 1):
            try:
                digest = await self._write(location.url, path)
                break
            except aiohttp.InvalidURL as error:
                raise UnsafeAddress() from error
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise DiskFull() from error
                log.warning("download of the %s failed: %s", role, type(error).__name__)
                if attempt == _TRIES or _is_final(error):
                    raise CloudFailed(reason=f"the {role} could not be downloaded{_status(error)}") from error
            await asyncio.sleep(RETRY_PAUSE_S * attempt)
        else:
            raise AssertionError("unreachable")
        if location.sha256 and digest != location.sha256:
            raise CloudFailed(reason=f"the {role} was damaged on its way to the worker")

    async def _write(self, url: str, path: Path) -> str:
        """Write the content of `url` to `path`. Returns its SHA-256 in hex."""
        digest, size = hashlib.sha256(), 0
        with path.open("wb") as file:
            async for chunk in self._chunks(url):
                size += len(chunk)
                if size > self._limit_bytes:
                    raise TooLarge(limit_mb=self._limit_bytes / 1e6)
                digest.update(chunk)
                file.write(chunk)
        return digest.hexdigest()

    async def _chunks(self, url: str) -> AsyncIterator[bytes]:
        if url.startswith("data:"):
            yield _decoded(url)
            return
        for _ in range(_REDIRECTS):
            async with self._session.get(self._safe(url), allow_redirects=False) as response:
                if response.status in (301, 302, 303, 307, 308) and "Location" in response.headers:
                    url = str(response.url.join(URL(response.headers["Location"])))
                    continue
                response.raise_for_status()
                async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                    yield chunk
                return
        raise UnsafeAddress()

    async def upload(self, url: str, path: Path) -> None:
        """PUT a file to a presigned URL. The bucket stores no incomplete object. Raises `CloudFailed`.

        After this method has ended, no object appears any more. When the task is cancelled, the method aborts
        an upload with bytes left to send. When all bytes were sent, it waits for the answer, because the
        bucket may still store the object.
        """
        for attempt in range(1, _TRIES + 1):
            body = _Body(path)
            put = asyncio.create_task(self._put(url, body.chunks(), path.stat().st_size))
            try:
                await asyncio.shield(put)
                return
            except asyncio.CancelledError:
                if not body.complete:
                    put.cancel()
                await outlast(put, ANSWER_TIMEOUT_S)
                put.cancel()
                raise
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                log.warning("upload of the result failed: %s", type(error).__name__)
                if attempt == _TRIES:
                    raise CloudFailed(reason=f"the result could not be stored{_status(error)}") from error
            await asyncio.sleep(RETRY_PAUSE_S * attempt)

    async def put(self, url: str, data: bytes, timeout_s: float) -> bool:
        """PUT a small object. Returns False when that fails, because the caller can do without the object."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._put(url, data, len(data))
        except (aiohttp.ClientError, OSError, TimeoutError, FaceSwapError) as error:
            log.warning("an object could not be stored: %s", type(error).__name__)
            return False
        return True

    async def _put(self, url: str, data: object, size: int) -> None:
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        async with self._session.put(
            self._safe(url), data=data, headers=headers, allow_redirects=False
        ) as response:
            response.raise_for_status()
            if response.status >= 300:
                raise aiohttp.ClientPayloadError("redirected")

    async def exists(self, url: str) -> bool:
        """Whether there is an object at `url`. Returns False when there is no answer within
        `MARKER_TIMEOUT_S` or the request fails."""
        try:
            async with (
                asyncio.timeout(MARKER_TIMEOUT_S),
                self._session.get(self._safe(url), allow_redirects=False) as response,
            ):
                return response.status == 200
        except (aiohttp.ClientError, OSError, TimeoutError, FaceSwapError) as error:
            log.warning("the cancel marker could not be looked for: %s", type(error).__name__)
            return False

    def _safe(self, url: str) -> URL:
        """Return the parsed URL, or raise `UnsafeAddress`. This method checks numeric addresses;
        `PublicResolver` checks names."""
        try:
            parsed = URL(url, encoded=True)
        except ValueError as error:
            raise UnsafeAddress() from error
        host = parsed.host
        if not host or parsed.user or parsed.password:
            raise UnsafeAddress()
        if host in self._allow_hosts and parsed.scheme in ("http", "https"):
            return parsed
        if parsed.scheme != "https" or (_is_number(host) and not is_public(host)):
            raise UnsafeAddress()
        return parsed


class _Body:
    """The body of an upload. `complete` becomes True when its last byte is handed to the connection."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.complete = False

    async def chunks(self) -> AsyncIterator[bytes]:
        left = self._path.stat().st_size
        with self._path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                left -= len(chunk)
                self.complete = left <= 0
                yield chunk
        self.complete = True


async def outlast(task: asyncio.Task[Any], timeout_s: float) -> None:
    """Wait for a task for at most `timeout_s`, and ignore cancels meanwhile. A caller that was cancelled
    before raises that cancel again afterwards."""
    until_s = time.monotonic() + timeout_s
    while not task.done() and (left_s := until_s - time.monotonic()) > 0:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({task}, timeout=left_s)
    if task.done() and not task.cancelled() and (error := task.exception()):
        log.info("ended while it was being stopped: %s", type(error).__name__)


class PublicResolver(AbstractResolver):
    """Resolves names. It refuses a name with at least one address that is not public, unless the name is one
    of `allow_hosts`."""

    def __init__(self, allow_hosts: frozenset[str]) -> None:
        self._allow_hosts = allow_hosts
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if host not in self._allow_hosts and not all(is_public(result["host"]) for result in found):
            raise UnsafeAddress()
        return found

    async def close(self) -> None:
        await self._resolver.close()


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet. For an IPv6 address that contains an IPv4
    address, the IPv4 address decides."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is not None:
            return is_public(str(inner))
        if ip in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
    return ip.is_global and not ip.is_multicast


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _decoded(url: str) -> bytes:
    try:
        return base64.b64decode(url.partition(",")[2], validate=True)
    except binascii.Error as error:
        raise CloudFailed(reason="a data URL is not base64") from error


def _is_final(error: Exception) -> bool:
    """Whether another try would fail in the same way."""
    return isinstance(error, aiohttp.ClientResponseError) and 400 <= error.status < 500


def _status(error: Exception) -> str:
    return f" (HTTP {error.status})" if isinstance(error, aiohttp.ClientResponseError) else ""
