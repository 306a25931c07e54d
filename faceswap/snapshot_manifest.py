"""Records which installation owns a snapshot folder, how new the snapshot is, and which files belong to it.

The snapshot folder has a manifest, and the data folder has a note of the same form. Both name the
installation that owns the snapshot, and count its snapshots. So the app recognises a folder that has other
files, or another installation's snapshot, before it writes or deletes anything there.
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
"""A new file system contains this folder."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """`files` are names relative to the snapshot folder. The note in the data folder lists none."""

    installation: str
    generation: int = 0
    """How many snapshots this installation has taken."""
    files: frozenset[str] = frozenset()

    @classmethod
    def new(cls) -> Manifest:
        return cls(secrets.token_hex(16))

    @classmethod
    def read(cls, path: Path) -> Manifest | None:
        """Read a manifest or note. None when there is no such file.

        Raises: SnapshotUnavailable: the file is damaged; OSError.
        """
        try:
            said: Any = json.loads(path.read_text(encoding="utf-8"))
            files = cast("list[str]", said.get("files") or [])
            return cls(str(said["installation"]), int(said["generation"]), frozenset(map(str, files)))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise SnapshotUnavailable(reason=f"its {path.name.lstrip('.')} is damaged") from error

    def write(self, path: Path) -> None:
        """Replace the file in one step, so that it is never half written."""
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
    """Check that this installation may use the snapshot folder. Returns its manifest, or None if it has none.

    `root` is the data folder. `restoring` is True when it has no store, so that the snapshot is restored.

    Raises:
        SnapshotUnavailable: the folder has other files or another installation's snapshot. Or its snapshot is
            newer than the data here, or older than the last one that this machine took.
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
