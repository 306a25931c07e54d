"""Copies the store and its media to a folder that stays when this machine's disk is lost.

A Space loses its own disk with its container. A mounted bucket would keep the data, but a live database is
not safe there (see `disks.py`). So the store is on the local disk. After each submission, end, cancel and
deletion, and every `PERIOD_S` while anything changes, the store is backed up to a local file. That file then
replaces the copy in the snapshot folder. Media are copied once, and removed when their originals are. When
this machine has no store, the copy is restored before the store is opened.

A snapshot folder belongs to one installation (see `snapshot_manifest.py`). The app deletes only those files
in it that its manifest lists.

The order of the steps makes a crash at any point harmless. A file is listed before it is copied, and copied
before the store's copy names it. A file that was deleted here is deleted there before the store is copied.
So a snapshot may lack a file, but it never keeps a file that no job or upload owns.
"""

from __future__ import annotations

import errno
import logging
import os
import secrets
import shutil
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from filelock import FileLock

from faceswap.errors import DiskFull, FaceSwapError, JobNotFound, SnapshotUnavailable
from faceswap.folders import Folders
from faceswap.loops import Loop
from faceswap.snapshot_manifest import MANIFEST, NOTE, Manifest, require_ours
from faceswap.store import JobStore, is_whole

log = logging.getLogger(__name__)

PERIOD_S = 30.0
_STORE = "jobs.sqlite3"
_LOCK = ".snapshot.lock"
_TO_BE_HAD_AGAIN = ("weights", "models", "examples")

State = Literal["off", "ok", "failing"]
_Stamp = tuple[int, int]
"""Size in bytes and time of the last change in nanoseconds."""


