"""Whose a snapshot folder is, how new its content is, and which files in it are ours to delete.

The folder holds a manifest, and the data folder a note of the same form. Both name the installation that the
snapshot belongs to, and count its snapshots. So a folder with somebody else's files, or with the snapshot of
another installation, is recognised before anything in it is written or deleted.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from faceswap.errors import SnapshotUnavailable

MANIFEST = "snapshot.json"
NOTE = ".snapshot.json"
_IGNORED = ("lost+found",)
"""What a freshly made file system contains."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """`files` are names relative to the snapshot folder; the note in the data folder has none."""

    installation: str
    generation: int = 0
    """How many snapshots this installation has taken."""
    files: frozenset[str] = frozenset()

    @classmethod
    def new(cls) -> Manifest:
        return cls(secrets.token_hex(16))

    @classmethod
    def read(cls, path: Path) -> Manifest | None:
        """None when there is no such file. Raises: SnapshotUnavailable: it is damaged; OSError."""
        try:
            said: Any = json.loads(path.read_text(encoding="utf-8"))
            files = cast("list[str]", said.get("files") or [])
            return cls(str(said["installation"]), int(said["generation"]), frozenset(map(str, files)))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise SnapshotUnavailable(reason=f"its {path.name.lstrip('.')} is damaged") from error

    def write(self, path: Path) -> None:
        """Whole or not at all."""
        draft = path.with_name(f".{path.name.lstrip('.')}.part")
        content = {
            "about": "A snapshot by faceswap. It belongs to one installation; do not share it between two.",
            "installation": self.installation,
            "generation": self.generation,
            "files": sorted(self.files),
        }
        draft.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        draft.replace(path)

    def with_files(self, files: Iterable[str]) -> Manifest:
        return replace(self, files=frozenset(files))

    def next(self) -> Manifest:
        return replace(self, generation=self.generation + 1)


def require_ours(root: Path, target: Path, *, restoring: bool) -> Manifest | None:
    """The manifest of a snapshot folder that this installation may use; None for one that is still empty.

    `root` is the data folder; `restoring` says that it has no store, so that the snapshot is brought back.

    Raises:
        SnapshotUnavailable: the folder holds other files or another installation's snapshot, or a snapshot
            that is newer than the data here, or one that is older than what this machine has taken.
    """
    manifest, note = Manifest.read(target / MANIFEST), Manifest.read(root / NOTE)
    if manifest is None:
        present = {entry.name for entry in os.scandir(target)} - {*_IGNORED, f".{MANIFEST}.part"}
        if present and not (restoring and "jobs.sqlite3" in present):  # a snapshot from before manifests
            raise SnapshotUnavailable(reason="it holds other files; choose an empty folder")
        return None
    if note is None:
        if restoring:
            return manifest
        raise SnapshotUnavailable(reason="it belongs to another installation; choose an empty folder")
    if note.installation != manifest.installation:
        raise SnapshotUnavailable(reason="it belongs to another installation; choose an empty folder")
    if not restoring and manifest.generation > note.generation:
        raise SnapshotUnavailable(reason="another machine continued it, and it is newer than the data here")
    if restoring and manifest.generation < note.generation - 1:
        raise SnapshotUnavailable(reason="it is older than the last snapshot that this machine took")
    return manifest
