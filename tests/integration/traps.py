"""Watches files and ports that a hostile file may try to use. The kernel reports every access."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from pathlib import Path

_IN_OPEN, _IN_NONBLOCK = 0x20, 0x800  # inotify.h
_EVENT = struct.Struct("iIII")


class Traps:
    """Watches the files in `folder`, a TCP port and a UDP port. Needs Linux. Use it in a `with` statement."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.files = [
            folder / name for name in ("victim.mp4", "victim.ts", "victim.png", "victim.key", "victim.txt")
        ]
        for file in self.files:
            file.write_bytes(b"nobody may open this")
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._watch: int = self._libc.inotify_init1(_IN_NONBLOCK)
        assert self._watch >= 0, os.strerror(ctypes.get_errno())
        for file in self.files:
            assert self._libc.inotify_add_watch(self._watch, os.fsencode(file), _IN_OPEN) > 0
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self._tcp.setblocking(False)
        self.port: int = self._tcp.getsockname()[1]
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", self.port))
        self._udp.setblocking(False)

    def __enter__(self) -> Traps:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._watch)
        self._tcp.close()
        self._udp.close()

    def sprung(self) -> list[str]:
        """Return what was accessed since the last call."""
        found = [f"opened {self.files[watch - 1].name}" for watch in self._opened()]
        try:
            connection, _ = self._tcp.accept()
            connection.close()
            found.append("connected over TCP")
        except BlockingIOError:
            pass
        try:
            self._udp.recv(1)
            found.append("sent over UDP")
        except BlockingIOError:
            pass
        return found

    def _opened(self) -> list[int]:
        try:
            events = os.read(self._watch, 65536)
        except BlockingIOError:
            return []
        watches: list[int] = []
        at = 0
        while at < len(events):
            watch, _, _, name_length = _EVENT.unpack_from(events, at)
            watches.append(watch)
            at += _EVENT.size + name_length
        return watches
