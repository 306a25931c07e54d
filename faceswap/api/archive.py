"""Sends several results as one ZIP, which is made while it is sent and takes no room on the disk."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

_CHUNK_BYTES = 1 << 18


class _Sink(io.RawIOBase):
    """A file that cannot be read or sought. It keeps what is written until it is taken."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        view = memoryview(data)  # type: ignore[arg-type]
        self._written += view
        return view.nbytes

    def take(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken


def zipped(files: Iterable[tuple[str, Path, datetime | None]]) -> Iterator[bytes]:
    """Yield the bytes of a ZIP of these files: name in the ZIP, path, and local time of the entry.

    Nothing is compressed, because videos and pictures are. A file that is gone when its turn comes is left
    out. Entries of any size work (ZIP64).
    """
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for name, path, moment in files:
            try:
                file = path.open("rb")
            except OSError:
                continue
            with file:
                entry = zipfile.ZipInfo(name, moment.timetuple()[:6] if moment else (1980, 1, 1, 0, 0, 0))
                with archive.open(entry, "w", force_zip64=True) as inside:
                    while chunk := file.read(_CHUNK_BYTES):
                        inside.write(chunk)
                        yield sink.take()
            yield sink.take()
    yield sink.take()
