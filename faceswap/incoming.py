"""Files that browsers uploaded to Gradio and that no event has taken in yet."""

from __future__ import annotations

import re
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path

from faceswap.errors import UploadNotFound
from faceswap.owners import Owners
from faceswap.quota import Amount

_MARK = r"[A-Za-z0-9_-]{22}"
_REFERENCE = re.compile(
    rf"(?P<folder>(?P<mark>{_MARK})\.(?P<sender>({_MARK})?)\.(?P<seal>{_MARK}))/(?P<name>[^/\x00]{{1,255}})"
)


class Incoming:
    """Each file is in its own folder below `root`, which holds nothing else.

    The name of this folder is random, names the sender, and is sealed for the file's owner. The class is
    thread-safe, and several processes may share `root`.
    """

    def __init__(self, root: Path, owners: Owners) -> None:
        self._root = root
        self._owners = owners

    def keep(self, file: Path, owner: str, sender: str) -> str:
        """Move a file that Gradio has just received into a folder for `owner`, and return its reference.

        `sender` is what `Owners.sender` says of the address that the file came from.
        """
        mark = secrets.token_urlsafe(16)
        folder = self._root / f"{mark}.{sender}.{self._owners.seal(mark, sender, owner)}"
        folder.mkdir(mode=0o700, parents=True)
        file.replace(folder / file.name)
        return f"{folder.name}/{file.name}"

    def find(self, reference: str, owner: str) -> Path:
        """The path of an upload.

        Raises: UploadNotFound: this is no reference of this owner, or an event already took the file in.
        """
        parts = _REFERENCE.fullmatch(reference)
        if parts is None or parts["name"] in (".", "..") or not self._is_of(parts, owner):
            raise UploadNotFound()
        path = self._root / parts["folder"] / parts["name"]
        if not path.is_file():
            raise UploadNotFound()
        return path

    def pending(self, owner: str, sender: str) -> tuple[Amount, Amount]:
        """Count the files of an owner, and the files that came from a sender."""
        own: list[int] = []
        sent: list[int] = []
        for file in self._root.glob("*/*"):
            parts = _REFERENCE.fullmatch(f"{file.parent.name}/{file.name}")
            if parts is None:
                continue
            with suppress(FileNotFoundError):
                size_bytes = file.stat().st_size
                if parts["sender"] == sender:
                    sent.append(size_bytes)
                if self._is_of(parts, owner):
                    own.append(size_bytes)
        return Amount(len(own), sum(own)), Amount(len(sent), sum(sent)) if sender else Amount()

    def _is_of(self, parts: re.Match[str], owner: str) -> bool:
        seal = self._owners.seal(parts["mark"], parts["sender"], owner)
        return secrets.compare_digest(parts["seal"], seal)


def sweep(root: Path, older_than_s: float) -> int:
    """Delete everything in Gradio's folder that is older than `older_than_s`.

    The list comes from the disk, so this also deletes what a killed process left. Returns the number of
    entries that were deleted.
    """
    removed = 0
    oldest_s = time.time() - older_than_s
    for entry in root.glob("*"):
        with suppress(FileNotFoundError):
            if entry.lstat().st_mtime >= oldest_s:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink()
            removed += 1
    return removed