class Snapshots:
    """Keeps a copy of `folders` in `target`. Safe to use from any thread; processes on a machine take turns.

    Raises: SnapshotUnavailable: the folder cannot be used.
    """

    def __init__(self, store: JobStore, folders: Folders, target: Path) -> None:
        self._store = store
        self._folders = folders
        self._target = target
        self._copied: dict[str, _Stamp] = {}
        self._looked = False
        """Whether this process has looked for the files that an earlier process copied."""
        self._taken: object = None
        """The store's version in the last snapshot, as the loop's thread sees it."""
        self.loop = Loop("snapshots", self._step, PERIOD_S, store.close, last=True)
        self.state: State = "ok"

    def start(self) -> None:
        self.loop.start()

    def wake(self) -> None:
        """Take a snapshot soon, because something important changed. Returns at once."""
        self.loop.wake()

    def close(self) -> None:
        """Take the last snapshot and stop."""
        self.loop.close()

    def take(self, without: Iterable[Path] = ()) -> bool:
        """Take a snapshot now. `without` are folders in the data folder that were just deleted.

        Returns whether it worked. A failure is logged and shown by `state`, and the loop tries again within
        `PERIOD_S`.
        """
        try:
            with _turn(self._folders.root):
                self._take([folder.relative_to(self._folders.root) for folder in without])
        except (OSError, FaceSwapError) as error:
            log.warning("the snapshot failed and is tried again: %s", _what(error))
            self.state = "failing"
            return False
        except BaseException:
            self.state = "failing"
            raise
        self.state = "ok"
        return True

    def _step(self) -> None:
        version = self._store.version()
        if version != self._taken and self.take():
            self._taken = version

    def _take(self, deleted: list[Path]) -> None:
        root, target = self._folders.root, self._target
        there = require_ours(root, target, restoring=False)
        known = set(there.files) if there else set[str]()
        note = Manifest.read(root / NOTE) or Manifest.new()
        _remove_dead_drafts(root)
        draft = root / f".{_STORE}.{secrets.token_hex(4)}"
        try:
            self._store.backup(draft)
            present = dict(_files(root))
            if there is None or present.keys() - known:  # the list comes first: every copy is listed
                note.write(root / NOTE)
                note.with_files(known | present.keys()).write(target / MANIFEST)
            self._look(known, present)
            below = tuple(f"{folder.as_posix()}/" for folder in deleted)
            for name in known:
                if name not in present or name.startswith(below):
                    _remove(target, name)
                    self._copied.pop(name, None)
            for name, stamp in present.items():
                if self._copied.get(name) != stamp:
                    with suppress(FileNotFoundError):  # deleted meanwhile: the next snapshot removes it
                        _copy(root / name, target / name)
                        self._copied[name] = stamp
            _copy(draft, target / _STORE)
            note.next().write(root / NOTE)
            note.next().with_files(present).write(target / MANIFEST)
        finally:
            draft.unlink(missing_ok=True)

    def _look(self, known: Collection[str], present: Mapping[str, _Stamp]) -> None:
        """Find out, once, which files an earlier process copied. Remove the drafts that its crash left."""
        if self._looked:
            return
        for name in known:
            _draft_of(self._target / name).unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                there = (self._target / name).stat()
                size, changed_ns = present.get(name, (-1, 0))
                if (there.st_size, there.st_mtime_ns // 10**9) == (size, changed_ns // 10**9):
                    self._copied[name] = present[name]
        self._looked = True


def prepare(target: Path) -> None:
    """Make the snapshot folder, but not its parent: if a mount is missing, this must fail.

    Raises: SnapshotUnavailable.
    """
    try:
        target.mkdir(mode=0o700, exist_ok=True)
    except FileNotFoundError as error:
        raise SnapshotUnavailable(reason="the folder that it should lie in does not exist") from error
    except OSError as error:
        raise SnapshotUnavailable(reason=_what(error)) from error


def restore(folders: Folders, target: Path) -> bool:
    """Restore the snapshot if this machine has no store. Returns whether it was restored.

    Call this before anything in the data folder is opened. The store is put there last, in one step.

    Raises:
        SnapshotUnavailable: this installation may not use the folder (see `require_ours`), or the copy is
            damaged or cannot be read. Nothing in the folder was changed.
        DiskFull: there is no room for the copy on this machine.
    """
    try:
        restoring = not folders.store.exists()
        require_ours(folders.root, target, restoring=restoring)
        if not restoring or not (target / _STORE).exists():
            return False
        folders.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _turn(folders.root):
            if folders.store.exists():
                return False
            _bring_back(folders, target)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull() from error
        raise SnapshotUnavailable(reason=_what(error)) from error
    log.info("the store was restored from its snapshot")
    return True


def _bring_back(folders: Folders, target: Path) -> None:
    draft = folders.root / f".{_STORE}.{secrets.token_hex(4)}"
    try:
        _copy(target / _STORE, draft)
        if not is_whole(draft):
            raise SnapshotUnavailable(reason="the copy of the store in it is damaged")
        # Read after the store, so that the list has every file that the store names.
        manifest = Manifest.read(target / MANIFEST)
        names = manifest.files if manifest else {name for name, _ in _files(target)}
        for name in sorted(names):
            with suppress(FileNotFoundError):
                _copy(target / name, folders.root / name)
        if manifest is None:  # a snapshot from before manifests
            manifest = Manifest.new().with_files(names)
            manifest.write(target / MANIFEST)
        manifest.with_files(()).write(folders.root / NOTE)
        draft.replace(folders.store)
    finally:
        draft.unlink(missing_ok=True)


def remove_unowned(store: JobStore, folders: Folders) -> None:
    """Delete, after a restore, the media that the store does not name. An unfinished snapshot leaves them."""
    for folder in folders.root.glob("jobs/*"):
        try:
            store.get(folder.name)
        except JobNotFound:
            shutil.rmtree(folder)
    for folder in folders.uploads.glob("*"):
        if not store.has_upload(folder.name):
            shutil.rmtree(folder)


@contextmanager
def _turn(root: Path) -> Generator[None]:
    """Let one process and thread work at a time. Otherwise an older copy might replace a newer one."""
    with FileLock(root / _LOCK):
        yield


def _files(root: Path) -> Iterator[tuple[str, _Stamp]]:
    """Yield the relative name and stamp of each file to keep: media, summaries and keys.

    `root` is a data folder or its copy. The store is left out, because it is backed up. Models and examples
    are left out, because they can be downloaded again. Files of unfinished work are left out, too. A killed
    process may leave such a file after the last change of the store, and no later snapshot would remove it.
    """
    for folder, folders, names in os.walk(root):
        top = Path(folder) == root
        folders[:] = [
            name
            for name in folders
            if not name.startswith((".", "attempt-")) and not (top and name in _TO_BE_HAD_AGAIN)
        ]
        for name in names:
            unfinished = name.startswith(".") or name == "raw" or name.endswith(".part")
            if unfinished or (top and name.startswith((_STORE, MANIFEST))):
                continue
            path = Path(folder) / name
            with suppress(FileNotFoundError):
                found = path.stat()
                yield path.relative_to(root).as_posix(), (found.st_size, found.st_mtime_ns)


def _copy(source: Path, destination: Path) -> None:
    """Copy a file in one step, so that it is never half written. Only its user may read the copy.

    The copy keeps the time of the last change, where the file system allows that.
    """
    destination.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = _draft_of(destination)
    try:
        shutil.copyfile(source, draft)
        with suppress(OSError):
            draft.chmod(0o600)  # set again here: a mounted bucket keeps no modes, and some files are keys
            found = source.stat()
            os.utime(draft, ns=(found.st_atime_ns, found.st_mtime_ns))
        draft.replace(destination)
    finally:
        draft.unlink(missing_ok=True)


def _remove_dead_drafts(root: Path) -> None:
    """Delete the copies of the store that killed processes left: they name people. Call it in a `_turn`."""
    for draft in root.glob(f".{_STORE}.*"):
        draft.unlink(missing_ok=True)


def _draft_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


def _remove(root: Path, name: str) -> None:
    path = root / name
    path.unlink(missing_ok=True)
    _draft_of(path).unlink(missing_ok=True)
    with suppress(OSError):  # not empty yet
        for folder in path.relative_to(root).parents[:-1]:
            (root / folder).rmdir()


def _what(error: Exception) -> str:
    """Return the reason of an error, without paths."""
    if isinstance(error, FaceSwapError):
        return error.code
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__
