"""Keeps files and folders from other users of this machine. On Windows the user's own folder does that."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def private_folder(path: Path) -> None:
    """Make the folder, or take away the access of others to it. Its parents need not exist.

    Raises: OSError: the folder cannot be made.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    _only_for_us(path)


def private_file(path: Path) -> None:
    """Make an empty file, or take away the access of others to the file that is there.

    Raises: OSError: the file cannot be made.
    """
    if not path.exists():
        path.touch(mode=0o600)
    _only_for_us(path)


def _only_for_us(path: Path) -> None:
    """Another user's folder keeps its mode, because only its owner may change that."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "posix" and mode & _OTHERS:
        with suppress(PermissionError):
            path.chmod(mode & ~_OTHERS)
