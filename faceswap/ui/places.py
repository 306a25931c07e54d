"""What the app needs of the machine that it is started on. Each function names what is missing."""

from __future__ import annotations

import errno
import os
import socket
import tempfile

from faceswap.disks import why_unusable
from faceswap.errors import HostUnusable, PortForbidden, PortInUse, TemporaryFolderUnusable

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def require_temporary_folder() -> None:
    """Check that a file can be written where Python puts temporary files.

    Raises: TemporaryFolderUnusable.
    """
    try:
        with tempfile.TemporaryFile() as file:
            file.write(b"\0")
    except OSError as error:
        raise TemporaryFolderUnusable(reason=why_unusable(error)) from error


def require_address(host: str, port: int) -> None:
    """Check that a server can listen at this address. Gradio calls every reason a lack of free ports.

    Raises: HostUnusable, PortInUse, PortForbidden.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise HostUnusable(host=host) from error
    problem: OSError | None = None
    for family, kind, protocol, _, address in found:
        try:
            with socket.socket(family, kind, protocol) as probe:
                if (
                    os.name == "posix"
                ):  # otherwise a port counts as used for a minute after its last connection
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
            return
        except OSError as error:
            problem = error
    if problem is None or problem.errno == errno.EADDRNOTAVAIL:
        raise HostUnusable(host=host) from problem
    if problem.errno in (errno.EACCES, errno.EPERM):
        raise PortForbidden(port=port) from problem
    raise PortInUse(host=host, port=port) from problem


def reach_directly(host: str) -> None:
    """Let this process's requests to this machine go round a proxy that the environment names.

    Gradio asks its own server whether it has started. A proxy on another machine cannot answer that.
    """
    for name in ("NO_PROXY", "no_proxy"):
        said = os.environ.get(name, "")
        missing = [each for each in (*_LOOPBACK, host) if each not in said.split(",")]
        os.environ[name] = ",".join([*filter(None, [said]), *missing])
